package sim

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"math"
	"time"

	"github.com/kvsim/kvsim/internal/outcome"
	"github.com/kvsim/kvsim/kvstore"
	lin "github.com/kvsim/kvsim/linearizability"
)

// ownedName is the name of the reason when slices that were handed over are not the caller's alone.
const ownedName = "results-belong-to-the-caller"

// typedName is the name of the reason when a client with types says something else than the one
// without.
const typedName = "typed-client-says-what-is-wrong"

// getAs reads a key in another form.
func (o *operation) getAs(c *kvstore.Client, call *lin.Call, key string) error {
	k := []byte(key)
	defer spoil(k)
	switch o.odd.IntN(4) {
	case 0:
		o.w.did(formGet)
		v, err := typed(c).Raw().Get(o.ctx, k)
		defer spoil(v)
		return outcome.Got(call, decodePayload, kvstore.Entry{Value: v, Revision: lin.None}, err)
	case 1:
		o.w.did(formTypedGet)
		v, err := typed(c).Get(o.ctx, k)
		return o.gotTyped(call, kvstore.TypedEntry[payload]{Value: v, Revision: lin.None}, key, err)
	case 2:
		o.w.did(formTypedGetEntry)
		e, err := typed(c).GetEntry(o.ctx, k)
		return o.gotTyped(call, e, key, err)
	}
	e, err := c.GetEntry(o.ctx, k)
	defer spoil(e.Value)
	defer spoil(e.Key)
	if err == nil && string(e.Key) != key {
		o.w.findings.add(ownedName, "GetEntry of %s for key %q returned an entry of key %q", o.slot.name, key, e.Key)
	}
	return outcome.Got(call, decodePayload, e, err)
}

// gotTyped enters what a typed client returned for a key.
func (o *operation) gotTyped(call *lin.Call, e kvstore.TypedEntry[payload], key string, err error) error {
	id, wrong, rest := idOf([]byte(key), e.Value, err)
	o.w.accuseTyped(o.slot.name, wrong)
	if err != nil && rest == nil {
		o.w.did(formUndecoded)
	}
	return outcome.Got(call, func([]byte) string { return id }, kvstore.Entry{Revision: e.Revision}, rest)
}

func (w *world) accuseTyped(client, wrong string) {
	if wrong != "" {
		w.findings.add(typedName, "%s at %v: %s", client, time.Since(w.start), wrong)
	}
}

// A scanning is a range in another form.
type scanning struct {
	o          *operation
	con        kvstore.KeyConstraint
	start, end string // what con means; empty is open
	opts       kvstore.QueryOptions
	most       int // elements that the loop takes; 0 means all
	slow       bool
	again      bool
	writes     bool
}

// scanAs reads a range in another form.
func (o *operation) scanAs(c *kvstore.Client, barrier bool) {
	s := &scanning{o: o}
	s.bounds()
	s.limits()
	limit := s.opts.Limit
	if s.most > 0 && (limit <= 0 || limit > s.most) {
		limit = s.most // a loop that is left early has seen a part of the same range
	}
	if limit < 0 || limit == math.MaxInt {
		limit = 0
	}
	s.slow, s.again = o.odd.IntN(6) == 0, o.odd.IntN(6) == 0
	s.writes = !s.slow && o.odd.IntN(12) == 0
	call := o.begin(lin.Operation{Kind: lin.OpRange, Start: s.start, End: s.end, Limit: limit, Barrier: barrier})
	read := func() error {
		items, err := s.read(c)
		call.Items(items)
		return err
	}
	if s.slow || s.writes {
		o.takesTime = true
	}
	o.read(call, barrier, read)
}

// bounds draws an interval.
func (s *scanning) bounds() {
	o, key := s.o, s.o.oddKey()
	done := o.w.did
	other := pick(o.odd, edgeKeys[:6])
	switch o.odd.IntN(9) {
	case 0:
		p := pick(o.odd, []string{"", "a/", "b", "b\xff", key})
		done(formPrefix)
		s.con, s.start, s.end = kvstore.Prefix(p), p, behind(p)
	case 1:
		p := pick(o.odd, []string{"\xff", "\xff\xff", "\xff\xff\xff\xff\xff"})
		done(formHighPrefix)
		s.con, s.start, s.end = kvstore.Prefix(p), p, ""
	case 2:
		done(formFromKey)
		s.con.Start, s.start = []byte(key), key
	case 3:
		done(formToKey)
		s.con.End, s.end = []byte(key), key
	case 4:
		done(formOneKey)
		s.start, s.end = key, key+"\x00"
		s.con = kvstore.KeyConstraint{Start: []byte(s.start), End: []byte(s.end)}
	case 5:
		done(formNoKey)
		s.start, s.end = max(key, other), min(key, other)
		s.con = kvstore.KeyConstraint{Start: []byte(s.start), End: []byte(s.end)}
	case 6:
		done(formEmptyStart)
		s.con.Start = []byte{}
	case 7:
		done(formEmptyEnd)
		s.con.End = []byte{}
		s.start, s.end = "\x00", "\x00" // no key is below the empty one, and none between these
	default:
	}
}

// behind returns the least key above all keys with a prefix, empty if there is none.
func behind(p string) string {
	for ; p != ""; p = p[:len(p)-1] {
		if last := p[len(p)-1]; last < 0xff {
			return p[:len(p)-1] + string([]byte{last + 1})
		}
	}
	return ""
}

// limits draws how much is asked for and how much of it is looked at.
func (s *scanning) limits() {
	o := s.o
	switch o.odd.IntN(5) {
	case 0:
		o.w.did(formNegativeLimit)
		s.opts.Limit = -1 - o.odd.IntN(3)
	case 1:
		o.w.did(formHugeLimit)
		s.opts.Limit = math.MaxInt
	case 2, 3:
		s.opts.Limit = 1 + o.odd.IntN(8)
	}
	if o.odd.IntN(4) == 0 {
		o.w.did(formLeftEarly)
		s.most = 1 + o.odd.IntN(4)
	}
}

