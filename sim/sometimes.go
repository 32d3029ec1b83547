package sim

import (
	"slices"
	"sync"
)

// What may happen in a run, and has to happen sometimes in any useful campaign. Each is
// counted.
const (
	sometimesAnswerLost         = "an answer was lost after the append"
	sometimesErrorAfterAppend   = "an error was answered after the append"
	sometimesLeaderMoved        = "the leader moved"
	sometimesMovedMidWrite      = "the leader moved in mid-write"
	sometimesCrashedInFlight    = "a client crashed with an operation under way"
	sometimesReplaced           = "a client could not go on and was replaced"
	sometimesOpenFailed         = "an opening failed and was tried again"
	sometimesNotVisible         = "a write was acknowledged but not visible in time"
	sometimesUnknownInLog       = "a write of unknown outcome was in the log"
	sometimesUnknownNotInLog    = "a write of unknown outcome was not in the log"
	sometimesNotWritten         = "a write was certainly not written"
	sometimesGroupCommit        = "writes of several callers shared a record batch"
	sometimesHandedOver         = "a revision was waited for that another client wrote"
	sometimesStaleRead          = "a read lagged behind the log"
	sometimesBarrierWaited      = "a barrier read waited for news"
	sometimesEmptyValue         = "an empty value was read"
	sometimesRecreatedKey       = "a deleted key was written again"
	sometimesCompactionRead     = "a compaction raced a read"
	sometimesCompactionWrite    = "a compaction raced a write"
	sometimesCompactionOpen     = "a compaction raced an opening"
	sometimesCompactionLag      = "a compaction ran while a reader was behind"
	sometimesCompactionTxn      = "a compaction ran under an open transaction"
	sometimesTombstoneGone      = "a tombstone was compacted away"
	sometimesUncompacted        = "another leader had what compaction had removed"
	sometimesDeletedUnderReader = "records were deleted under a lagging reader"
	sometimesProducerForgotten  = "a broker had forgotten a producer"
	sometimesBelowMinimum       = "a write was refused for want of replicas in sync"
	sometimesThrottled          = "a client was throttled"
	sometimesHasty              = "a leader let a fetch not wait, or named older ends"
	sometimesHostile            = "a client met a batch that it can't take"
	sometimesStaleMetadata      = "a broker told what it knew of the topic before"
	sometimesWithheld           = "a broker answered without the records that there were"
	sometimesRevoked            = "a client asked for what it had no right to any more"
	sometimesWrongPassword      = "a client came with a password that was not right any more"
	sometimesAltered            = "a client met a setting of the topic that had changed"
	sometimesTailLost           = "the log lost its tail"
	sometimesRebuilt            = "a client rebuilt from the log"
	sometimesGrew               = "clients heard that the topic has more partitions"
	sometimesCoordinatorAway    = "a coordinator of transactions loaded or had moved"
	sometimesMarkersLate        = "the markers of a transaction were late"
	sometimesTxnTimedOut        = "a foreign transaction was aborted by its coordinator"
	sometimesTxnHeld            = "an open transaction held an operation up"
	sometimesTxnCommitted       = "a foreign transaction was committed"
	sometimesTxnAborted         = "a foreign transaction was aborted"
)

var sometimesNames = []string{
	sometimesAnswerLost, sometimesErrorAfterAppend, sometimesLeaderMoved, sometimesMovedMidWrite,
	sometimesCrashedInFlight, sometimesReplaced, sometimesOpenFailed, sometimesNotVisible,
	sometimesUnknownInLog, sometimesUnknownNotInLog, sometimesNotWritten, sometimesGroupCommit,
	sometimesHandedOver, sometimesStaleRead, sometimesBarrierWaited, sometimesEmptyValue,
	sometimesRecreatedKey, sometimesCompactionRead, sometimesCompactionWrite, sometimesCompactionOpen,
	sometimesCompactionLag, sometimesCompactionTxn, sometimesTombstoneGone, sometimesUncompacted, sometimesDeletedUnderReader,
	sometimesProducerForgotten, sometimesBelowMinimum, sometimesThrottled, sometimesHasty, sometimesHostile, sometimesStaleMetadata, sometimesWithheld,
	sometimesRevoked, sometimesWrongPassword, sometimesAltered,
	sometimesTailLost, sometimesRebuilt, sometimesGrew,
	sometimesCoordinatorAway, sometimesMarkersLate, sometimesTxnHeld, sometimesTxnCommitted, sometimesTxnAborted, sometimesTxnTimedOut,
}

// SometimesNames returns the names of all counters of Outcome.Sometimes. A
// campaign of many seeds over all faults in which one of them stays at zero
// does not test what it claims to.
func SometimesNames() []string { return slices.Concat(sometimesNames, FormNames()) }

// counters count what happened.
type counters struct {
	mu sync.Mutex
	n  map[string]int
}

func newCounters() *counters {
	c := &counters{n: map[string]int{}}
	for _, name := range sometimesNames {
		c.n[name] = 0
	}
	return c
}

func (c *counters) hit(name string) { c.add(name, 1) }

func (c *counters) add(name string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n[name] += n
}

// inflight counts the operations under way by kind.
type inflight struct {
	mu sync.Mutex
	n  [opKinds]int
}

func (f *inflight) begin(k opKind) { f.change(k, 1) }
func (f *inflight) end(k opKind)   { f.change(k, -1) }

func (f *inflight) change(k opKind, by int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n[k] += by
}

// count returns how many operations are under way of the kinds that of accepts.
func (f *inflight) count(of func(opKind) bool) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	sum := 0
	for k, n := range f.n {
		if of(opKind(k)) {
			sum += n
		}
	}
	return sum
}
