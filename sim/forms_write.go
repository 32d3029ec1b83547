package sim

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	"github.com/kvsim/kvsim/kvstore"
	lin "github.com/kvsim/kvsim/linearizability"
)

// refusedName is the name of the reason when a write that no client may do was not refused with the
// error that says why.
const refusedName = "impossible-write-is-refused"

// putAs puts in another form.
func (o *operation) putAs(c *kvstore.Client) {
	key, v := o.oddKey(), o.payload()
	k, b := []byte(key), v.bytes()
	rev := int64(-1)
	var err error
	var call *lin.Call
	begin := func() { call = o.begin(lin.Operation{Kind: lin.OpPut, Key: key, Value: v.id}) }
	switch o.odd.IntN(8) {
	case 0:
		o.w.did(formPut)
		begin()
		err = c.Put(o.ctx, k, b)
	case 1:
		o.w.did(formTypedPut)
		begin()
		err = typed(c).Put(o.ctx, k, v)
	case 2:
		o.w.did(formTypedPutRevision)
		begin()
		rev, err = typed(c).PutRevision(o.ctx, k, v)
	case 3:
		o.w.did(formUnencoded)
		v.bad = true
		begin()
		if o.odd.IntN(2) == 0 {
			err = typed(c).Put(o.ctx, k, v)
		} else {
			rev, err = typed(c).PutRevision(o.ctx, k, v)
		}
		o.wantRefused("a put of a value that can't be written", err, errUnwritable)
	case 4:
		o.w.did(formNilValue)
		v.id = emptyID
		begin()
		rev, err = c.PutRevision(o.ctx, k, nil)
	case 5:
		o.w.did(formNoKeyPut)
		o.wantRefused("a put of an empty key", c.Put(o.ctx, pick(o.odd, [][]byte{nil, {}}), b), kvstore.ErrInvalidKey)
		return
	case 6:
		if b, larger, ok := o.largest(key, v.id); ok {
			begin()
			rev, err = c.PutRevision(o.ctx, k, b)
			o.judgeSize(err, larger)
			break
		}
		fallthrough
	default:
		begin()
		rev, err = c.PutRevision(o.ctx, k, b)
	}
	spoil(k)
	spoil(b)
	o.ended(call, key, rev, err)
}

// fitsName is the name of the reason when a write was refused that is not too large, or written that is.
const fitsName = "largest-write-fits"

// largest returns a value whose record batch is just as large as the topic allows or, half of the time,
// a byte larger. It does that only where that size is small and does not change.
func (o *operation) largest(key, id string) (value []byte, larger, ok bool) {
	limit := o.w.plan.World.MaxMessage
	if limit == 0 || limit > 64<<10 || o.w.plan.alters(settingMessage) || o.w.plan.hostile() || id == emptyID {
		return nil, false, false
	}
	if larger = o.odd.IntN(2) == 0; larger {
		limit++
	}
	for size := limit - 200 - len(key); size <= limit; size++ {
		if value = encodePayload(id, size); batchBytes(len(key), len(value)) == limit {
			o.w.did(formLargest)
			return value, larger, true
		}
	}
	return nil, false, false // the length of the filler gets a digit just there
}

// batchBytes is the size of a record batch with one record without headers, in format 2 of Kafka.
func batchBytes(key, value int) int {
	varint := func(n int) int { return len(binary.AppendVarint(nil, int64(n))) }
	record := 1 + 1 + 1 + varint(key) + key + varint(value) + value + 1 // attributes, time, offset; headers
	return 61 + varint(record) + record
}

// judgeSize judges a put of a value that is as large as the topic allows, or a byte larger.
func (o *operation) judgeSize(err error, larger bool) {
	refused := errors.Is(err, kvstore.ErrValueTooLarge)
	if refused == larger || excused(err) || o.p.crashed.Load() {
		return
	}
	o.w.findings.add(fitsName, "a put of %s whose record batch is as large as max.message.bytes (larger by a byte: %v) returned: %v", o.slot.name, larger, err)
}

// deleteAs deletes in another form.
func (o *operation) deleteAs(c *kvstore.Client) {
	key := o.oddKey()
	k := []byte(key)
	rev := int64(-1)
	var err error
	call := o.begin(lin.Operation{Kind: lin.OpDelete, Key: key})
	switch o.odd.IntN(4) {
	case 0:
		o.w.did(formDelete)
		err = c.Delete(o.ctx, k)
	case 1:
		o.w.did(formTypedDelete)
		err = typed(c).Delete(o.ctx, k)
	case 2:
		o.w.did(formTypedDeleteRev)
		rev, err = typed(c).DeleteRevision(o.ctx, k)
	default:
		rev, err = c.DeleteRevision(o.ctx, k)
	}
	spoil(k)
	o.ended(call, key, rev, err)
}

