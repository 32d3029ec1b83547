package linearizability

// ClientState is what a process of a client is doing.
type ClientState uint8

// The states of a process.
const (
	// StateOpening says that the process has not caught up with the log yet.
	StateOpening ClientState = iota + 1
	// StateLive says that it follows the log.
	StateLive
	// StateStalled says that it can't read the log, or can't keep what it has read.
	StateStalled
	// StateRebuilding says that it rereads the log; its reads wait.
	StateRebuilding
	// StateFailed says that it can't go on.
	StateFailed
	// StateClosed says that it was closed.
	StateClosed
)

var clientStates = [...]string{
	StateOpening: "opening", StateLive: "live", StateStalled: "stalled",
	StateRebuilding: "rebuilding", StateFailed: "failed", StateClosed: "closed",
}

// String returns the name of the state in the history format.
func (s ClientState) String() string { return enumName(clientStates[:], int(s)) }

// A ClientStatus is what a process said of itself at some moment.
type ClientStatus struct {
	Stamp

	Client  string
	Process int
	State   ClientState
	// Lag is the number of offsets between the process's position and the end of the log
	// as it knew it, or None.
	Lag int64
	// Position is the next offset that the process would apply, or None.
	Position int64
	// Cause is why the process is in this state, or what blocks it, and Err the error
	// as it described it.
	Cause ErrorClass
	Err   string
}

// WatchKind is what a process was told by a watch.
type WatchKind uint8

// The kinds of watch events.
const (
	// WatchUpdate says that the keys in Items changed, all of them at the same moment.
	WatchUpdate WatchKind = iota + 1
	// WatchReset says that the watch may have missed updates. Items are all keys of its
	// interval that have a value, and take the place of what it told before.
	WatchReset
	// WatchEnd says that the watch has ended.
	WatchEnd
)

var watchKinds = [...]string{WatchUpdate: "update", WatchReset: "reset", WatchEnd: "unwatch"}

// String returns the name of the event in the history format.
func (k WatchKind) String() string { return enumName(watchKinds[:], int(k)) }

// A WatchEvent is one thing that a watch told its process.
type WatchEvent struct {
	Stamp

	Kind    WatchKind
	Client  string
	Process int
	// Watch is the id of the operation that started the watch.
	Watch int64
	// Items are keys with their values, of an update in the order of the log. In an
	// update, an item without a value was deleted.
	Items []Item
	// Position is the next offset that the watch will tell of, or None.
	Position int64
	// Class and Err say why the watch ended.
	Class ErrorClass
	Err   string
}

// An Expiry is the moment at which a process took a lease for ended because nobody had
// renewed it in time.
type Expiry struct {
	Stamp

	Client  string
	Process int
	Lease   string
}
