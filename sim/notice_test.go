package sim_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/kvsim/kvsim/kvstore"
	lin "github.com/kvsim/kvsim/linearizability"
	"github.com/kvsim/kvsim/sim"
)

// warped is a client that differs from the store's in some of its methods.
type warped struct {
	sim.Client
	late   time.Duration // what a call takes longer
	fails  error         // of each write, if it is not nil
	status func(kvstore.Status) kvstore.Status
	close  func(sim.Client) error
}

func (c warped) PutRevision(ctx context.Context, key, value []byte) (int64, error) {
	if c.fails != nil {
		return -1, c.fails
	}
	rev, err := c.Client.PutRevision(ctx, key, value)
	time.Sleep(c.late)
	return rev, err
}

func (c warped) Sync(ctx context.Context) error {
	err := c.Client.Sync(ctx)
	time.Sleep(c.late)
	return err
}

func (c warped) Status() kvstore.Status {
	if st := c.Client.Status(); c.status != nil && st.State != kvstore.StateClosed {
		return c.status(st)
	}
	return c.Client.Status()
}

func (c warped) Close() error {
	if c.close != nil {
		return c.close(c.Client)
	}
	return c.Client.Close()
}

// A user would notice each of these, and no history shows it.
func TestWhatAUserWouldNoticeIsAccused(t *testing.T) {
	const liveness, failed, refused, served, causes, status, callbacks, left = "liveness", "failed-with-its-topic-only", "refused-for-what-held", "well-client-serves-in-time", "trouble-has-a-cause", "status-is-true", "callbacks-end-with-close", "nothing-is-left-of-a-closed-client"
	says := func(change func(*kvstore.Status)) warped {
		return warped{status: func(st kvstore.Status) kvstore.Status { change(&st); return st }}
	}
	var lasting *sync.WaitGroup
	leaving := func(fn func(sim.Client)) warped {
		return warped{close: func(c sim.Client) error {
			lasting.Go(func() { time.Sleep(3 * time.Second); fn(c) })
			return nil
		}}
	}
	broken := errors.New("broken")
	for name, tc := range map[string]struct {
		client warped
		wants  []string
	}{
		"nothing":                      {warped{}, nil},
		"calls a little late":          {warped{late: 30 * time.Millisecond}, nil},
		"calls late":                   {warped{late: time.Second}, []string{served}},
		"writes that fail":             {warped{fails: broken}, []string{liveness, served}},
		"writes that are refused":      {warped{fails: fmt.Errorf("%w: %w", kvstore.ErrRefused, kerr.InvalidRecord)}, []string{liveness, refused}},
		"a state for the future":       {says(func(st *kvstore.Status) { st.Since = st.Since.Add(time.Hour) }), []string{status}},
		"a state from before":          {says(func(st *kvstore.Status) { st.Since = st.Since.Add(-time.Hour) }), []string{status}},
		"live for a reason":            {says(func(st *kvstore.Status) { st.Err = broken }), []string{status}},
		"stalled for no reason":        {says(func(st *kvstore.Status) { st.State = kvstore.StateStalled }), []string{causes, status}},
		"stalled, and well":            {says(func(st *kvstore.Status) { st.State, st.Err = kvstore.StateStalled, broken }), []string{causes}},
		"rebuilding, and well":         {says(func(st *kvstore.Status) { st.State, st.Err, st.Rebuilds = kvstore.StateRebuilding, broken, 1 }), []string{causes}},
		"failed, and well":             {says(func(st *kvstore.Status) { st.State, st.Err = kvstore.StateFailed, broken }), []string{failed}},
		"a lag that is none":           {says(func(st *kvstore.Status) { st.Lag++ }), []string{status}},
		"a position that stands still": {says(func(st *kvstore.Status) { st.Position, st.End, st.Lag = 1, 1, 0 }), []string{status}},
		"a problem without a cause":    {says(func(st *kvstore.Status) { st.Reading.Count = 1 }), []string{status}},
		"a problem with reading":       {says(func(st *kvstore.Status) { st.Reading = kvstore.Problem{Err: broken, Since: st.Since, Count: 1} }), []string{causes}},
		"a problem with writing":       {says(func(st *kvstore.Status) { st.Writing = kvstore.Problem{Err: broken, Since: st.Since, Count: 1} }), []string{status}},
		"a problem with the topic":     {says(func(st *kvstore.Status) { st.Topic = kvstore.Problem{Err: broken, Since: st.Since, Count: 1} }), []string{causes}},
		"a Close that does not close":  {leaving(func(c sim.Client) { _ = c.Close() }), []string{callbacks, left}},
	} {
		t.Run(name, func(t *testing.T) {
			p := smallPlan(sim.Crash{Client: "c1", Span: sim.Span{From: time.Second, For: 100 * time.Millisecond}}, sim.Reset{Span: sim.Span{From: 4 * time.Second}})
			p.Workload.Timeout = 5 * time.Second
			var o *sim.Outcome
			synctest.Test(t, func(t *testing.T) {
				lasting = new(sync.WaitGroup)
				var err error
				o, err = sim.Run(t.Context(), p, sim.Env{Open: func(ctx context.Context, r sim.OpenRequest) (sim.Client, error) {
					c, err := sim.DefaultOpen(ctx, r)
					wrap := tc.client
					wrap.Client = c
					return wrap, err
				}})
				lasting.Wait()
				if err != nil {
					t.Fatal(err)
				}
			})
			var got []string
			for _, r := range o.Reasons {
				if !slices.Contains(got, r.Name) {
					got = append(got, r.Name)
				}
			}
			slices.Sort(got)
			slices.Sort(tc.wants)
			if !slices.Equal(got, tc.wants) || (o.Status == lin.Held) != (len(tc.wants) == 0) {
				t.Errorf("the world is %s, and accused by %q, want %q: %v", o.Result, got, tc.wants, o.Reasons)
			}
		})
	}
}

// A client that reaches no broker for long enough to know it says that it is stalled, and why.
func TestClientThatReachesNobodyHasToSaySo(t *testing.T) {
	const want = "held-up-reading-names-its-cause"
	span := sim.Span{From: 2 * time.Second, For: 3500 * time.Millisecond}
	for _, f := range []sim.Fault{sim.RestartAll{Span: span}, sim.Silence{Span: span}, sim.BlackHole{Client: "c2", Span: span}, sim.Stall{Dir: "to-client", Span: span}} {
		for _, silent := range []bool{false, true} {
			o := virtual(t, smallPlan(f), sim.Env{Open: func(ctx context.Context, r sim.OpenRequest) (sim.Client, error) {
				c, err := sim.DefaultOpen(ctx, r)
				return warped{Client: c, status: func(st kvstore.Status) kvstore.Status {
					if silent {
						st.Reading = kvstore.Problem{}
					}
					return st
				}}, err
			}})
			accused := slices.ContainsFunc(o.Reasons, func(r sim.Reason) bool { return r.Name == want })
			if accused != silent || !silent && o.Status != lin.Held {
				t.Errorf("%s: the world is %s, accused by %s: %v, want %v: %v", f, o.Result, want, accused, silent, o.Reasons)
			}
		}
	}
}
