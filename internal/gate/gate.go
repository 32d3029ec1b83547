// Package gate makes callers wait while something is being done.
package gate

import (
	"context"
	"sync"
)

// A Gate is open, or shut by one or more callers. In a synctest bubble time stands still
// while a goroutine waits for a mutex, so waiters wait for a channel. The zero value is
// open. It is safe for concurrent use.
type Gate struct {
	mu   sync.Mutex
	n    int // how many have shut it
	open chan struct{}
	held int // how many calls had to wait
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

// Held returns how many calls had to wait.
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

// try calls fn if the gate is open. Otherwise it returns a channel that closes when the
// gate opens.
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
