package registry

import (
	"errors"
	"time"
)

// maxBadIDs bounds the memory for bad ids, because garbage that happens to
// look like the wire format can name any of four thousand million of them.
const maxBadIDs = 1024

// badID is a remembered answer.
type badID struct {
	err   error
	until time.Time
}

// recall returns what is remembered about id, or nothing.
func (r *Registry) recall(id int) (*knownSchema, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if schema := r.good[id]; schema != nil {
		return schema, nil
	}
	if bad, ok := r.bad[id]; ok && time.Now().Before(bad.until) {
		return nil, bad.err
	}
	return nil, nil
}

// remember keeps the answer for id if it is reliable.
func (r *Registry) remember(id int, schema *knownSchema, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err == nil:
		r.good[id] = schema
		delete(r.bad, id)
	case errors.Is(err, ErrMismatch) && r.cfg.NegativeTTL > 0:
		if len(r.bad) >= maxBadIDs {
			r.forgetBad()
		}
		r.bad[id] = badID{err: err, until: time.Now().Add(r.cfg.NegativeTTL)}
	}
}

// forgetBad makes room: it drops what has expired and, if that is nothing, what
// expires first.
func (r *Registry) forgetBad() {
	now := time.Now()
	first, before := 0, time.Time{}
	for id, bad := range r.bad {
		if !now.Before(bad.until) {
			delete(r.bad, id)
			continue
		}
		if before.IsZero() || bad.until.Before(before) {
			first, before = id, bad.until
		}
	}
	if len(r.bad) >= maxBadIDs {
		delete(r.bad, first)
	}
}
