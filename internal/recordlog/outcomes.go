package recordlog

// Outcome says how the transaction that a batch is part of ended.
type Outcome int

// The outcomes of transactions.
const (
	NoTransaction Outcome = iota // the batch is not part of one, or ends one
	Open                         // nothing in the log ends it
	Committed
	Aborted
)

// Outcomes returns the outcome of each batch of a log, by its index. The next marker of
// the same producer decides it. A control batch that is neither commit nor abort counts as
// an abort.
func Outcomes(batches []Batch) []Outcome {
	out := make([]Outcome, len(batches))
	open := make(map[int64][]int) // indices in batches, by producer
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
