package kvstore

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// held makes known that a try of a batch failed: to those who wait, to Status and to
// the log.
func (w *writer) held(err error) {
	w.mu.Lock()
	w.trouble = w.trouble.met(err)
	w.mu.Unlock()
	w.health.writeFailed(err)
	w.log.warn("kvstore: writing to the log failed, trying again", err)
}

// refused makes known that a broker refused a batch. That of one is no trouble of the
// others, unless it is for a right that is missing.
func (w *writer) refused(err error) {
	w.mu.Lock()
	w.trouble = Problem{}
	w.mu.Unlock()
	if isUnauthorized(err) {
		w.health.writeFailed(err)
		w.log.warn("kvstore: a write was refused", err)
		return
	}
	w.health.writeFine()
}

// through ends what held, or refused, made known.
func (w *writer) through() {
	w.mu.Lock()
	w.trouble = Problem{}
	w.mu.Unlock()
	w.health.writeFine()
}

// because adds to err, which ends the wait for a write, what holds up the writes.
func (w *writer) because(err error) error {
	w.mu.Lock()
	p := w.trouble
	w.mu.Unlock()
	if p.Count == 0 {
		return err
	}
	times := "once"
	if p.Count > 1 {
		times = fmt.Sprintf("%d times since %v ago", p.Count, time.Since(p.Since).Round(time.Millisecond))
	}
	return fmt.Errorf("%w (last cause, met %s: %w)", err, times, p.Err)
}

// askBrokers learns the brokers' addresses again, after one could not be reached.
func (w *writer) askBrokers(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, mostAsk)
	defer cancel()
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = []kmsg.MetadataRequestTopic{} // nil would ask for all topics
	_, _ = req.RequestWith(ctx, w.cl)          // the next try says what is wrong
}

// mostAsk bounds how long the writer waits for the brokers' addresses.
const mostAsk = 5 * time.Second
