package kvstore_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/internal/recordlog"
	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory"
)

// lie is a way to change one field of an answer.
type lie struct {
	name string
	tell func(kmsg.Response)
}

// lies returns the ways to lie in each field of an answer of a kind: extremes of integers, lists that
// are empty or say everything twice, other texts, other bytes.
func lies(resp kmsg.Response) []lie {
	var out []lie
	fieldsOf(reflect.TypeOf(resp).Elem(), nil, func(path []int, name string, t reflect.Type) {
		for what, change := range changesOf(t) {
			out = append(out, lie{name + "=" + what, func(r kmsg.Response) {
				if reflect.TypeOf(r) == reflect.TypeOf(resp) {
					changeAll(reflect.ValueOf(r).Elem(), path, change)
				}
			}})
		}
	})
	slices.SortFunc(out, func(a, b lie) int { return strings.Compare(a.name, b.name) })
	return out
}

// fieldsOf calls fn for each field of a struct and of those in it, in lists, too. A path has the
// fields' numbers.
func fieldsOf(t reflect.Type, path []int, fn func(path []int, name string, t reflect.Type)) {
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Name == "Version" || f.Name == "UnknownTags" {
			continue
		}
		at := append(slices.Clone(path), i)
		fn(at, f.Name, f.Type)
		inner := f.Type
		if inner.Kind() == reflect.Slice {
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct {
			fieldsOf(inner, at, func(path []int, name string, t reflect.Type) { fn(path, f.Name+"."+name, t) })
		}
	}
}

// changeAll changes the field at a path, in each element of the lists on the way.
func changeAll(v reflect.Value, path []int, change func(reflect.Value)) {
	f := v.Field(path[0])
	switch {
	case len(path) == 1:
		change(f)
	case f.Kind() == reflect.Slice:
		for i := range f.Len() {
			changeAll(f.Index(i), path[1:], change)
		}
	default:
		changeAll(f, path[1:], change)
	}
}

func changesOf(t reflect.Type) map[string]func(reflect.Value) {
	switch t.Kind() {
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		least, most := int64(math.MinInt64)>>(64-t.Bits()), int64(math.MaxInt64)>>(64-t.Bits())
		out := map[string]func(reflect.Value){}
		for _, n := range []int64{least, -30_000, -1, 0, 1, 1_000_000, most - 1, most} {
			if n >= least && n <= most {
				out[fmt.Sprint(n)] = func(v reflect.Value) { v.SetInt(n) }
			}
		}
		return out
	case reflect.Bool:
		return map[string]func(reflect.Value){"other": func(v reflect.Value) { v.SetBool(!v.Bool()) }}
	case reflect.String:
		return map[string]func(reflect.Value){
			"empty": func(v reflect.Value) { v.SetString("") },
			"other": func(v reflect.Value) { v.SetString("another") },
		}
	case reflect.Pointer:
		return map[string]func(reflect.Value){"null": func(v reflect.Value) { v.SetZero() }}
	case reflect.Array:
		return map[string]func(reflect.Value){
			"zero":  func(v reflect.Value) { v.SetZero() },
			"other": func(v reflect.Value) { v.Index(0).SetUint(v.Index(0).Uint() ^ 0xff) },
		}
	case reflect.Slice:
		out := map[string]func(reflect.Value){
			"none":  func(v reflect.Value) { v.SetZero() },
			"twice": func(v reflect.Value) { v.Set(reflect.AppendSlice(v, v)) },
		}
		if t.Elem().Kind() == reflect.Uint8 {
			out["cut"] = func(v reflect.Value) { v.SetLen(v.Len() / 2) }
			out["damaged"] = func(v reflect.Value) {
				if n := v.Len(); n > 0 {
					v.Index(n - 1).SetUint(v.Index(n-1).Uint() ^ 0xff)
				}
			}
			out["elsewhere"] = func(v reflect.Value) { // offset of the batch, which no checksum covers
				if v.Len() > 8 {
					v.Index(0).SetUint(0x10)
				}
			}
			out["negative"] = func(v reflect.Value) {
				if v.Len() > 8 {
					v.Index(0).SetUint(0xff)
				}
			}
			out["claiming"] = func(v reflect.Value) { changeBatch(v, claimMany) }
			out["inflating"] = func(v reflect.Value) { changeBatch(v, holdAGigabyte) }
		}
		return out
	}
	return nil
}

