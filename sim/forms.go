package sim

import (
	"math/rand/v2"
	"slices"

	"github.com/kvsim/kvsim/kvstore"
)

// A form is one way to use the store. The plain workload calls each method in one way only; a plan
// with forms makes some of the calls in another one. Each form is counted in Outcome.Sometimes, so
// that a campaign shows what it never did.
type form string

// formOf is what the names of forms begin with in Outcome.Sometimes.
const formOf = "form: "

// Forms of reads.
const (
	formGet             form = "Client.Get"
	formTypedGet        form = "ResourceClient.Get"
	formTypedGetEntry   form = "ResourceClient.GetEntry"
	formUndecoded       form = "a value that a serde can't read"
	formRange           form = "Client.Range"
	formTypedRange      form = "ResourceClient.Range"
	formTypedEntries    form = "ResourceClient.RangeEntries"
	formTypedAll        form = "ResourceClient.RangeAll"
	formTypedAllEntries form = "ResourceClient.RangeAllEntries"
	formPrefix          form = "a range with a prefix"
	formHighPrefix      form = "a range with a prefix of bytes 0xff"
	formFromKey         form = "a range from a key on"
	formToKey           form = "a range up to a key"
	formOneKey          form = "a range of one key"
	formNoKey           form = "a range whose end is not above its start"
	formEmptyStart      form = "a range from the empty key on"
	formEmptyEnd        form = "a range up to the empty key"
	formNegativeLimit   form = "a range with a limit below zero"
	formHugeLimit       form = "a range with the largest limit"
	formLeftEarly       form = "a loop over a range that is left early"
	formAgain           form = "a range that is read twice"
	formSlowLoop        form = "a slow loop over a range"
	formWriteInLoop     form = "a write in a loop over a range"
)

// Forms of writes.
const (
	formPut              form = "Client.Put"
	formTypedPut         form = "ResourceClient.Put"
	formTypedPutRevision form = "ResourceClient.PutRevision"
	formUnencoded        form = "a value that a serde can't write"
	formNilValue         form = "a put of nil"
	formNoKeyPut         form = "a put of an empty key"
	formShortKey         form = "a key of one byte"
	formHighKey          form = "a key of bytes 0xff"
	formLargest          form = "a put as large as fits, or a byte larger"
	formLongKey          form = "a key of hundreds of bytes"
	formDelete           form = "Client.Delete"
	formTypedDelete      form = "ResourceClient.Delete"
	formTypedDeleteRev   form = "ResourceClient.DeleteRevision"
	formBatch            form = "Batch.Execute"
	formBatchRevision    form = "Batch.ExecuteRevision"
	formTypedBatch       form = "TypedBatch.Execute"
	formTypedBatchRev    form = "TypedBatch.ExecuteRevision"
	formTwice            form = "a batch with a key twice"
	formEmptyBatch       form = "an empty batch"
	formExecutedTwice    form = "a batch that is executed twice"
	formUnencodedBatch   form = "a batch with a value that a serde can't write"
	formNoKeyBatch       form = "a batch with an empty key"
)

// Forms of contexts, and of waits.
const (
	formCanceledBefore form = "a context that was canceled before the call"
	formPassedBefore   form = "a context whose deadline had passed before the call"
	formCanceled       form = "a context that is canceled during the call"
	formShort          form = "a context that ends soon"
	formOpenEnded      form = "a context without a deadline"
	formWaitUnknown    form = "a wait for revision -1"
	formWaitInvalid    form = "a wait for a revision below -1"
	formWaitBeyond     form = "a wait for a revision beyond the log"
)

// forms are all of them, in the order in which they are listed.
var forms = slices.Concat([]form{
	formGet, formTypedGet, formTypedGetEntry, formUndecoded, formRange, formTypedRange, formTypedEntries, formTypedAll,
	formTypedAllEntries, formPrefix, formHighPrefix, formFromKey, formToKey, formOneKey, formNoKey, formEmptyStart, formEmptyEnd,
	formNegativeLimit, formHugeLimit, formLeftEarly, formAgain, formSlowLoop, formWriteInLoop,
}, []form{
	formPut, formTypedPut, formTypedPutRevision, formUnencoded, formNilValue, formNoKeyPut, formShortKey, formHighKey, formLongKey, formLargest,
	formDelete, formTypedDelete, formTypedDeleteRev, formBatch, formBatchRevision, formTypedBatch, formTypedBatchRev, formTwice,
	formEmptyBatch, formExecutedTwice, formUnencodedBatch, formNoKeyBatch,
}, []form{
	formCanceledBefore, formPassedBefore, formCanceled, formShort, formOpenEnded, formWaitUnknown, formWaitInvalid, formWaitBeyond,
}, endForms, variantForms, hookForms)

// FormNames returns the names of the forms of calls and clients, as they are counted in
// Outcome.Sometimes.
func FormNames() (names []string) {
	for _, f := range forms {
		names = append(names, formOf+string(f))
	}
	return names
}

// did counts the use of forms.
func (w *world) did(fs ...form) {
	for _, f := range fs {
		w.sometimes.hit(formOf + string(f))
	}
}

// A storer is a Client that stands for a client of the store alone: its methods do what those of the
// store do, and nothing else. Of such a client worlds call all methods. Something around it would not
// see the calls, so that is no storer.
type storer interface{ store() *kvstore.Client }

func (c storeClient) store() *kvstore.Client { return c.Client }

// storeOf returns the client of the store that c stands for, nil if it is something else.
func storeOf(c Client) *kvstore.Client {
	if s, ok := c.(storer); ok {
		return s.store()
	}
	return nil
}

// other returns the client of the store if the operation is to take another form than the plain one,
// and nil otherwise. Forms are drawn from a generator of their own: what a plan without forms does must
// not depend on them.
func (o *operation) other() *kvstore.Client {
	if o.odd == nil || o.odd.IntN(100) >= o.w.plan.Workload.Forms {
		return nil
	}
	return storeOf(o.p.client)
}

// pick draws one of several.
func pick[T any](r *rand.Rand, of []T) T { return of[r.IntN(len(of))] }

// edgeKeys are keys that only operations in another form write and read: the shortest, those at the
// end of the order, and long ones.
var edgeKeys = func() []string {
	long := make([]byte, 900)
	for i := range long {
		long[i] = byte('a' + i%26)
	}
	return []string{"\x00", "a", "\xff", "\xff\xff", "\xff\xff\x00", "\xff\xff\xff\xff", string(long[:300]), string(long)}
}()

// oddKey draws a key, now and then one of edgeKeys.
func (o *operation) oddKey() string {
	key := o.key()
	if o.odd.IntN(4) > 0 {
		return key
	}
	key = pick(o.odd, edgeKeys)
	switch {
	case len(key) == 1 && key[0] != 0xff:
		o.w.did(formShortKey)
	case len(key) >= 300:
		o.w.did(formLongKey)
	default:
		o.w.did(formHighKey)
	}
	return key
}
