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
	var txns Transactions
	out := make([]Outcome, len(batches))
	parts := make(map[int][]int) // indices in batches, by the transaction's number
	for i := range batches {
		x, ok := txns.Next(&batches[i])
		switch {
		case !ok:
		case !x.Ended():
			out[i] = Open
			parts[x.Number] = append(parts[x.Number], i)
		default:
			for _, j := range parts[x.Number] {
				out[j] = Aborted
				if x.Commit {
					out[j] = Committed
				}
			}
		}
	}
	return out
}