// changeBatch changes the first record batch of many, and makes its checksum right.
func changeBatch(v reflect.Value, change func(batch []byte) []byte) {
	raw := v.Bytes()
	if len(raw) < recordlog.HeaderBytes {
		return
	}
	size := int(binary.BigEndian.Uint32(raw[recordlog.AtLength:])) + 12
	if size < recordlog.HeaderBytes || size > len(raw) {
		return
	}
	batch := change(slices.Clone(raw[:size]))
	v.SetBytes(append(recordlog.Seal(batch), raw[size:]...))
}

// claimMany makes a batch claim 20,000,000 records.
func claimMany(batch []byte) []byte {
	binary.BigEndian.PutUint32(batch[recordlog.AtNumRecords:], 20_000_000)
	return batch
}

// holdAGigabyte replaces the records of a batch by a frame of zstd, of blocks that repeat a byte.
func holdAGigabyte(batch []byte) []byte {
	batch = append(batch[:recordlog.HeaderBytes:recordlog.HeaderBytes], 0x28, 0xb5, 0x2f, 0xfd, 0, 20<<3)
	batch[recordlog.AtAttributes+1] |= byte(kgo.CodecZstd)
	const header = 128<<10<<3 | 1<<1
	for range 1 << 13 {
		batch = append(batch, header&0xff, header>>8&0xff, header>>16, 'x')
	}
	return batch
}

// A broker that lies in any field of any answer makes a client late at most, and fails calls. The
// client shows nothing that was not written, asks for no more than it takes, returns when contexts
// end, and goes on when the lie is over.
func TestBrokersMayAnswerAnything(t *testing.T) {
	for _, kind := range []kmsg.Response{
		kmsg.NewPtrFetchResponse(), kmsg.NewPtrMetadataResponse(), kmsg.NewPtrProduceResponse(), kmsg.NewPtrListOffsetsResponse(),
		kmsg.NewPtrOffsetForLeaderEpochResponse(), kmsg.NewPtrInitProducerIDResponse(), kmsg.NewPtrDescribeConfigsResponse(),
		kmsg.NewPtrApiVersionsResponse(),
	} {
		t.Run(kmsg.NameForKey(kind.Key()), func(t *testing.T) {
			for i, l := range lies(kind) {
				if testing.Short() && i%8 != 0 {
					continue
				}
				t.Run(l.name, func(t *testing.T) { inWorld(t, withTopic(2), func(t *testing.T, w *world) { lieTo(t, w, l) }) })
			}
		})
	}
}

const (
	lieLasts      = 20 * time.Second
	mostPerSecond = 100
	mostInflated  = 8 << 20
	mostAllocated = 64 << 20 // some times what it takes when nobody lies
)