// An element is what a range yields, whatever the method. Its item is known when the loop is over: the
// slices have to stay as they are until then.
type element struct {
	key, value []byte // value is nil where the method has deserialized it
	item       lin.Item
	was        [2]string // the slices when they were yielded
}

// read reads the range by one of the methods.
func (s *scanning) read(c *kvstore.Client) ([]lin.Item, error) {
	o := s.o
	ctx, con, opts := o.ctx, s.con, s.opts
	var all iter.Seq2[element, error]
	switch o.odd.IntN(6) {
	case 0:
		o.w.did(formRange)
		all = elements(c.Range(ctx, con, opts), func(kv kvstore.KeyValue) element {
			return element{key: kv.Key, value: kv.Value, item: lin.Item{Revision: lin.None}}
		})
	case 1:
		o.w.did(formTypedRange)
		all = s.typed(pairs(typed(c).Range(ctx, con, opts)), true)
	case 2:
		o.w.did(formTypedEntries)
		all = s.typed(typed(c).RangeEntries(ctx, con, opts), true)
	case 3:
		o.w.did(formTypedAll)
		all = s.typed(pairs(typed(c).RangeAll(ctx, con, opts)), false)
	case 4:
		o.w.did(formTypedAllEntries)
		all = s.typed(typed(c).RangeAllEntries(ctx, con, opts), false)
	default:
		all = elements(c.RangeEntries(ctx, con, opts), func(e kvstore.Entry) element {
			return element{key: e.Key, value: e.Value, item: lin.Item{Revision: e.Revision}}
		})
	}
	spoil(con.Start) // the bounds were copied when the method returned
	spoil(con.End)
	if s.again {
		o.w.did(formAgain)
		for _, err := range all {
			if err == nil {
				break
			}
		}
	}
	return s.loop(all)
}

func elements[T any](all iter.Seq2[T, error], of func(T) element) iter.Seq2[element, error] {
	return func(yield func(element, error) bool) {
		for x, err := range all {
			if !yield(of(x), err) {
				return
			}
		}
	}
}

// pairs makes entries of pairs, without a revision.
func pairs(all iter.Seq2[kvstore.TypedKV[payload], error]) iter.Seq2[kvstore.TypedEntry[payload], error] {
	return func(yield func(kvstore.TypedEntry[payload], error) bool) {
		for x, err := range all {
			if !yield(kvstore.TypedEntry[payload]{Key: x.Key, Value: x.Value, Revision: lin.None}, err) {
				return
			}
		}
	}
}

// errLeftOut ends a range at a value that can't be read: what is behind it is not known.
var errLeftOut = fmt.Errorf("the range ended at a value that can't be read")

// typed makes elements of what a typed client yields. If it ends at the first value that can't be read,
// nothing may come behind that.
func (s *scanning) typed(all iter.Seq2[kvstore.TypedEntry[payload], error], ends bool) iter.Seq2[element, error] {
	return func(yield func(element, error) bool) {
		over := false
		for e, err := range all {
			if over {
				s.o.w.accuseTyped(s.o.slot.name, fmt.Sprintf("a range went on with key %q after a value that can't be read", e.Key))
				return
			}
			id, wrong, rest := idOf(e.Key, e.Value, err)
			s.o.w.accuseTyped(s.o.slot.name, wrong)
			x := element{key: e.Key, item: lin.Item{Value: id, Revision: e.Revision}}
			if err != nil && rest == nil {
				s.o.w.did(formUndecoded)
				over = ends
			}
			if !over && !yield(x, rest) {
				return
			}
		}
		if over {
			yield(element{}, errLeftOut)
		}
	}
}

// loop collects what is yielded, as slowly as was drawn, and takes the slices for its own.
func (s *scanning) loop(all iter.Seq2[element, error]) ([]lin.Item, error) {
	o := s.o
	var seen []element
	for e, err := range all {
		if err != nil {
			return nil, err
		}
		e.was = [2]string{string(e.key), string(e.value)}
		if n := len(seen); n > 0 { // more room than that for its own bytes is not the caller's
			last := &seen[n-1]
			_, _ = append(last.key, 0xee, 0xee), append(last.value, 0xee, 0xee)
		}
		seen = append(seen, e)
		if len(seen) == s.most {
			break
		}
		s.pause(len(seen))
	}
	items := make([]lin.Item, 0, len(seen))
	for _, e := range seen {
		if !bytes.Equal(e.key, []byte(e.was[0])) || !bytes.Equal(e.value, []byte(e.was[1])) {
			o.w.findings.add(ownedName, "what a range of %s had yielded for key %q was changed before the loop was over", o.slot.name, e.was[0])
		}
		e.item.Key = e.was[0]
		if e.item.Value == "" {
			e.item.Value = decodePayload([]byte(e.was[1]))
		}
		items = append(items, e.item)
		spoil(e.key)
		spoil(e.value)
	}
	return items, nil
}

// pause lets time pass in the middle of a loop, or writes.
func (s *scanning) pause(n int) {
	o := s.o
	if s.slow && n <= 5 {
		o.w.did(formSlowLoop)
		_ = sleep(context.WithoutCancel(o.ctx), exponential(o.odd, time.Millisecond))
	}
	if s.writes && n == 1 {
		o.w.did(formWriteInLoop)
		(&operation{worker: o.worker, p: o.p, ctx: o.ctx, until: o.until, hasEnded: o.hasEnded, hasty: o.hasty}).put()
	}
}