// wantRefused judges a write that has to be refused for a reason, whatever the brokers are like.
func (o *operation) wantRefused(what string, err, why error) {
	if o.p.crashed.Load() || excused(err) || errors.Is(err, kvstore.ErrRefused) && errors.Is(err, why) {
		return
	}
	o.w.findings.add(refusedName, "%s of %s at %v returned: %v", what, o.slot.name, time.Since(o.w.start), err)
}

// excused reports whether an error says that the client is at its end.
func excused(err error) bool {
	return errors.Is(err, kvstore.ErrClientClosed) || gone(err)
}

// A filling is a batch in another form, as it is made.
type filling struct {
	o     *operation
	items []lin.Item
	plain *kvstore.Batch
	typed *kvstore.TypedBatch[payload]
}

// put adds a put, and then changes what it gave away.
func (f *filling) put(key string, v payload) {
	k, b := []byte(key), v.bytes()
	if f.typed != nil {
		f.typed.Put(k, v)
	} else {
		f.plain.Put(k, b)
	}
	spoil(k)
	spoil(b)
	f.items = append(f.items, lin.Item{Key: key, Value: v.id, Revision: lin.None})
}

func (f *filling) delete(key string) {
	k := []byte(key)
	if f.typed != nil {
		f.typed.Delete(k)
	} else {
		f.plain.Delete(k)
	}
	spoil(k)
	f.items = append(f.items, lin.Item{Key: key, Revision: lin.None})
}

// execute executes the batch, by the method that returns the revision or the one that does not.
func (f *filling) execute(ctx context.Context, revision bool) (int64, error) {
	switch w := f.o.w; {
	case f.typed != nil && revision:
		w.did(formTypedBatchRev)
		return f.typed.ExecuteRevision(ctx)
	case f.typed != nil:
		w.did(formTypedBatch)
		return -1, f.typed.Execute(ctx)
	case revision:
		w.did(formBatchRevision)
		return f.plain.ExecuteRevision(ctx)
	default:
		w.did(formBatch)
		return -1, f.plain.Execute(ctx)
	}
}

// batchAs executes a batch in another form.
func (o *operation) batchAs(c *kvstore.Client) {
	f := &filling{o: o, plain: c.Batch()}
	if o.odd.IntN(2) == 0 {
		f.typed = typed(c).Batch()
	}
	revision := o.odd.IntN(2) == 0
	if o.odd.IntN(10) == 0 {
		o.emptyBatch(f, revision)
		return
	}
	for range 1 + o.odd.IntN(4) {
		if key := o.oddKey(); o.odd.IntN(4) == 0 {
			f.delete(key)
		} else {
			f.put(key, o.payload())
		}
	}
	if o.odd.IntN(3) == 0 { // the last change of a key counts
		o.w.did(formTwice)
		key := f.items[0].Key
		if o.odd.IntN(2) == 0 {
			f.delete(key)
		}
		f.put(key, o.payload())
	}
	why := o.spoilBatch(f)
	call := o.begin(lin.Operation{Kind: lin.OpBatch, Items: f.items})
	rev, err := f.execute(o.ctx, revision)
	if why != nil {
		o.wantRefused("a batch that is wrong in one change", err, why)
	}
	if o.odd.IntN(4) == 0 {
		o.w.did(formExecutedTwice)
		_, again := f.execute(o.ctx, !revision)
		o.wantRefused("a batch that is executed for the second time", again, kvstore.ErrBatchExecuted)
	}
	o.ended(call, f.items[len(f.items)-1].Key, rev, err)
}

// spoilBatch makes a batch wrong, now and then, and returns why it has to be refused.
func (o *operation) spoilBatch(f *filling) error {
	switch o.odd.IntN(8) {
	case 0:
		if f.typed == nil {
			return nil
		}
		o.w.did(formUnencodedBatch)
		v := o.payload()
		v.bad = true
		f.put(o.oddKey(), v)
		return errUnwritable
	case 1:
		o.w.did(formNoKeyBatch)
		if f.typed != nil {
			f.typed.Delete(nil)
		} else {
			f.plain.Put([]byte{}, []byte("no key"))
		}
		return kvstore.ErrInvalidKey
	}
	return nil
}

// emptyBatch executes a batch without changes: it writes nothing, and there is nothing to record.
func (o *operation) emptyBatch(f *filling, revision bool) {
	o.w.did(formEmptyBatch)
	rev, err := f.execute(o.ctx, revision)
	if rev != -1 || err != nil {
		o.w.findings.add(refusedName, "an empty batch of %s returned revision %d and: %v", o.slot.name, rev, err)
	}
}
