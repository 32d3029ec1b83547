package recordlog

// Outcome is what became of the transaction that a batch is part of.
type Outcome int

// The outcomes of transactions.
const (
	NoTransaction Outcome = iota // the batch is in none, or ends one
	Open                         // nothing in the log ends it
	Committed
	Aborted
)

// Outcomes tells of each batch of a log, by its place, what became of its
// transaction: that is what the producer's next marker says. A control batch which
// says neither ends the transaction and is no commit.
func Outcomes(batches []Batch) []Outcome {
	out := make([]Outcome, len(batches))
	open := make(map[int64][]int) // places in batches, by producer
	for i := range batches {
		b := &batches[i]
		switch {
		case b.Control:
			outcome := Aborted
			if commit, ok := b.Marker(); ok && commit {
				outcome = Committed
			}
			for _, j := range open[b.ProducerID] {
				out[j] = outcome
			}
			delete(open, b.ProducerID)
		case b.Transactional:
			out[i] = Open
			open[b.ProducerID] = append(open[b.ProducerID], i)
		}
	}
	return out
}
