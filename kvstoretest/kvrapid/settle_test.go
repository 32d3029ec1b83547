package kvrapid

import (
	"context"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"

	"github.com/kvsim/kvsim/kvstoretest"
)

// A write whose outcome its caller does not know is in the log, its client has not seen it
// there, and the tail is lost: the client does not find it and writes it again, as it
// may. It is not there twice.
func TestWriteInDoubtMayComeAgainAfterALostTail(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(struct{ testing.TB }{t}, func(rt *rapid.T) {
			m := newMachine(rt, Config{}.withDefaults())
			c := m.clients[0]
			m.quiet(rt)
			lost := m.kit.LoseAnswers(1, c.name)
			m.blocked = true
			ch := Change{Key: []byte("k"), Value: []byte("v")}
			stopped := make(chan *kvstoretest.Effect, 1)
			m.write(rt, c, ch.String(), []Change{ch}, func(ctx context.Context) (int64, error) {
				go func() { // so that the client can't look for it
					defer close(stopped)
					if lost.TryWait(ctx, 1) == nil {
						stopped <- Fault{Kind: StopLeader}.Apply(m.kit)
					}
				}()
				return c.store.PutRevision(ctx, ch.Key, ch.Value)
			})
			f, ok := <-stopped
			if !ok {
				rt.Fatal("no answer was lost")
			}
			m.faults = append(m.faults, f)
			if len(m.model.pending) != 0 {
				rt.Fatalf("the write is not in the log: %v", m.model.tail())
			}
			m.changeLog(rt, Fault{Kind: LoseTail, N: 1})
			m.finish(rt)
		})
	})
}
