package fakecluster

import (
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/internal/recordlog"
)

// cleaning is one pass of compaction over a log, by the rules of Kafka's LogCleaner. It
// removes everything that Kafka would remove. Where Kafka needs a second pass or some time,
// it does in one step what Kafka's cleaner would have done by now if it ran all the time.
type cleaning struct {
	log       []Batch     // the log as it is now, to its end
	appended  []time.Time // when each batch was appended
	start     int64       // the start of the log; batches below it are ignored
	met       []time.Time // when a pass first came to each batch, zero if none has; nil if it does not matter
	end       int64       // batches at it and above stay as they are and supersede nothing
	now       time.Time
	retention time.Duration  // delete.retention.ms
	active    time.Time      // producers whose last batch is older are forgotten
	forgotten map[int64]bool // and these, though it is not

	outcomes []recordlog.Outcome // of the batches' transactions, by place in log
	latest   map[string]int64    // the last offset of each key
	lastOf   map[int64]int       // the last data batch of each producer
}

// run returns what is left of the log below end.
func (cl *cleaning) run() []Batch {
	cl.findProducers()
	cl.findLatest()
	var out []Batch
	held := make(map[int64]bool) // producers with data since their last marker
	for i := range cl.log {
		b := &cl.log[i]
		if b.FirstOffset >= cl.end {
			break
		}
		switch {
		case b.Control:
			if held[b.ProducerID] || !cl.expired(i) && b.ProducerID != markerProducer {
				out = append(out, *b)
			}
			delete(held, b.ProducerID)
			continue
		case b.Unreadable != nil:
			out = append(out, *b)
			continue
		}
		left, ok := cl.batch(i)
		if !ok {
			continue
		}
		out = append(out, left)
		if b.Transactional {
			held[b.ProducerID] = true
		}
	}
	return out
}

// findProducers finds the last batch of each producer, and how its transactions ended.
// Their markers may lie behind end. One that is open below end, and so below the last stable
// offset, lost its marker: the brokers aborted it.
func (cl *cleaning) findProducers() {
	cl.outcomes = recordlog.Outcomes(cl.log)
	cl.lastOf = make(map[int64]int)
	for i := range cl.log {
		if b := &cl.log[i]; !b.Control && b.ProducerID >= 0 {
			cl.lastOf[b.ProducerID] = i
		}
		if cl.outcomes[i] == recordlog.Open && cl.log[i].FirstOffset < cl.end {
			cl.outcomes[i] = recordlog.Aborted
		}
	}
}

// aborted reports whether the batch at i is part of an aborted transaction.
func (cl *cleaning) aborted(i int) bool { return cl.outcomes[i] == recordlog.Aborted }

// findLatest finds the last record of each key.
func (cl *cleaning) findLatest() {
	cl.latest = make(map[string]int64)
	for i := range cl.log {
		b := &cl.log[i]
		if b.FirstOffset >= cl.end {
			return
		}
		if b.Control || cl.aborted(i) {
			continue
		}
		for _, r := range b.Records {
			if r.Key != nil {
				cl.latest[string(r.Key)] = r.Offset
			}
		}
	}
}

// batch returns what is left of a batch of data. It returns false if nothing is left.
func (cl *cleaning) batch(i int) (Batch, bool) {
	b := &cl.log[i]
	left := slices.DeleteFunc(slices.Clone(b.Records), func(r Record) bool { return !cl.stays(i, &r) })
	if len(left) == len(b.Records) {
		return *b, len(left) > 0 || cl.remembered(i)
	}
	if len(left) == 0 && !cl.remembered(i) {
		return Batch{}, false
	}
	return shrink(b, left), true
}

func (cl *cleaning) stays(i int, r *Record) bool {
	switch {
	case cl.aborted(i), r.Key == nil, cl.latest[string(r.Key)] > r.Offset, r.Offset < cl.start:
		return false
	case r.Value == nil:
		return !cl.expired(i)
	}
	return true
}

// expired reports whether a tombstone or a marker has been in the log for long enough to
// be removed: since it was appended or, if met is not nil, since a pass first came to it.
func (cl *cleaning) expired(i int) bool {
	since := cl.appended[i]
	if cl.met != nil {
		since = cl.met[i]
	}
	return !since.IsZero() && cl.now.Sub(since) >= cl.retention
}

// remembered reports whether a batch has the last sequence number of a producer that the
// broker remembers. Such a batch stays, if need be without its records.
func (cl *cleaning) remembered(i int) bool {
	id := cl.log[i].ProducerID
	return id >= 0 && cl.lastOf[id] == i && cl.appended[i].After(cl.active) && !cl.forgotten[id]
}

// shrink returns a copy of a batch with only some of its records. It keeps the offsets and
// sequence numbers of the batch.
func shrink(b *Batch, left []Record) Batch {
	var rb kmsg.RecordBatch
	_ = rb.ReadFrom(b.Raw) // it was read before
	rb.Attributes &^= 7    // not compressed
	rb.NumRecords = int32(len(left))
	rb.Records = nil
	if len(left) > 0 {
		rb.MaxTimestamp = left[0].Timestamp.UnixMilli()
	}
	for _, r := range left {
		rb.MaxTimestamp = max(rb.MaxTimestamp, r.Timestamp.UnixMilli())
		rb.Records = appendRecord(rb.Records, r, r.Offset-rb.FirstOffset, r.Timestamp.UnixMilli()-rb.FirstTimestamp)
	}
	out := *b
	out.Raw = rb.AppendTo(nil)
	recordlog.Seal(out.Raw)
	out.Records = left
	out.MaxTimestamp = time.UnixMilli(rb.MaxTimestamp)
	return out
}
