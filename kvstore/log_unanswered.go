package kvstore

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// unanswered is the request for whose answer a goroutine waits. Requests note themselves in the one
// that their context has.
type unanswered struct {
	mu    sync.Mutex
	what  string // name of the request, "" for none
	node  int32  // who was asked, anyBroker if others may answer, too
	since time.Time
	may   time.Duration // how long the answer may take
	ended func() error  // Err of the request's context
}

const anyBroker = -1

type unansweredKey struct{}

// within returns a context for the requests of one goroutine.
func (u *unanswered) within(ctx context.Context) context.Context {
	return context.WithValue(ctx, unansweredKey{}, u)
}

// asking notes a request that is about to be sent. answered has to be called afterwards. Of
// requests within others, only the outermost one is noted.
func asking(ctx context.Context, what string, node int32, may time.Duration) (u *unanswered) {
	u, _ = ctx.Value(unansweredKey{}).(*unanswered)
	if u == nil {
		return nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.what != "" && u.ended() == nil {
		return nil
	}
	u.what, u.node, u.since, u.may, u.ended = what, node, time.Now(), may, ctx.Err
	return u
}

// answered notes the end of a request, unless its context has ended: then that is what was waited
// for. It does nothing on nil.
func (u *unanswered) answered(ctx context.Context) {
	if u == nil || ctx.Err() != nil {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.what = ""
}

// forget notes that nobody waits any more for the answer to a request whose context has ended.
func (u *unanswered) forget() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.what = ""
}

// problem is a request that has no answer for at least so much longer than it may take.
func (u *unanswered) problem(longer time.Duration) Problem {
	u.mu.Lock()
	defer u.mu.Unlock()
	took := time.Since(u.since)
	if u.what == "" || took < u.may+longer {
		return Problem{}
	}
	return Problem{Err: &unansweredError{u.what, u.node, took}, Since: u.since, Count: 1}
}

// unansweredError says that a request has no answer yet.
type unansweredError struct {
	what string
	node int32
	took time.Duration
}

func (e *unansweredError) Error() string {
	who := fmt.Sprintf("broker %d", e.node)
	if e.node == anyBroker {
		who = "any broker"
	}
	return fmt.Sprintf("no answer of %s to %s for %v", who, e.what, e.took.Round(time.Millisecond))
}

// usual is how long an answer of the leader may take before that is remarkable. A fetch that brings
// much takes long.
func usual(req kmsg.Request) time.Duration {
	if may := mayTake(req); may > 0 || req.Key() == kmsg.Fetch.Int16() {
		return may + repeatInterval
	}
	return 0
}
