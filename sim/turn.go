package sim

// A turn is a lock that may be held while time passes. D4: a goroutine that waits for a
// sync.Mutex is not durably blocked, so that in a bubble of testing/synctest time would
// stand still, and with it the holder of the lock.
type turn chan struct{}

func newTurn() turn { return make(turn, 1) }

// Lock waits for the turn.
func (t turn) Lock() { t <- struct{}{} }

// Unlock gives it to the next.
func (t turn) Unlock() { <-t }
