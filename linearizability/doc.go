// Package linearizability records what the clients of a key-value store on one
// log did and saw, and judges whether the store kept its promises.
//
// # The model
//
// The store's data is one log, a single partition of a Kafka topic. Each write is one
// record, whose offset is its revision; a record without a value deletes its key. A
// client applies the log in its order. Its position is the next offset that it will
// apply. The state at a position is what the records below it result in. Reads are
// answered from the client's own state, so they may lag behind the log. A process is one
// incarnation of a client: what it has seen binds what it sees later, but not what the
// next process sees after a restart.
//
// # The guarantees
//
// Each check has a name and one sentence, see [CheckID.Guarantee]. About writes:
//
//	acknowledged-write-in-log-once   an acknowledged write is in the log exactly once
//	refused-write-not-in-log         a refused one is not, then or later
//	unknown-write-at-most-once       one of unknown outcome is at most once
//	log-holds-only-what-was-written  nothing else is in the log
//	acknowledged-after-append        a write is acknowledged once it is in the log
//	revision-is-offset               reported revisions are the records' offsets
//	real-time-order-is-offset-order  a later write has the higher offset
//	batch-in-log-whole               a batch is contiguous and whole, or not there
//	acknowledged-write-visible       an acknowledged write is applied by its client
//
// About reads: each is the log's state at one position, which
//
//	read-is-a-state-of-the-log       exists
//	range-at-one-position            is the same for all keys of a range
//	batch-visible-at-once            is not inside of a batch
//	read-not-beyond-the-end          is not beyond the log's end at the return
//	only-committed-data              is not beyond an open transaction
//	read-your-writes                 includes the process's acknowledged writes
//	barrier-sees-all-acknowledged    after a barrier: includes everyone's
//	wait-reaches-revision            includes the revision that was waited for
//	per-key-order                    is not before what was read of the key
//	monotonic-reads                  is not before what was read at all
//	open-catches-up                  includes the log as it was before opening
//	position-only-advances           fits the positions that the client reports
//
// About the rest:
//
//	hooks-complete-and-in-order      one for each record, in the log's order
//	rebuild-has-a-cause              the log is reread after a loss or an absence
//	clients-converge                 in the end all clients hold the log's state
//	compacted-log-replays-the-same   compaction does not change what is read
//	porcupine-key-is-a-register      each key is linearizable
//	porcupine-session                reads may lag, but never go back
//
// # Two judges
//
// The log witness compares the operations with the log. Because the log is the total
// order of the writes, it needs no search: it takes O(n log n), where a range counts as
// many times as there are keys in its interval, and it always decides. For each read it
// looks for the lowest position that explains it, in the order of the returns. That is
// enough: whatever explains later reads after another choice also explains them after the
// lowest one.
//
// Porcupine (github.com/anishathalye/porcupine) judges each key by the operations alone.
// Its search is exponential at worst, so it works on pieces of bounded size, in a bounded
// number of steps; a piece that it cannot decide makes the verdict inconclusive. It does
// not know offsets, positions, ranges or other keys, so it finds less. But what it finds,
// the log witness must find too, and what the operations alone prove wrong, porcupine
// must find. A contradiction is a failure of the harness: one of the judges is wrong.
//
// # What is not held against a client
//
//   - An operation of unknown outcome, or one that never returned, may take
//     effect at any time after its call, or never. A read that failed is
//     ignored.
//   - When the broker loses the log's tail (an unclean leader election) or the
//     topic is recreated, acknowledged writes in the lost part are the
//     broker's loss. A client may serve the lost state until it has seen the
//     new one, and then go back as far as the two have in common, and no
//     further. Porcupine does not judge keys that lost records.
//   - A client that lags while compaction removes records may never see them,
//     unless it claims to have caught up: by acknowledging its own write, by a
//     barrier or by waiting for a revision.
//   - When records are deleted from the start of the log (DeleteRecords,
//     retention), a client that has not come to them may go on from what is
//     left. Then it has reread the log and has nothing from before, for any
//     key; what it had and what is left are no state of the log together. A
//     process that opens after the deletion begins there. One that had read
//     the records keeps what they left.
//   - Where several writes have the same value id, as deletes of one key have,
//     a record is held to be of any of them that fits.
//
// # Verdicts
//
// [Held], [Violated], [Inconclusive] or [HarnessFailure]. A history never passes for lack
// of evidence: a check that had nothing to judge says so, and a history that breaks an
// assumption of the checks (two writes with one value id, time going back, no operations
// at all) is reported as such.
//
// Histories come from a [Recorder], from [Recorder.Wrap] around any client with
// Get, Put and Delete, or from a file of any other program: docs/history-format.md
// describes the format.
package linearizability
