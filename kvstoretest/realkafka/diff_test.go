package realkafka_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"

	"github.com/kvsim/kvsim/internal/fakecluster"
	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstoretest/realkafka"
)

// diffLimit is the topic's max.message.bytes: small, so that writes are refused
// for their size now and then.
const diffLimit = 2000

// Topics are not free on real brokers: unless the command line says how many
// checks to make, there are so many.
const diffChecks = 25

// TestKfakeAndKafkaAgree does the same to kfake and to real Kafka and compares
// each answer, each error, what clients show, and the logs in the end, batch by
// batch. Where the two are known to differ, see docs/kfake-differences.md.
func TestKfakeAndKafkaAgree(t *testing.T) {
	k := realkafka.Start(t).Kafka()
	fake := startFake(t)
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "rapid.checks" })
	if !given {
		if err := flag.Set("rapid.checks", fmt.Sprint(diffChecks)); err != nil {
			t.Fatal(err)
		}
	}
	prefix, rounds := "kvsim-diff-"+strings.ToLower(rand.Text()[:8]), 0
	rapid.Check(t, func(rt *rapid.T) {
		rounds++
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		d := newDiff(t, rt, ctx, k, fake, fmt.Sprintf("%s-%d", prefix, rounds))
		defer closeAll(t, d.sides)
		rt.Repeat(map[string]func(*rapid.T){
			"put": d.put, "put2": d.put, "delete": d.delete, "batch": d.batch, "get": d.get, "range": d.show,
			"sync": d.sync, "reopen": d.reopen, "produce": d.produce, "transaction": d.transaction,
			"keyless batch": d.badKey,
		})
		d.compareLogs()
		if rapid.IntRange(0, 4).Draw(rt, "compact") == 0 {
			d.compact()
		}
	})
	t.Logf("%d rounds, shrinking included", rounds)
}

type diff struct {
	t     *rapid.T
	ctx   context.Context
	sides []*side
}

func newDiff(t testing.TB, rt *rapid.T, ctx context.Context, k *realkafka.Kafka, fake *fakecluster.Cluster, topic string) *diff {
	d := &diff{t: rt, ctx: ctx, sides: sides(t, ctx, k, fake, topic, map[string]string{
		"max.message.bytes": fmt.Sprint(diffLimit),
		// The real cleaner must not act before it is told to.
		"min.compaction.lag.ms": "3600000",
	})}
	for _, s := range d.sides {
		for n := range s.clients {
			if err := s.open(ctx, n); err != nil {
				rt.Fatalf("%s: open client %d: %v", s.name, n, err)
			}
		}
	}
	return d
}

// both does something on both sides and compares what came of it.
func (d *diff) both(what string, fn func(s *side) string) {
	d.t.Helper()
	var got []string
	for _, s := range d.sides {
		got = append(got, fn(s))
	}
	d.t.Logf("%s: %s", what, got[0])
	if got[0] != got[1] {
		d.t.Fatalf("%s:\n%s:\n%s\n%s:\n%s", what, d.sides[0].name, got[0], d.sides[1].name, got[1])
	}
}

var (
	genKey = rapid.SampledFrom([]string{"a", "b", "c", "aa", "a\x00", "\x00", "\xff", strings.Repeat("k", 300)})

	genValue = rapid.Custom(func(t *rapid.T) []byte {
		size := rapid.OneOf(
			rapid.IntRange(0, 20),
			rapid.IntRange(diffLimit-100, diffLimit-50), // near the limit
			rapid.IntRange(diffLimit, 2*diffLimit),
		).Draw(t, "size")
		return bytes.Repeat([]byte{byte(rapid.IntRange('A', 'Z').Draw(t, "byte"))}, size)
	})

	genClient = rapid.IntRange(0, 1)
)

func (d *diff) put(t *rapid.T) {
	n, key, value := genClient.Draw(t, "client"), genKey.Draw(t, "key"), genValue.Draw(t, "value")
	d.both(fmt.Sprintf("put %.10q, %d bytes", key, len(value)), func(s *side) string {
		return outcome(s.clients[n].PutRevision(d.ctx, []byte(key), value))
	})
}

func (d *diff) badKey(t *rapid.T) {
	n := genClient.Draw(t, "client")
	d.both("batch with an empty key", func(s *side) string {
		b := s.clients[n].Batch().Put([]byte("a"), nil).Delete([]byte{})
		return outcome(b.ExecuteRevision(d.ctx))
	})
}

func (d *diff) delete(t *rapid.T) {
	n, key := genClient.Draw(t, "client"), genKey.Draw(t, "key")
	d.both(fmt.Sprintf("delete %.10q", key), func(s *side) string {
		return outcome(s.clients[n].DeleteRevision(d.ctx, []byte(key)))
	})
}

// genChanges draws records; a nil value deletes.
var genChanges = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) *kgo.Record {
	r := kgo.KeySliceRecord([]byte(genKey.Draw(t, "key")), nil)
	if rapid.Bool().Draw(t, "put") {
		r.Value = bytes.Repeat([]byte("v"), rapid.IntRange(0, diffLimit/4).Draw(t, "size"))
	}
	return r
}), 1, 6)

