package kvstore

import (
	"context"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// produce hands the records of a group to kgo as one record batch and waits
// until it is acknowledged or failed.
//
// kgo starts to send as soon as it is flushed, so the flush has to wait until
// every record is in the batch: on a new client the topic's metadata is loaded
// first, and kgo then moves the records over one by one.
func (w *writer) produce(ctx context.Context, group []*write) ([]*kgo.Record, error) {
	records := w.records(group)
	results := newResults(len(records))
	buffered := w.probe.begin(len(records))
	for _, r := range records {
		// The record's context is the client's: kgo fails all that it
		// has buffered when a record's context ends.
		w.cl.Produce(ctx, r, results.note)
	}
	first := results.first
	for {
		select {
		case <-results.all:
			return records, results.err
		case <-buffered:
			w.settle()
			w.cl.Flush(ctx) //nolint:errcheck // each record has its own result
			<-results.all
			return records, results.err
		case <-first:
			// Failed before it was in the batch. Without all of its
			// records the batch must not go.
			first = nil
			_ = w.cl.AbortBufferedRecords(ctx)
		}
	}
}

// records returns the records of a group, in order.
func (w *writer) records(group []*write) []*kgo.Record {
	n := 0
	for _, wr := range group {
		n += len(wr.changes)
	}
	all, records, now := make([]kgo.Record, n), make([]*kgo.Record, 0, n), time.Now()
	for _, wr := range group {
		for _, ch := range wr.changes {
			r := &all[len(records)]
			r.Topic, r.Partition, r.Key, r.Value, r.Timestamp = w.topic, partitionNumber, ch.key, ch.value, now
			records = append(records, r)
		}
	}
	return records
}

// results collects what kgo says of each record of one batch.
type results struct {
	first chan struct{} // closed when the first one has come
	all   chan struct{} // closed when all have

	mu   sync.Mutex
	n    int   // that are missing
	none bool  // has come yet
	err  error // the first that was not nil; to be read once all have come
}

func newResults(n int) *results {
	return &results{first: make(chan struct{}), all: make(chan struct{}), n: n, none: true}
}

// note is called by kgo.
func (r *results) note(_ *kgo.Record, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.none {
		r.none = false
		close(r.first)
	}
	if r.err == nil {
		r.err = err
	}
	if r.n--; r.n == 0 {
		close(r.all)
	}
}

// settle waits, before the first flush of a kgo client, until its metadata loop
// is done with the topic.
//
// franz-go v1.22.2 moves the records that waited for the topic's metadata into
// the partition, and tells the probe, before it makes the partition known to
// Flush (storePartitionsUpdate). A flush in between finds no partition, and
// nothing would ever send the records. To forget a topic that is not there does
// nothing but wait for the loop. TestFirstWriteOfAClientIsSent tells when this is
// not needed any more: run it under -race without it.
func (w *writer) settle() {
	if !w.settled {
		w.cl.PurgeTopicsFromProducing("no topic of the store")
		w.settled = true
	}
}