// lieTo lets the brokers lie to a client that is open and to one that opens.
func lieTo(t *testing.T, w *world, l lie) {
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	other := w.open("other")
	a := w.answers("c")
	limit := kvstore.WithKafkaOptions(kgo.MaxDecompressBatchBytes(mostInflated))
	c := w.open("c", a.option(), limit)
	w.put(c, "k", "v0")
	written := map[string]bool{"v0": true}

	a.requests(everyKey...)
	a.set(func(r *reply) { l.tell(r.resp) })
	w.DropConnections("c") // the next ones begin with a lie, too
	began := time.Now()
	for i := 1; time.Since(began) < lieLasts; i++ {
		theirs, ours := fmt.Sprint("their v", i), fmt.Sprint("our v", i)
		written[theirs], written[ours] = true, true
		w.put(other, "k", theirs)
		for name, call := range map[string]func() error{
			"Put":          func() error { return c.Put(w.within(time.Second), []byte("k"), []byte(ours)) },
			"Execute":      func() error { return c.Batch().Put([]byte("k"), []byte(ours)).Execute(w.within(time.Second)) },
			"Sync":         func() error { return c.Sync(w.within(time.Second)) },
			"WaitRevision": func() error { return c.WaitRevision(w.within(time.Second), w.End()) },
			"Get": func() error {
				v, err := c.Get(w.within(time.Second), []byte("k"))
				if err == nil && !written[string(v)] {
					t.Errorf("Get = %q, which nobody has written", v)
				}
				if errors.Is(err, kvstore.ErrNotFound) {
					t.Errorf("Get = %v", err)
				}
				return nil
			},
		} {
			if d := took(func() { _ = call() }); d > time.Second+grace {
				t.Errorf("%s took %v, its context a second", name, d)
			}
		}
		time.Sleep(200 * time.Millisecond) // calls take no time where nobody lies
		if p := c.Position(); p < -1 || p > w.End() {
			t.Errorf("position %d in a log that ends at %d", p, w.End())
		}
	}
	if n, most := a.requests(everyKey...), mostPerSecond*int(time.Since(began)/time.Second); n > most {
		t.Errorf("%d requests in %v, want %d a second at most", n, time.Since(began), mostPerSecond)
	}

	b := w.answers("d")
	b.set(func(r *reply) { l.tell(r.resp) })
	if d := took(func() {
		d, err := kvstore.NewClient(w.within(5*time.Second), topic, memory.New(), w.options("d", b.option(), limit)...)
		if err == nil {
			if v, err := d.Get(t.Context(), []byte("k")); err != nil || !written[string(v)] {
				t.Errorf("Get of a client that just opened = %q, %v", v, err)
			}
			_ = d.Close()
		}
	}); d > 5*time.Second+grace {
		t.Errorf("opening took %v, its context five seconds", d)
	}
	if n := b.requests(everyKey...); n > 5*mostPerSecond {
		t.Errorf("%d requests in an opening of five seconds at most, want %d a second at most", n, mostPerSecond)
	}

	a.set(nil)
	w.DropConnections("c") // what a broker said of its versions counts for a connection
	if err := c.Sync(w.within(2 * time.Minute)); err != nil {
		t.Errorf("Sync after the lie = %v; Status %+v", err, c.Status())
	} else if got, want := w.contents(c), w.contents(other); got != want {
		t.Errorf("contents after the lie = %q, want %q", got, want)
	}
	var after runtime.MemStats
	runtime.ReadMemStats(&after)
	most := uint64(mostAllocated)
	if strings.HasSuffix(l.name, "=inflating") {
		most += 2 * 8 * mostInflated // two clients, and a buffer that grows takes that often what it holds in the end
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > most {
		t.Errorf("%d bytes allocated, most of them not at the same time, want %d at most", n, most)
	}
}

var everyKey = []kmsg.Key{
	kmsg.Produce, kmsg.Fetch, kmsg.ListOffsets, kmsg.Metadata, kmsg.ApiVersions, kmsg.OffsetForLeaderEpoch, kmsg.InitProducerID,
	kmsg.DescribeConfigs, kmsg.CreateTopics, kmsg.DescribeCluster,
}

// A broker that lets a fetch wait for as long as it may is an honest one, however short that is.
func TestShortFetchesAreNotSlowedDown(t *testing.T) {
	for _, wait := range []time.Duration{10 * time.Millisecond, 50 * time.Millisecond, time.Second} {
		t.Run(wait.String(), func(t *testing.T) {
			inWorld(t, withTopic(1), func(t *testing.T, w *world) {
				a := w.answers("c")
				c := w.open("c", a.option(), kvstore.WithKafkaOptions(kgo.FetchMaxWait(wait)))
				w.put(c, "k", "1")
				time.Sleep(time.Minute)
				a.requests(kmsg.Fetch)
				time.Sleep(time.Minute)
				if n, most := a.requests(kmsg.Fetch), int(time.Minute/wait); n < most*9/10 || n > most+1 {
					t.Errorf("%d fetches in a minute, want about %d", n, most)
				}
				if p := c.Status().Reading; p.Err != nil {
					t.Errorf("Status().Reading = %+v", p)
				}
			})
		})
	}
}

// A broker that answers fetches immediately, although there is nothing, is asked some times a second at
// most. The client says why it may be late, and is not late by much.
func TestBrokersThatAnswerAtOnceAreAskedSlowly(t *testing.T) {
	inWorld(t, slow(1), func(t *testing.T, w *world) {
		a := w.answers("c")
		c := w.open("c", a.option())
		w.put(c, "k", "1")
		a.setRequests(func(r kmsg.Request) {
			if f, ok := r.(*kmsg.FetchRequest); ok {
				f.MaxWaitMillis = 0
			}
		})
		time.Sleep(10 * time.Second) // the first burst is over
		a.requests(everyKey...)
		time.Sleep(time.Minute)
		if n := a.requests(everyKey...); n < 60 || n > 20*60 {
			t.Errorf("%d requests in a minute of empty answers, want some a second", n)
		}
		if p := c.Status().Reading; p.Err == nil || !strings.Contains(p.Err.Error(), "answer immediately") {
			t.Errorf("Status().Reading = %+v, want that the broker answers at once", p)
		}
		if s := c.Status().State; s != kvstore.StateLive {
			t.Errorf("state %v of a client that shows all there is", s)
		}
		if n := w.logged("slowing down"); n < 1 || n > 70 {
			t.Errorf("%d log lines in 70 s, want one a second at most", n)
		}
		other := w.open("other")
		for i := range 10 {
			v := fmt.Sprint(i)
			w.put(other, "k", v)
			if d := took(func() { w.eventually("it is read", func() bool { return w.contents(c) == "k="+v+" " }) }); d > 500*time.Millisecond {
				t.Errorf("a record was read after %v", d)
			}
			if d := took(func() { w.put(c, "mine", v); _ = c.Delete(t.Context(), []byte("mine")) }); d > time.Second {
				t.Errorf("a write and a delete took %v", d)
			}
		}
		a.setRequests(nil)
		time.Sleep(10 * time.Second)
		if p := c.Status().Reading; p.Err != nil {
			t.Errorf("Status().Reading = %+v after the broker lets fetches wait again", p)
		}
	})
}

// What the client says while it slows itself down ends when it ends: an open transaction with its
// commit, and the slowness with the first fetch that the broker lets wait.
func TestStatusIsTrueAfterBrokersAnsweredAtOnce(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		a := w.answers("c")
		c := w.open("c", a.option())
		w.put(c, "k", "1")
		a.setRequests(func(r kmsg.Request) {
			if f, ok := r.(*kmsg.FetchRequest); ok {
				f.MaxWaitMillis = 0
			}
		})
		says := func(text string) bool {
			p := c.Status().Reading
			return p.Err != nil && strings.Contains(p.Err.Error(), text)
		}
		end := w.transaction("t", record("k", "2"))
		w.eventually("both are said", func() bool { return says("open transaction") && says("answer immediately") })
		end(true)
		w.eventually("the commit is shown", func() bool { return w.contents(c) == "k=2 " })
		for range 20 {
			time.Sleep(100 * time.Millisecond)
			if says("open transaction") {
				t.Fatalf("Status().Reading = %+v after the commit", c.Status().Reading)
			}
		}
		w.eventually("it slows down", func() bool { return says("answer immediately") })
		a.setRequests(nil)
		time.Sleep(200 * time.Millisecond) // until the next fetch
		time.Sleep(time.Second)            // which waits
		time.Sleep(10 * time.Millisecond)
		if p := c.Status().Reading; p.Err != nil {
			t.Errorf("Status().Reading = %+v after a fetch that waited", p)
		}
	})
}
