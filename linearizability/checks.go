package linearizability

// CheckID is the name of a check, as verdicts and the command line have it.
type CheckID string

// The checks. The first ones compare the clients' writes with the log, the next ones
// their reads, then hooks, rebuilds and whole states. The last two are porcupine's,
// which does not look at the log at all.
const (
	CheckAckedOnce         CheckID = "acknowledged-write-in-log-once"
	CheckRefusedAbsent     CheckID = "refused-write-not-in-log"
	CheckUnknownAtMostOnce CheckID = "unknown-write-at-most-once"
	CheckReportedLost      CheckID = "lost-write-not-in-log"
	CheckLogFromWrites     CheckID = "log-holds-only-what-was-written"
	CheckAckedAfterAppend  CheckID = "acknowledged-after-append"
	CheckRevision          CheckID = "revision-is-offset"
	CheckRealTimeOrder     CheckID = "real-time-order-is-offset-order"
	CheckBatchInLog        CheckID = "batch-in-log-whole"

	CheckWriteVisible     CheckID = "acknowledged-write-visible"
	CheckPosition         CheckID = "position-only-advances"
	CheckReadFromLog      CheckID = "read-is-a-state-of-the-log"
	CheckNoFuture         CheckID = "read-not-beyond-the-end"
	CheckCommittedOnly    CheckID = "only-committed-data"
	CheckReadYourWrites   CheckID = "read-your-writes"
	CheckMonotonicReads   CheckID = "monotonic-reads"
	CheckPerKeyOrder      CheckID = "per-key-order"
	CheckBarrier          CheckID = "barrier-sees-all-acknowledged"
	CheckWaitRevision     CheckID = "wait-reaches-revision"
	CheckOpen             CheckID = "open-catches-up"
	CheckOnePosition      CheckID = "range-at-one-position"
	CheckBatchVisible     CheckID = "batch-visible-at-once"
	CheckHooks            CheckID = "hooks-complete-and-in-order"
	CheckRebuild          CheckID = "rebuild-has-a-cause"
	CheckConvergence      CheckID = "clients-converge"
	CheckCompaction       CheckID = "compacted-log-replays-the-same"
	CheckPorcupineKey     CheckID = "porcupine-key-is-a-register"
	CheckPorcupineSession CheckID = "porcupine-session"
)

// guarantees has the sentence of each check, in the order of AllChecks.
var guarantees = []struct {
	id       CheckID
	sentence string
}{
	{CheckAckedOnce, "a write that was acknowledged is in the log exactly once, unless the broker itself lost the tail that held it"},
	{CheckRefusedAbsent, "a write that was refused is not in the log, then or later"},
	{CheckUnknownAtMostOnce, "a write of unknown outcome is in the log at most once"},
	{CheckReportedLost, "a write that is reported as lost with the log's tail is not in the log: it was lost, or compaction or a deletion has removed it"},
	{CheckLogFromWrites, "every record of the log was written by an operation, with its key and its value"},
	{CheckAckedAfterAppend, "a write is acknowledged only once its record is in the log"},
	{CheckRevision, "the revision that an operation reports is the offset of the record it wrote or read, also if its outcome is unknown"},
	{CheckRealTimeOrder, "a write that began after another was acknowledged has the higher offset"},
	{CheckBatchInLog, "a batch is in the log whole, in its order, at contiguous offsets, in one transaction or none, or not at all"},
	{CheckWriteVisible, "a client that acknowledged a write has applied it: its position is beyond the write's offset"},
	{CheckPosition, "the position of a process never goes back, and never lies beyond the end of the log"},
	{CheckReadFromLog, "a read returns the log's state at some position"},
	{CheckNoFuture, "a read returns nothing that was not in the log when it returned"},
	{CheckCommittedOnly, "a read returns nothing from a transaction that is open or aborted"},
	{CheckReadYourWrites, "a process that has a write acknowledged reads a state that includes it"},
	{CheckMonotonicReads, "a process never reads a state of the log older than one it has read before"},
	{CheckPerKeyOrder, "a process sees the writes to one key in the order of the log"},
	{CheckBarrier, "a read after a barrier includes every write that was acknowledged to anyone, and all that anyone had read or reached, before the barrier began"},
	{CheckWaitRevision, "a read after waiting for a revision includes it"},
	{CheckOpen, "a process that has opened has applied the log as it was known when opening began: what had been acknowledged, read or reached by anyone, and the ends that were seen"},
	{CheckOnePosition, "all that a range returns is the log's state at one and the same position"},
	{CheckBatchVisible, "a batch becomes visible to a read whole or not at all"},
	{CheckHooks, "hooks fire once for each record, in log order, and have fired when the write that caused them returns, even if the log has lost it by then, or a wait for it; after the log was reread, they tell what differs first"},
	{CheckRebuild, "a process rereads the log only after the log lost records, once for each loss, or when it was kept from reading for so long that it may have missed deletions, or a leader had withheld records from it"},
	{CheckConvergence, "when writes have ended, all clients hold the log's final state"},
	{CheckCompaction, "reading the compacted log from its start gives the state that the full log gives"},
	{CheckPorcupineKey, "writes and barrier reads of a key are linearizable"},
	{CheckPorcupineSession, "reads of a process may lag, but never go back and never miss its own writes"},
}

// AllChecks returns the names of all checks.
func AllChecks() []CheckID {
	ids := make([]CheckID, len(guarantees))
	for i, g := range guarantees {
		ids[i] = g.id
	}
	return ids
}

// Guarantee returns the sentence that the check holds a history to, or "" for
// a check that does not exist.
func (c CheckID) Guarantee() string {
	for _, g := range guarantees {
		if g.id == c {
			return g.sentence
		}
	}
	return ""
}
