package main

import "time"

// sample is one measurement of one side; it returns a number in the row's unit.
type sample func() (float64, error)

// turns measures two sides in rounds, after one that does not count. Which of
// them goes first changes from round to round. While the rounds fall on both
// sides of the row's limit there are more of them, see wantsMore.
func turns(r *row, rounds int, ours, theirs sample) error {
	for i := 0; i == 0 || r.wantsMore(rounds); i++ {
		var a, b float64
		var err error
		if i%2 == 0 {
			a, err = ours()
		}
		if err == nil {
			b, err = theirs()
		}
		if err == nil && i%2 == 1 {
			a, err = ours()
		}
		if err != nil {
			return err
		}
		if i > 0 {
			r.add(a, b)
		}
	}
	return nil
}

// medianOf returns a sample of n calls of do in one round: the median of their
// times, in microseconds.
func medianOf(n int, do func() error) sample {
	return func() (float64, error) {
		took := make([]float64, 0, n)
		for range n {
			began := time.Now()
			if err := do(); err != nil {
				return 0, err
			}
			took = append(took, micros(time.Since(began)))
		}
		return percentile(took, 0.5), nil
	}
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// inPieces measures two sides within each round in short pieces that take
// turns, so that what disturbs the machine for a while disturbs both. Each piece
// gives a number, and each pair of them a ratio; a round is the median of those.
func inPieces(r *row, rounds, pieces int, ours, theirs sample) error {
	return inPiecesWhen(anyway, r, rounds, pieces, ours, theirs)
}

// anyway is for rows that need nothing of the machine.
func anyway() (bool, error) { return true, nil }

// mostAgain is how many times as many rounds as a row is to have may be done again.
const mostAgain = 6

// inPiecesWhen is inPieces with a question after each round, whether the machine was
// what the row needs. A round with the answer no is done again, up to mostAgain; then
// all rounds count, and the row says how many were unfit.
func inPiecesWhen(fit func() (bool, error), r *row, rounds, pieces int, ours, theirs sample) error {
	again := mostAgain * rounds
	for i := 0; i == 0 || r.wantsMore(rounds); i++ {
		part := row{}
		if err := turns(&part, pieces, ours, theirs); err != nil {
			return err
		}
		ok, err := fit()
		if err != nil {
			return err
		}
		if !ok && again > 0 {
			again--
			continue
		}
		if !ok && i > 0 {
			r.Unfit++
		}
		if i > 0 {
			r.addRound(spreadOf(part.Ours).median, spreadOf(part.Theirs).median, spreadOf(part.Values).median)
		}
	}
	return nil
}
