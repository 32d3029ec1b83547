package sim

// A Judgement is something that the simulator itself judges, besides the checks of package
// linearizability, because it takes knowledge of the world. Its name is the Name of a
// Reason.
type Judgement struct {
	Name string
	// Guarantee is the sentence that has to be true of a run.
	Guarantee string
}

// Judgements returns all of them.
func Judgements() []Judgement {
	return []Judgement{
		{livenessName, "when everything is healed, every client that is alive opens, writes and shows all that was written within the time that the plan gives"},
		{endingName, "a client says that its topic is gone only if it was gone, or if the brokers have said so for as long as clients wait before they believe it"},
		{lifeName, "no try of a write gets into the log after the end of the write's life"},
		{unseenName, "a write ends as unknown because compaction has removed records only if it may have been one of these: not below what its client had read of the log that is left"},
		{causeName, "the error of a write that fails because too few replicas are in sync, or because the right to write is missing, says so, and Status says that writes fail"},
		{heldName, "a write that is called refused is too large, or what it was refused for was so while it was under way: its client had no right to write, or a broker answered so"},
		{readingName, "a client that has had no right to read, or a wrong password, for seconds names that in Status.Reading; one that has reached no broker for two seconds, and a request timeout if connections stay open, is stalled and names a cause there; one whose hook has been running for a second names that"},
		{refusalName, "a write is refused only with an error code that says of the write, or of a right, that it can't be done; with every other one it is tried again"},
		{passingName, "an opening, and a call that waits for the log, does not fail with an error code that brokers give for a moment, unless its context ends"},
		{failedName, "a client that can't go on says that its topic is gone"},
		{punctualName, "a call returns within 100 ms of the end of its context, an opening within half a second"},
		{ownedName, "what a client returns belongs to its caller: what callers do to it shows nowhere else, and nothing changes it"},
		{typedName, "a client with types names the key of each value that its serde can't read, and of no other"},
		{refusedName, "what no client may do - an empty key, a value that can't be written, a batch for the second time, a wait below revision -1 - is refused with the error that says so"},
		{fitsName, "a write whose record batch is as large as max.message.bytes is not refused as too large, and one that is larger by a byte is"},
		{endedName, "a call whose context had ended before fails with the context's error, and writes nothing"},
		{closedName, "a client that is closed says so to every call, and may be closed again; a Shutdown fails only because its context ended"},
		{shutdownName, "a Shutdown that succeeds lets the writes that were called before it finish"},
		{progressName, "an opening that reports its progress reports last that it is done, where it said that it would be, and nothing after that"},
		{readOnlyName, "each write of a read-only client is refused with ErrReadOnly"},
		{inUseName, "a storage that a client uses is refused to another one"},
		{retriedName, "a client whose storage refuses a change tries the same change again, and makes no other one before"},
		{reentryName, "a call in a hook returns immediately: what would wait for the hook fails with ErrHookReentry, and reads fail only while the client rereads the log"},
		{hooksName, "all hooks are told of the same records, in the same order, each with slices of its own"},
		{panicsName, "a hook that panics is reported with the key of its record, and counted in Status"},
		{servedName, "a client whose brokers are well, and were while it recovered from the last fault, writes and waits for the log within ten times the longest delay of a link and 40 ms, and a pause of 1.2 s if a broker is dead"},
		{causesName, "a client is stalled, rebuilds, or names a problem with reading in Status, only if a fault was in its way at that time or shortly before"},
		{statusName, "what Status says is true: since when the state is what it is, why, how far the client has read, also while a hook is slow; and it names no problem with writing once a write has been acknowledged and nothing is in the way"},
		{callbacksName, "when Close has returned, no hook and no progress callback runs, and none is called later"},
		{leftName, "a second after a client has been closed, or could not be opened, no goroutine and no connection of it is left"},
		{straysName, "everything that clients write goes to partition 0, even if the topic gets more partitions"},
		{passedName, "a client shows what precedes a record batch that it can't take, and nothing behind it"},
		{namedName, "a client that such a batch has held up for two seconds names its offset, and the option that would let it pass, in Status.Reading and in the errors of calls that wait"},
		{onceName, "a batch that decompresses to more than a client allows is not decompressed again at each try"},
		{budgetName, "while a fault lasts, a client sends at most 100 requests a second, besides those for its calls and for what it has to read"},
		{quotaName, "a client under a quota waits, and asks no other brokers whether the leader still leads"},
		{trafficName, "while max.message.bytes changes, a client sends at most six produce requests more than it makes writes"},
		{limitName, "the error of a write that is refused as too large names a limit that the topic had while the write was under way"},
	}
}
