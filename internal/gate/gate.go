// Package gate holds up whoever comes while something is being done.
package gate

import (
	"context"
	"sync"
)

// A Gate is open, or shut by one or more. In a synctest bubble time stands still
// while somebody waits for a mutex, so those who wait do so for a channel. The zero
// value is open. It is safe for concurrent use.
type Gate struct {
	mu   sync.Mutex
	n    int // by how many it is shut
	open chan struct{}
	held int // how often somebody had to wait
}

// Shut shuts the gate until Lift is called as often.
func (g *Gate) Shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.n++; g.n == 1 {
		g.open = make(chan struct{})
	}
}

// Lift takes back one Shut.
func (g *Gate) Lift() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.n--; g.n == 0 {
		close(g.open)
	}
}

// Held returns how often somebody had to wait.
func (g *Gate) Held() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.held
}

// Pass waits until the gate is open. It reports whether it had to wait, and fails
// with the cause of ctx when that ends first.
func (g *Gate) Pass(ctx context.Context) (waited bool, err error) {
	return g.pass(ctx, func() {})
}

// Do calls fn, which must not block, once the gate is open. It stays open for that
// long, and the functions of all callers run one after the other.
func (g *Gate) Do(fn func()) { _, _ = g.pass(context.Background(), fn) }

func (g *Gate) pass(ctx context.Context, fn func()) (waited bool, err error) {
	for {
		open := g.try(fn)
		if open == nil {
			return waited, nil
		}
		waited = true
		select {
		case <-open:
		case <-ctx.Done():
			return waited, context.Cause(ctx)
		}
	}
}

// try calls fn if the gate is open. Otherwise it returns what closes when it opens.
func (g *Gate) try(fn func()) <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.n > 0 {
		g.held++
		return g.open
	}
	fn()
	return nil
}
