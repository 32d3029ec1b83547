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
		{endingName, "a client takes its topic for gone only after it was, or after the brokers have said so for as long as it takes to be believed"},
		{lifeName, "no try of a write comes into the log after the end of the write's life"},
		{causeName, "a write that fails for want of replicas in sync, or of the right to write, says so, and Status says that writes fail"},
		{readingName, "a client that has had no right to read, or a wrong password, for seconds names that in Status.Reading"},
		{punctualName, "a call returns within 100 ms of the end of its context, an opening within half a second"},
		{straysName, "all that clients write comes into partition 0, also when the topic gets more partitions"},
		{trafficName, "while max.message.bytes changes, a client sends at most one produce request for each write, and six more"},
		{limitName, "a write that is refused as too large is told a limit that the topic had while it was under way"},
	}
}
