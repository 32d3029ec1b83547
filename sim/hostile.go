package sim

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kvsim/kvsim/internal/fakecluster"
	"github.com/kvsim/kvsim/internal/recordlog"
	"github.com/kvsim/kvsim/kvstore"
)

// Names of the reasons when a client did something wrong with a batch that it can't take.
const (
	passedName = "stops-before-a-hostile-batch"
	namedName  = "hostile-batch-is-named"
	onceName   = "hostile-batch-is-decompressed-once"
)

// mostInflated is what a record batch may decompress to for the clients of a world with
// hostile batches. It is more than a batch may have as it is, unless a plan says so.
const mostInflated = 1<<20 + 64<<10

// glance is the virtual time that a judge's own look at what a client shows may take.
const glance = 10 * time.Millisecond

// What a hostile batch is made of. Its offsets, if it claims records, are no more than a
// client takes for possible.
const (
	hostileKey    = "hostile"
	hostileID     = "x.hostile"
	hostileBytes  = mostInflated + 128<<10
	hostileClaims = 100_000
)

// hostile reports whether the plan has hostile batches.
func (p *Plan) hostile() bool {
	return slices.ContainsFunc(p.Faults, func(f Fault) bool { return f.Kind() == HostileBatch{}.Kind() })
}

// decompression are the options with which a process decompresses.
func (w *world) decompression(p *process) []kgo.Opt {
	d := recordlog.Decompressor() // a bubble outlives no finalizer
	if !w.plan.hostile() {
		return []kgo.Opt{kgo.WithDecompressor(d)}
	}
	return []kgo.Opt{kgo.WithDecompressor(counting{d, p}), kgo.MaxDecompressBatchBytes(mostInflated)}
}

// counting counts the batches that a process decompresses beyond its limit. It does not keep
// the limit itself, as a decompressor of a user need not.
type counting struct {
	kgo.Decompressor
	p *process
}

// Decompress implements kgo.Decompressor.
func (c counting) Decompress(src []byte, codec kgo.CompressionCodecType) ([]byte, error) {
	out, err := c.Decompressor.Decompress(src, codec)
	if len(out) > mostInflated {
		c.p.refused.Add(1)
	}
	return out, err
}

// poison is a hostile batch in the log.
type poison struct {
	*fakecluster.HostileBatch
	does string
	from time.Time
	w    *world

	// before are the processes that were open when it was appended.
	before map[*process]sight
	most   int // processes that were seen to stand before it
}

// sight is what was seen of a process.
type sight struct {
	position, refused int64
}

// poisons are the hostile batches that have not been taken away, in the order in which they
// were appended.
type poisons struct {
	one turn // is held while the log has one
	mu  sync.Mutex
	all []*poison
}

func (x *poisons) add(b *poison) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.all = append(x.all, b)
}

func (x *poisons) remove(b *poison) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.all = slices.DeleteFunc(x.all, func(o *poison) bool { return o == b })
}

// at returns the batch before which a client stands, or nil.
func (x *poisons) at(position int64) *poison {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, b := range x.all {
		if b.stops(position) {
			return b
		}
	}
	return nil
}

// stops reports whether a client at a position is the one that the batch stops: at its first
// offset, or within it if the log begins there.
func (b *poison) stops(position int64) bool { return b.First <= position && position <= b.Last }

// standing returns how many processes were seen before the batch, 1 when the log has no
// longer got it: nobody will come to it.
func (b *poison) standing() int {
	n, next := 0, int64(-1)
	for _, s := range b.w.everyone() {
		p := s.openProcess()
		if p == nil {
			continue
		}
		switch at := p.client.Position(); {
		case b.stops(at):
			n++
		case at < b.First:
			next = max(next, at)
		}
	}
	if n == 0 && (b.gone() || next >= 0 && b.follows(next)) {
		n = 1
	}
	b.most = max(b.most, n)
	return b.most
}

// gone reports whether the log has no longer got it.
func (b *poison) gone() bool {
	info, err := b.w.cluster.Partition()
	return err == nil && (info.HighWatermark <= b.First || info.LogStartOffset > b.Last)
}

