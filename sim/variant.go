package sim

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory"
)

// Names of the reasons when a client did not do what its options or its storage ask for.
const (
	progressName = "progress-is-that-of-the-opening"
	readOnlyName = "read-only-client-writes-nothing"
	inUseName    = "storage-has-one-client"
)

// Forms of what a client is opened with.
const (
	formPlainStorage  form = "a plain Storage"
	formBatchStorage  form = "a BatchStorage"
	formFilledStorage form = "a storage that holds something else"
	formStorageInUse  form = "a storage that another client uses"
	formProgress      form = "WithProgress"
	formPatient       form = "WithFailFast(false)"
	formRetention     form = "WithTombstoneRetention"
	formReplication   form = "WithReplicationFactor"
	formTopicConfig   form = "WithTopicConfig"
	formValidation    form = "WithTopicValidation(TopicValidationSkip)"
	formSeedBrokers   form = "kgo.SeedBrokers instead of WithBrokers"
	formReadOnly      form = "WithReadOnly"
)

var variantForms = []form{
	formPlainStorage, formBatchStorage, formFilledStorage, formStorageInUse, formProgress, formPatient, formRetention,
	formReplication, formTopicConfig, formValidation, formSeedBrokers, formReadOnly,
}

// A variant is what is unusual about a process: its storage, and options that make no difference to what
// the store promises.
type variant struct {
	r        *rand.Rand
	reduce   func(kvstore.RecordStorage) kvstore.Storage // nil: the storage is used as it is
	filled   bool
	readOnly bool
	odd      bool // false: nothing is unusual
}

// newVariant draws one for a process.
func (s *slot) newVariant(p *process) *variant {
	w := s.w
	v := &variant{r: stream(w.plan.Seed, "variant", s.n, p.number)}
	if v.r.IntN(100) >= w.plan.World.Variants {
		return v
	}
	v.odd = true
	switch v.r.IntN(4) {
	case 0:
		w.did(formPlainStorage)
		v.reduce = once(func(rs kvstore.RecordStorage) kvstore.Storage { return newPlain(rs, p) })
	case 1:
		w.did(formBatchStorage)
		v.reduce = once(func(rs kvstore.RecordStorage) kvstore.Storage { return &batchOf{newPlain(rs, p), rs} })
	}
	if v.filled = v.r.IntN(3) == 0; v.filled {
		w.did(formFilledStorage)
	}
	if v.readOnly = s.n >= w.plan.World.Clients && v.r.IntN(2) == 0; v.readOnly { // the plan's clients have to write
		w.did(formReadOnly)
	}
	return v
}

// once returns a function that gives the same storage each time: it has one client.
func once(reduce func(kvstore.RecordStorage) kvstore.Storage) func(kvstore.RecordStorage) kvstore.Storage {
	var one kvstore.Storage
	return func(rs kvstore.RecordStorage) kvstore.Storage {
		if one == nil {
			one = reduce(rs)
		}
		return one
	}
}

// memory returns the storage that the variant begins with.
func (v *variant) memory(ctx context.Context, w *world) *memory.Storage {
	m := memory.New()
	if v.filled {
		for _, key := range append(edgeKeys[:3:3], w.keys[:min(3, len(w.keys))]...) {
			_ = m.Set(ctx, []byte(key), []byte("of another log"))
		}
	}
	return m
}

// options returns the options that are unusual.
func (v *variant) options(p *process) (options []kvstore.ClientOption) {
	if !v.odd {
		return nil
	}
	w := p.slot.w
	maybe := func(f form, option kvstore.ClientOption) {
		if v.r.IntN(2) == 0 {
			w.did(f)
			options = append(options, option)
		}
	}
	maybe(formProgress, kvstore.WithProgress(p.progress.note))
	maybe(formPatient, kvstore.WithFailFast(false))
	maybe(formReplication, kvstore.WithReplicationFactor(1))
	maybe(formTopicConfig, kvstore.WithTopicConfig(map[string]string{"retention.ms": "86400000"}))
	maybe(formValidation, kvstore.WithTopicValidation(kvstore.TopicValidationSkip))
	if d := w.plan.World.Tombstones; d >= time.Second && !w.plan.alters(settingRetention) {
		maybe(formRetention, kvstore.WithTombstoneRetention(d))
	}
	if v.readOnly {
		options = append(options, kvstore.WithReadOnly())
	}
	return append(options, p.hookOptions(v.r)...)
}

// brokers is the option that names the brokers.
func (v *variant) brokers(w *world) kvstore.ClientOption {
	if v.odd && v.r.IntN(2) == 0 {
		w.did(formSeedBrokers)
		return kvstore.WithKafkaOptions(kgo.SeedBrokers(w.cluster.Seeds()...))
	}
	return kvstore.WithBrokers(w.cluster.Seeds()...)
}

// judge judges a client that has just opened.
func (v *variant) judge(ctx context.Context, p *process, r OpenRequest, c *kvstore.Client) {
	w := p.slot.w
	if wrong := p.progress.opened(c.Position()); wrong != "" {
		w.findings.add(progressName, "the opening of process %d of %s: %s", p.number, p.slot.name, wrong)
	}
	w.did(formStorageInUse)
	if other, err := kvstore.NewClient(ctx, r.Topic, r.storage(), r.Options...); !errors.Is(err, kvstore.ErrStorageInUse) {
		w.findings.add(inUseName, "a client with the storage of %s was opened: %v", p.slot.name, err)
		if err == nil {
			_ = other.Close()
		}
	}
	if !v.readOnly {
		return
	}
	key := []byte("read-only")
	_, batchErr := c.Batch().Put(key, key).ExecuteRevision(ctx)
	for _, err := range []error{c.Put(ctx, key, key), c.Delete(ctx, key), batchErr, typed(c).Put(ctx, key, payload{id: emptyID})} {
		if !errors.Is(err, kvstore.ErrReadOnly) || !errors.Is(err, kvstore.ErrRefused) {
			w.findings.add(readOnlyName, "a write of %s, which is read-only, returned: %v", p.slot.name, err)
		}
	}
}

// alters reports whether a plan changes a setting of the topic.
func (p *Plan) alters(config string) bool {
	for _, f := range p.Faults {
		if a, ok := f.(AlterTopic); ok && a.Config == config {
			return true
		}
	}
	return false
}

// A progress is what an opening client reported.
type progress struct {
	mu   sync.Mutex
	last kvstore.Progress
	n    int
	over bool   // the client is open
	bad  string // what was wrong
}

// note is called by the store.
func (p *progress) note(now kvstore.Progress) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch was := p.last; {
	case p.bad != "":
	case p.over:
		p.bad = "it reported something when it was over"
	case was.Done:
		p.bad = "it went on after it was done"
	case now.Done && now.Position < now.Target:
		p.bad = fmt.Sprintf("it was done at %d, before its target %d", now.Position, now.Target)
	}
	p.last = now
	p.n++
}

// opened is called when the client is open, and returns what was wrong.
func (p *progress) opened(position int64) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
	switch {
	case p.bad != "" || p.n == 0:
	case !p.last.Done:
		p.bad = "it was over before it was done"
	case position < p.last.Position:
		p.bad = fmt.Sprintf("it ended at %d, and the client is at %d", p.last.Position, position)
	}
	return p.bad
}
