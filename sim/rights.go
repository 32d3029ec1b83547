package sim

import (
	"sync"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// rights counts the faults that withhold something from a client, so that of two
// overlapping faults the longer one counts.
type rights struct {
	mu    sync.Mutex
	taken map[string]map[kmsg.ACLOperation]int // by client
	wrong map[string]int                       // passwords, by client
}

// take takes rights away from a client until the returned function is called.
func (r *rights) take(w *world, client string, ops []kmsg.ACLOperation) (restore func() error, err error) {
	change := func(by, when int, do func(string, []kmsg.ACLOperation) error) error {
		r.mu.Lock()
		var due []kmsg.ACLOperation
		if r.taken == nil {
			r.taken = map[string]map[kmsg.ACLOperation]int{}
		}
		if r.taken[client] == nil {
			r.taken[client] = map[kmsg.ACLOperation]int{}
		}
		for _, op := range ops {
			if r.taken[client][op] += by; r.taken[client][op] == when {
				due = append(due, op)
			}
		}
		r.mu.Unlock()
		if len(due) == 0 {
			return nil
		}
		return do(client, due)
	}
	return func() error { return change(-1, 0, w.cluster.Allow) }, change(1, 1, w.cluster.Revoke)
}

// lock makes the password of a client wrong until the returned function is called.
func (r *rights) lock(w *world, client string) (restore func() error, err error) {
	change := func(by, when int, right bool) error {
		r.mu.Lock()
		if r.wrong == nil {
			r.wrong = map[string]int{}
		}
		r.wrong[client] += by
		due := r.wrong[client] == when
		r.mu.Unlock()
		if !due {
			return nil
		}
		return w.cluster.ChangePassword(client, right)
	}
	return func() error { return change(-1, 0, true) }, change(1, 1, false)
}