// follows reports whether it is the next batch for a client at a position below it: compaction
// has removed what was between.
func (b *poison) follows(position int64) bool {
	batches, err := b.w.cluster.ReadLog(position)
	return err == nil && len(batches) > 0 && b.Is(&batches[0])
}

// there reports whether the log still has it.
func (b *poison) there() (bool, error) {
	info, err := b.w.cluster.Partition()
	if err != nil || info.HighWatermark <= b.First || info.LogStartOffset > b.Last {
		return false, err
	}
	batches, err := b.w.cluster.ReadLog(max(b.First, info.LogStartOffset))
	return err == nil && len(batches) > 0 && b.Is(&batches[0]), err
}

// judge judges all processes while the batch is in the log.
func (b *poison) judge() {
	w, now := b.w, time.Now()
	for _, s := range w.everyone() {
		p := s.openProcess()
		if p == nil {
			continue
		}
		was, old := b.before[p]
		at := p.client.Position()
		if at > b.Last && (!old || was.position <= b.First) && (!w.blind(p) || b.shownBehind(p)) {
			w.findings.add(passedName, "%s is at position %d at %v, behind the batch at offset %d, which %ss", s.name, at, now.Sub(w.start), b.First, b.does)
		}
		// A prefetch may be decoded at the same time as the fetch before it.
		if n := p.refused.Load() - was.refused; n > 2 {
			w.findings.add(onceName, "%s has decompressed batches beyond its limit %d times since %v, when one came to offset %d", s.name, n, b.from.Sub(w.start), b.First)
		}
		if old && b.stops(at) && now.Sub(b.from) >= unread && !w.hampered(s.name, now) {
			if st := p.client.Status(); (st.State == kvstore.StateLive || st.State == kvstore.StateStalled) && !b.named(st.Reading.Err, at) {
				w.findings.add(namedName, "%s stands at the batch at offset %d, which %ss, and Status.Reading says: %v", s.name, b.First, b.does, st.Reading.Err)
			}
		}
	}
}

// shownBehind reports whether reads of a process show a record behind the batch.
//
// While brokers withhold records, a client may believe that there is nothing at the offsets of
// the batch. Then its position counts them as read, and only what it shows says whether it
// passed the batch.
func (b *poison) shownBehind(p *process) bool {
	ctx, cancel := context.WithTimeout(p.ctx, glance)
	defer cancel()
	for e, err := range p.client.RangeEntries(ctx, kvstore.KeyConstraint{}, kvstore.QueryOptions{}) {
		if err == nil && e.Revision > b.Last {
			return true
		}
	}
	return false
}

// named reports whether an error says what is wrong with the batch, to a client at a position.
func (b *poison) named(err error, position int64) bool {
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("offset %d", position)) {
		return false
	}
	if b.does == doesInflate {
		return strings.Contains(err.Error(), "kgo.MaxDecompressBatchBytes")
	}
	return strings.Contains(err.Error(), fmt.Sprintf("claims %d records", hostileClaims))
}

// hampered reports whether a client was blocked by anything but hostile batches.
func (w *world) hampered(client string, now time.Time) bool {
	_, other := w.holds.since(client, now, w.recovery(), func(h hold) bool { return h.fault.Kind() != HostileBatch{}.Kind() })
	return other
}

// judgeHostile checks that a call which waited for the log, and whose context ended while
// its client stood before a hostile batch, names it.
func (o *operation) judgeHostile(err error) {
	if err == nil || o.hasty || o.p.crashed.Load() || !errors.Is(o.ctx.Err(), context.DeadlineExceeded) {
		return
	}
	w, now, at := o.w, time.Now(), o.p.client.Position()
	b := w.poisons.at(at)
	if b == nil || o.begun.Sub(b.from) < noticed || w.hampered(o.slot.name, now) {
		return
	}
	if !b.named(err, at) {
		w.findings.add(namedName, "a call of %s that began at %v waited for what is behind the batch at offset %d, which %ss, and does not name it: %v",
			o.slot.name, o.begun.Sub(w.start), b.First, b.does, err)
	}
}
