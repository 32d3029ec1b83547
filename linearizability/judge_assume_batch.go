package linearizability

const ruleBatches = "the log loses the records of a batch together, because they are one record batch"

// A batchCuts finds batches of which the log tap says that the log lost only the last records.
type batchCuts struct {
	h *History
	// writers are built when needed.
	writers map[valueOf]*valueWriters
	// steps bounds how much it looks at. What is not found then is judged as if there were nothing to
	// find.
	steps int
}

type valueOf struct{ key, value string }

// valueWriters are the writes of a value that were not refused.
type valueWriters struct {
	batches []batchItem
	single  int64 // the call of the first that writes only this, 0 for none
}

type batchItem struct{ op, item int }

func (c *batchCuts) build() {
	c.writers = map[valueOf]*valueWriters{}
	of := func(key, value string) *valueWriters {
		w := c.writers[valueOf{key, value}]
		if w == nil {
			w = &valueWriters{}
			c.writers[valueOf{key, value}] = w
		}
		return w
	}
	for i := range c.h.Ops {
		o := &c.h.Ops[i]
		switch {
		case o.Outcome == Failed || !o.Kind.Writes():
		case o.Kind == OpBatch:
			for n, it := range o.Items {
				w := of(it.Key, it.Value)
				w.batches = append(w.batches, batchItem{i, n})
			}
		default:
			if w := of(o.Key, o.Value); w.single == 0 {
				w.single = o.Call.Seq
			}
		}
	}
}

// lost checks that the log loses no part of a batch, and returns what it keeps of its appends.
func (a *assumptions) lost(c *batchCuts, l *LogEvent, live []int, n int) []int {
	if o := c.inside(live, n); o != nil {
		a.broken(ruleBatches, l.Seq, "%s at offset %d, inside %s", l.Kind, l.Offset, o)
	}
	return live[:n]
}

// inside returns a batch that has the last record of the log that is kept, and the first one that is lost:
// live has the appends of the log, of which the first n are kept. It returns nil if another write may have
// written the last one.
func (c *batchCuts) inside(live []int, n int) *Operation {
	if n == 0 || n == len(live) {
		return nil
	}
	last := &c.h.Log[live[n-1]]
	if last.Foreign || last.Key == "" {
		return nil
	}
	if c.writers == nil {
		c.build()
	}
	w := c.writers[valueOf{last.Key, last.Value}]
	if w == nil || w.single != 0 && w.single < last.Seq {
		return nil
	}
	var found *Operation
	for _, b := range w.batches {
		o := &c.h.Ops[b.op]
		if o.Call.Seq > last.Seq {
			break
		}
		if c.steps--; c.steps < 0 || b.item == len(o.Items)-1 || !c.whole(live, n-1-b.item, o.Items) {
			return nil
		}
		found = o
	}
	return found
}

// whole reports whether the appends from one on are those of a batch.
func (c *batchCuts) whole(live []int, first int, items []Item) bool {
	if first < 0 || first+len(items) > len(live) {
		return false
	}
	start := &c.h.Log[live[first]]
	for n, it := range items {
		l := &c.h.Log[live[first+n]]
		if c.steps--; l.Foreign || l.Key != it.Key || l.Value != it.Value || l.Offset != start.Offset+int64(n) || l.Txn != start.Txn {
			return false
		}
	}
	return true
}
