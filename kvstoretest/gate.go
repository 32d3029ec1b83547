package kvstoretest

import "sync"

// gate keeps the ends of operations out of the history while the log is being
// changed. In a synctest bubble time stands still while somebody waits for a
// mutex, so those who wait do so for a channel.
type gate struct {
	mu   sync.Mutex
	n    int // by how many it is shut
	open chan struct{}
}

// do runs fn, which must not block, when the gate is open. The functions of all
// callers run one after the other.
func (g *gate) do(fn func()) {
	for {
		g.mu.Lock()
		if g.n == 0 {
			defer g.mu.Unlock() //nolint:gocritic // the loop ends here
			fn()
			return
		}
		open := g.open
		g.mu.Unlock()
		<-open
	}
}

// shut shuts the gate until lift is called.
func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.n++; g.n == 1 {
		g.open = make(chan struct{})
	}
}

func (g *gate) lift() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.n--; g.n == 0 {
		close(g.open)
	}
}
