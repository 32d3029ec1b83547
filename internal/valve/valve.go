// Package valve makes callers wait while something is being done.
package valve

import (
	"context"
	"sync"
)

// A Valve is open, or shut by one or more callers. In a synctest bubble time stands still
// while a goroutine waits for a mutex, so waiters wait for a channel. The zero value is
// open. It is safe for concurrent use.
type Valve struct {
	mu   sync.Mutex
	n    int // how many have shut it
	open chan struct{}
	held int // how many calls had to wait
}

// Shut shuts the valve until Open is called as often.
func (v *Valve) Shut() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.n++; v.n == 1 {
		v.open = make(chan struct{})
	}
}

// Open takes back one Shut.
func (v *Valve) Open() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.n--; v.n == 0 {
		close(v.open)
	}
}

// Held returns how many calls had to wait.
func (v *Valve) Held() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.held
}

// Pass waits until the valve is open. It reports whether it had to wait, and fails
// with the cause of ctx when that ends first.
func (v *Valve) Pass(ctx context.Context) (waited bool, err error) {
	return v.pass(ctx, func() {})
}

// Do calls fn, which must not block, once the valve is open. It stays open for that
// long, and the functions of all callers run one after the other.
func (v *Valve) Do(fn func()) { _, _ = v.pass(context.Background(), fn) }

func (v *Valve) pass(ctx context.Context, fn func()) (waited bool, err error) {
	for {
		open := v.try(fn)
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

// try calls fn if the valve is open. Otherwise it returns a channel that closes when the
// valve opens.
func (v *Valve) try(fn func()) <-chan struct{} {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.n > 0 {
		v.held++
		return v.open
	}
	fn()
	return nil
}
