package sim

import (
	"sync"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// rights counts the faults that withhold something from a client, so that of two
// overlapping faults the longer one counts.
type rights struct {
	mu    sync.Mutex
	taken map[right]int
}

// A right is one of a client's.
type right struct {
	client string
	op     kmsg.ACLOperation // of no kind: the password
}

// take withholds rights from a client until the returned function is called. It calls lose
// for those that nothing else withholds, and the returned function calls regain for those
// that nothing withholds any more.
func (r *rights) take(client string, ops []kmsg.ACLOperation, lose, regain func(string, []kmsg.ACLOperation) error) (restore func() error, err error) {
	change := func(by, when int, do func(string, []kmsg.ACLOperation) error) error {
		r.mu.Lock()
		if r.taken == nil {
			r.taken = map[right]int{}
		}
		var due []kmsg.ACLOperation
		for _, op := range ops {
			x := right{client, op}
			if r.taken[x] += by; r.taken[x] == when {
				due = append(due, op)
			}
		}
		r.mu.Unlock()
		if len(due) == 0 {
			return nil
		}
		return do(client, due)
	}
	return func() error { return change(-1, 0, regain) }, change(1, 1, lose)
}

// lock makes the password of a client wrong until the returned function is called.
func (w *world) lock(client string) (restore func() error, err error) {
	change := func(right bool) func(string, []kmsg.ACLOperation) error {
		return func(client string, _ []kmsg.ACLOperation) error { return w.cluster.ChangePassword(client, right) }
	}
	return w.rights.take(client, []kmsg.ACLOperation{kmsg.ACLOperationUnknown}, change(false), change(true))
}
