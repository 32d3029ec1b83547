package kvstore

import (
	"context"
	"fmt"
	"time"
)

// held reports that a try of a batch failed: to waiters, in Status and in the log.
func (w *writer) held(err error) {
	w.mu.Lock()
	w.trouble = w.trouble.met(err)
	w.mu.Unlock()
	w.health.note(&w.health.writing, err)
	w.log.warn("kvstore: writing to the log failed, trying again", err)
}

// refused reports that a broker refused a batch. A refusal is no problem of other writes,
// unless it is for a missing right.
func (w *writer) refused(err error) {
	w.mu.Lock()
	w.trouble = Problem{}
	w.mu.Unlock()
	if isUnauthorized(err) {
		w.health.note(&w.health.writing, err)
		w.log.warn("kvstore: a write was refused", err)
		return
	}
	w.health.note(&w.health.writing, nil)
}

// through takes back what held, or refused, reported.
func (w *writer) through() {
	w.mu.Lock()
	w.trouble = Problem{}
	w.mu.Unlock()
	w.health.note(&w.health.writing, nil)
}

// because adds to err, which ends the wait for a write, what blocks the writes: the last
// failure and how often there was one, else what the writer waits for.
func (w *writer) because(err error) error {
	w.mu.Lock()
	p := w.trouble
	w.mu.Unlock()
	if p.Count == 0 {
		p = w.quota.problem()
	}
	if p.Count == 0 {
		if what := w.asking(); what != "" {
			return fmt.Errorf("%w (waiting for %s)", err, what)
		}
		return err
	}
	times := "once"
	if p.Count > 1 {
		times = fmt.Sprintf("%d times since %v ago", p.Count, time.Since(p.Since).Round(time.Millisecond))
	}
	return fmt.Errorf("%w (last cause, met %s: %w)", err, times, p.Err)
}

// What a batch on its way waits for.
const (
	askNobody = iota
	askLead
	askLog
	askSender
	askProduce
)

// ask notes what the batch on its way waits for, and which broker has to answer.
func (w *writer) ask(what int, broker int32) { w.asks.Store(int64(what)<<32 | int64(uint32(broker))) }

// asking returns what ask last noted, in words.
func (w *writer) asking() string {
	v := w.asks.Load()
	broker := int32(uint32(v))
	switch v >> 32 {
	case askLead:
		return "a broker to name the topic's leader"
	case askLog:
		return fmt.Sprintf("broker %d to say whether the log has a write", broker)
	case askSender:
		return fmt.Sprintf("broker %d to give a producer id", broker)
	case askProduce:
		return fmt.Sprintf("broker %d to acknowledge a write", broker)
	}
	return ""
}

// askBrokers learns the brokers' addresses again, after one could not be reached.
func (w *writer) askBrokers(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, mostAsk)
	defer cancel()
	_ = w.anyone.learn(ctx) // the next try says what is wrong
}

// mostAsk bounds how long the writer waits for the brokers' addresses.
const mostAsk = 5 * time.Second
