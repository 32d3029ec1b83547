// Package linearizability records what the clients of a key-value store on one
// log did and saw, and judges whether the store kept its promises.
//
// # The model
//
// The store's data is one log: a single partition of a Kafka topic. Each write is one
// record, and the record's offset is the write's revision. A record without a value
// deletes its key. A client applies the records in log order. Its position is the next
// offset that it will apply. The state at a position is the result of applying all
// records below it. A client answers reads from its own state, so reads may lag behind
// the log. A process is one incarnation of a client: what it has seen limits what it may
// see later, but not what the next process may see after a restart.
//
// # The guarantees
//
// Each check has a name and a one-sentence guarantee; see [CheckID.Guarantee]. About
// writes:
//
//	acknowledged-write-in-log-once   an acknowledged write is in the log exactly once
//	refused-write-not-in-log         a refused write never gets into the log
//	unknown-write-at-most-once       a write of unknown outcome is in it at most once
//	lost-write-not-in-log            a write that is reported as lost is not in it
//	log-holds-only-what-was-written  nothing else is in the log
//	acknowledged-after-append        a write is acknowledged once it is in the log
//	revision-is-offset               reported revisions are the records' offsets
//	real-time-order-is-offset-order  a write that began later has the higher offset
//	batch-in-log-whole               a batch is contiguous and whole, or absent
//	acknowledged-write-visible       a client has applied a write once it is acknowledged
//
// About reads: a read returns the log's state at one position. That position
//
//	read-is-a-state-of-the-log       exists
//	range-at-one-position            is the same for all keys of a range
//	batch-visible-at-once            is not inside a batch
//	read-not-beyond-the-end          is not beyond the log's end when the read returned
//	only-committed-data              is not beyond an open transaction
//	read-your-writes                 includes the process's acknowledged writes
//	barrier-sees-all-acknowledged    includes what anyone knew of, after a barrier
//	wait-reaches-revision            includes the revision that the process waited for
//	per-key-order                    is not before what the process has read of the key
//	monotonic-reads                  is not before anything that the process has read
//	open-catches-up                  includes what anyone knew of before opening
//	position-only-advances           fits the positions that the client reports
//
// About the rest:
//
//	hooks-complete-and-in-order      a hook fires for each record, in log order
//	rebuild-has-a-cause              the log is reread only after a loss or an absence
//	clients-converge                 in the end all clients hold the log's state
//	compacted-log-replays-the-same   compaction does not change what is read
//	porcupine-key-is-a-register      each key is linearizable
//	porcupine-session                reads may lag, but never go back
//
// # Two judges
//
// The log witness compares the operations with the log. The log is a total order of the
// writes, so the witness has nothing to search for. It takes O(n log n), where a range counts
// once for each key in its interval, and ends at Options.WitnessSteps. It takes the reads
// in the order in which they returned, and for each one finds the lowest position that
// explains it. The lowest is always a safe choice: if a later read can be explained after
// choosing any other position, it can be explained after choosing the lowest.
//
// Porcupine (github.com/anishathalye/porcupine) judges each key by the operations alone.
// Its search takes exponential time at worst, so a history is cut into pieces of bounded
// size and each piece gets a bounded number of steps. A piece that porcupine cannot decide
// makes the verdict inconclusive. Porcupine knows nothing of offsets, positions, ranges or
// other keys, so it finds less than the log witness. But the log witness must find
// everything that porcupine finds, and porcupine must find what the operations alone prove
// wrong. If one of them proves a violation that the other should have found and did not,
// the history is violated, and the findings of both are shown.
//
// # What is not held against a client
//
//   - That a record was appended does not say that anyone can read it yet. Barriers and
//     processes that open claim what had been acknowledged, what anyone had read, the
//     positions that anyone had reported, the revisions that anyone had waited for, and
//     the ends of the log that were seen, before they were called.
//   - An operation of unknown outcome, or one that never returned, may take
//     effect at any time after its call, or never. A failed read is ignored.
//   - When the broker loses the log's tail (an unclean leader election), or the
//     topic is recreated, the loss of acknowledged writes is the broker's fault.
//     A client may serve the lost state until it has seen the new one. It may
//     then go back to the last state that both have in common, but no further.
//     Porcupine does not judge keys that lost records.
//   - A write takes place at a moment between its call and its return: then its process has
//     applied it. It may return after the log has lost it, and after its process has reread the log
//     and shown what took its place, unless its process can't have applied it before. Its hooks
//     tell that: one that was never told of was not applied.
//   - A write of unknown outcome with an error of class loss is reported as lost. It may be
//     in the log if an earlier try of it was lost, or if it got there after it had returned.
//   - A client that lags while compaction removes records may never see them,
//     unless it claims to have caught up: by opening, by acknowledging its own
//     write, by a barrier or by waiting for a revision. What an operation claims is
//     judged by the position that it reports itself, too.
//   - A barrier that is answered from a log that was lost asks for all that was known of that
//     log, and one that is answered from the new log for what that has of it. The position that
//     an operation reports is read after it, so after a loss it may be one on the way back to
//     where the process was.
//   - A history may end while the records of a batch are noted: the log may end with the first ones
//     of a batch that never returned, if no final or cold state says that the history is over. The
//     rest is taken to follow, so nobody sees a part.
//   - In version 2 of the history format, a write may have been tried in transactions that were
//     aborted. Such a record counts for nothing.
//   - The records of a transaction become visible one after the other: a client may have got to
//     somewhere inside it. It applies those of one batch together.
//   - A transaction that never ends hides what follows it from all clients, to the end.
//   - When records are deleted from the start of the log (DeleteRecords,
//     retention), a client that had not reached them may continue with what is
//     left. It must then drop everything that it held, for all keys: its old
//     state combined with what is left is not a state of the log. Its hooks tell
//     what differs, as when it rereads the log. A process
//     that opens, or begins to reread the log, after the deletion starts from what is left. One that had
//     applied the deleted records keeps their effect.
//   - When a process rereads the log, its hooks tell what differs from the state that
//     they had told, at the end of what is left of what the process had read: first a
//     delete for each key that is gone, then a set for each key that has another
//     record, both in the order of the keys. From there on they tell each record. If
//     the log lost nothing, they tell only which keys are gone, at any time later.
//   - The loss of records is a reason to reread the log for each process that may have had
//     some of them, once. So is a deletion from the start, but not for a process that was
//     above it: that has shown so with a position, a revision or the offset of a hook, in
//     the same log and since it reread that last. What deletes or loses nothing is no
//     reason. With a late tap, what was lost may never have been noted, and it is not known
//     when records were deleted, so each is one.
//   - If records are deleted just up to where a process is that rereads the log after a
//     loss, nobody can tell it any more whether the log has lost more. It may then reread
//     the log again, and take the new start for the end of what is left.
//   - Several writes may share a value id, as the deletes of one key do. A
//     record with that id may then belong to any of them that fits.
//
// # Verdicts
//
// A verdict is [Held], [Violated], [Inconclusive] or [HarnessFailure]. A history never
// passes for lack of evidence. A check that had nothing to judge says so. A history that
// breaks an assumption of the checks (two writes with one value id, time going back, no
// operations at all, a log tap that tells of what is beyond the log, or of a loss inside
// the records of a batch) is reported as doing
// so, and not held against a client.
//
// Version 2 of the history format can say more than the judges know: conditional writes,
// transactions of clients, reads at a revision, watches and leases. A history with one of
// these is inconclusive, and the verdict names what is not known.
//
// Histories come from a [Recorder], from [Recorder.Wrap] around any client with
// Get, Put and Delete, or from a file that any other program wrote in the format of
// docs/history-format.md.
package linearizability
