package kvstore

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/kvstore/internal/invariant"
)

// produceRequest is a try of a batch as kgo sends it.
func produceRequest(t *testing.T, version int16, revoked bool, who sender) []byte {
	t.Helper()
	b := &recordBatch{records: 1, plain: appendBatch(nil, time.Now(), []change{putChange([]byte("a"), []byte("1"))})}
	b.take(who)
	try := newTry(b, "kv", [16]byte{1}, time.Second, nil)
	if revoked {
		try.revoke()
	}
	try.SetVersion(version)
	return kmsg.NewRequestFormatter(kmsg.FormatterClientID("a client")).AppendRequest(nil, try, 7)
}

func TestBatchOfATryThatIsOverIsFoundOut(t *testing.T) {
	t.Parallel()
	needChecks(t)
	first, second := sender{id: 7, epoch: 1, sequence: 3}, sender{id: 7, epoch: 1, sequence: 4}
	for name, c := range map[string]struct {
		trying  *sender
		revoked bool
		want    string
	}{
		"under way":                    {&first, false, ""},
		"taken back":                   {nil, true, ""},
		"taken back, next under way":   {&second, true, ""},
		"over, and not taken back":     {nil, false, "I18"},
		"over, while the next is sent": {&second, false, "I18"},
	} {
		for version := int16(3); version <= kmsg.NewPtrProduceRequest().MaxVersion(); version++ {
			raw := &noted{}
			ws := newWires(func(context.Context, string, string) (net.Conn, error) { return raw, nil })
			conn, err := ws.Dial(t.Context(), "tcp", "host:1")
			if err != nil {
				t.Fatal(err)
			}
			ws.trying.Store(c.trying)
			request := produceRequest(t, version, c.revoked, first)
			if got := invariant.Broken(func() { _, _ = conn.Write(request) }); got != c.want {
				t.Errorf("%s, version %d: %q, want %q", name, version, got, c.want)
			}
		}
	}
}

func TestProducerIDThatOutlivesItsLeaderIsFoundOut(t *testing.T) {
	t.Parallel()
	needChecks(t)
	old, next := leader{node: 1, epoch: 2}, leader{node: 2, epoch: 3}
	for name, c := range map[string]struct {
		id    int64
		at    leader
		doubt bool
		want  string
	}{
		"the same leader":                {7, old, false, ""},
		"another id, another leader":     {8, next, false, ""},
		"the same id, another leader":    {7, next, false, "I19"},
		"in doubt":                       {7, next, true, ""},
		"the same leader, another epoch": {7, leader{node: 1, epoch: 3}, false, "I19"},
	} {
		w := &writer{leader: old}
		b := &recordBatch{who: sender{id: 7}}
		if got := invariant.Broken(func() { w.checkSender(b, false) }); got != "" {
			t.Fatalf("the first batch: %q", got)
		}
		w.leader, b.who.id = c.at, c.id
		if got := invariant.Broken(func() { w.checkSender(b, c.doubt) }); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
