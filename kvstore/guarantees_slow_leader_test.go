package kvstore_test

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/kvstore"
)

// nextLeads names another leader of the same epoch than the one who leads.
func nextLeads(r *kmsg.MetadataResponse) {
	p := &r.Topics[0].Partitions[0]
	p.Leader = (p.Leader + 1) % 3
}

// slowly makes what brokers answer to fetches, or to writes, take time.
func (a *tampered) slowly(lie func(*reply), key kmsg.Key, d time.Duration) {
	a.set(func(r *reply) {
		if lie != nil {
			lie(r)
		}
		if r.req.Key() == int16(key) {
			time.Sleep(d)
		}
	})
}

// The leader takes seconds for an answer, because the link or its storage is slow, and one broker
// names another leader, under the same epoch. There is none: an epoch has one.
func TestSlowAnswersOfTheLeaderGetThroughBesideAWrongBroker(t *testing.T) {
	for _, key := range []kmsg.Key{kmsg.Fetch, kmsg.Produce} {
		for _, d := range []time.Duration{2 * time.Second, 5 * time.Second, 9 * time.Second} {
			t.Run(fmt.Sprint(key.Name(), d), func(t *testing.T) {
				inWorld(t, withTopic(3), func(t *testing.T, w *world) {
					w.produce(w.kafka("other"), record("a", "0"))
					wrong := w.Brokers()[(w.Leader()+1)%3]
					a := w.answers("c")
					a.slowly(func(r *reply) {
						if m, ok := r.resp.(*kmsg.MetadataResponse); ok && len(m.Topics) == 1 && r.broker == wrong {
							nextLeads(m)
						}
					}, key, d)
					var c *kvstore.Client
					if opening := took(func() { c = w.open("c", a.option()) }); opening > d+d/2 {
						t.Errorf("opened in %v with answers that take %v", opening, d)
					}
					most := 3 * d
					if key == kmsg.Fetch { // a look into the log takes several
						most = 8 * d
					}
					for i := range 20 {
						if writing := took(func() { w.put(c, "a", fmt.Sprint(i)) }); writing > most {
							t.Errorf("write %d took %v with answers that take %v", i, writing, d)
						}
					}
					must(t, c.Close())
					time.Sleep(2 * d) // until the last answers have come
				})
			})
		}
	}
}

// Agents in front of an object storage lead all of them, and name one after the other, always under
// the same epoch. What takes long gets through, if later.
func TestSlowAnswersGetThroughWhereLeadersTakeTurns(t *testing.T) {
	for _, key := range []kmsg.Key{kmsg.Fetch, kmsg.Produce} {
		for name, none := range map[string]bool{"one epoch": false, "no epochs": true} {
			for _, d := range []time.Duration{time.Millisecond, 1500 * time.Millisecond, 5 * time.Second} {
				t.Run(fmt.Sprint(key.Name(), " ", name, " ", d), func(t *testing.T) {
					inWorld(t, withTopic(3), func(t *testing.T, w *world) {
						w.produce(w.kafka("other"), record("a", "0"))
						a := w.answers("c")
						leads := w.Brokers()[w.Leader()]
						dial := a.dial
						a.dial = func(ctx context.Context, network, _ string) (net.Conn, error) { return dial(ctx, network, leads) }
						turn := int32(0)
						a.slowly(func(r *reply) {
							if m, ok := r.resp.(*kmsg.MetadataResponse); ok && len(m.Topics) == 1 {
								turn++
								p := &m.Topics[0].Partitions[0]
								if p.Leader = turn % 3; none {
									p.LeaderEpoch = -1
								}
							}
						}, key, d)
						c := w.open("c", a.option())
						for i := range 20 {
							must(t, c.Put(w.within(2*time.Minute), []byte("a"), fmt.Append(nil, i)))
						}
						w.eventually("the client is live", func() bool { return c.Status().State == kvstore.StateLive })
						if s := c.Status(); s.Rebuilds != 0 {
							t.Errorf("status = %+v, want never rebuilt", s)
						}
						must(t, c.Close())
						time.Sleep(2 * d) // until the last answers have come
					})
				})
			}
		}
	}
}