func (d *diff) batch(t *rapid.T) {
	n, changes := genClient.Draw(t, "client"), genChanges.Draw(t, "changes")
	d.both(fmt.Sprintf("batch of %d", len(changes)), func(s *side) string {
		b := s.clients[n].Batch()
		for _, r := range changes {
			if r.Value == nil {
				b.Delete(r.Key)
			} else {
				b.Put(r.Key, r.Value)
			}
		}
		first := outcome(b.ExecuteRevision(d.ctx))
		return first + ", again: " + outcome(b.ExecuteRevision(d.ctx))
	})
}

func (d *diff) get(t *rapid.T) {
	n, key := genClient.Draw(t, "client"), genKey.Draw(t, "key")
	d.both(fmt.Sprintf("get %.10q", key), func(s *side) string {
		c := s.clients[n]
		if err := c.Sync(d.ctx); err != nil {
			return outcome("", err)
		}
		e, err := c.GetEntry(d.ctx, []byte(key))
		return outcome(fmt.Sprintf("revision %d, %q", e.Revision, e.Value), err)
	})
}

func (d *diff) show(t *rapid.T) {
	n, prefix, limit := genClient.Draw(t, "client"), rapid.SampledFrom([]string{"", "a", "\xff"}).Draw(t, "prefix"), rapid.IntRange(0, 3).Draw(t, "limit")
	d.both(fmt.Sprintf("range %q limit %d", prefix, limit), func(s *side) string {
		c := s.clients[n]
		if err := c.Sync(d.ctx); err != nil {
			return outcome("", err)
		}
		var out []string
		for kv, err := range c.Range(d.ctx, kvstore.Prefix(prefix), kvstore.QueryOptions{Limit: limit}) {
			out = append(out, outcome(fmt.Sprintf("%q=%q", kv.Key, kv.Value), err))
		}
		return strings.Join(out, "\n")
	})
}

func (d *diff) sync(t *rapid.T) {
	n := genClient.Draw(t, "client")
	d.both("sync", func(s *side) string {
		err := s.clients[n].Sync(d.ctx)
		return outcome(fmt.Sprintf("position %d", s.clients[n].Position()), err)
	})
}

func (d *diff) reopen(t *rapid.T) {
	n := genClient.Draw(t, "client")
	d.both("reopen", func(s *side) string {
		if err := s.clients[n].Close(); err != nil {
			return outcome("", err)
		}
		err := s.open(d.ctx, n)
		return outcome(fmt.Sprintf("position %d", s.clients[n].Position()), err)
	})
}

func (d *diff) produce(t *rapid.T) {
	records := genChanges.Draw(t, "records")
	d.both(fmt.Sprintf("another program's batch of %d", len(records)), func(s *side) string {
		return outcome("ok", s.produce(d.ctx, records...))
	})
}

func (d *diff) transaction(t *rapid.T) {
	records, commit := genChanges.Draw(t, "records"), rapid.Bool().Draw(t, "commit")
	for i := range records {
		// A transaction that the broker refuses would have to be aborted; sizes
		// are for produce to try.
		records[i].Value = records[i].Value[:min(len(records[i].Value), 50)]
	}
	d.both(fmt.Sprintf("transaction of %d, commit %v", len(records), commit), func(s *side) string {
		return outcome("ok", s.transaction(d.ctx, commit, records...))
	})
}

func (d *diff) compareLogs() {
	d.both("log", func(s *side) string {
		log, err := s.readLog(d.ctx)
		return outcome(dump(log), err)
	})
}

// compact compacts both logs and compares what is left of the records that were
// there before, and what a new client makes of it.
func (d *diff) compact() {
	log, err := d.sides[0].readLog(d.ctx)
	if err != nil {
		d.t.Fatal(err)
	}
	end := int64(0)
	if len(log) > 0 {
		end = log[len(log)-1].LastOffset + 1
	}
	d.both("compacted log", func(s *side) string {
		if err := s.compact(d.ctx); err != nil {
			return outcome("", err)
		}
		log, err := s.readLog(d.ctx)
		return outcome(committed(log, end), err)
	})
	d.both("client on the compacted log", func(s *side) string {
		if err := s.clients[0].Close(); err != nil {
			return outcome("", err)
		}
		if err := s.open(d.ctx, 0); err != nil {
			return outcome("", err)
		}
		var out []string
		for kv, err := range s.clients[0].Range(d.ctx, kvstore.KeyConstraint{}, kvstore.QueryOptions{}) {
			out = append(out, outcome(fmt.Sprintf("%q=%q", kv.Key, kv.Value), err))
		}
		return strings.Join(out, "\n")
	})
}

// committed are the records of values that are left below an offset. Tombstones
// go sooner or later, by the age that each broker gives them.
func committed(batches []realkafka.Batch, below int64) string {
	for i := range batches {
		batches[i].Records = slices.DeleteFunc(batches[i].Records, func(r realkafka.Record) bool { return r.Value == nil })
	}
	return survivors(batches, below)
}
