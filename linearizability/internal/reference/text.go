package reference

import (
	"fmt"
	"slices"
	"strings"

	lin "github.com/kvsim/kvsim/linearizability"
)

// Text returns the events of a history in the notation of the hand-written ones, in
// linearizability/testdata/histories. Times and texts of errors are left out.
func Text(h *lin.History) string {
	t := &texts{h: h, at: map[int64]func() int{}}
	for i := range h.Ops {
		o := &h.Ops[i]
		t.at[o.Call.Seq] = func() int { return t.call(o) }
		if o.Return.Seq != 0 {
			t.at[o.Return.Seq] = func() int { return t.line(name(o), ended(o)) }
		}
	}
	for i := range h.Log {
		t.at[h.Log[i].Seq] = func() int { return t.log(&h.Log[i]) }
	}
	for i := range h.Hooks {
		t.at[h.Hooks[i].Seq] = func() int { return t.hook(&h.Hooks[i]) }
	}
	for i := range h.Rebuilds {
		t.at[h.Rebuilds[i].Seq] = func() int { return t.rebuild(&h.Rebuilds[i]) }
	}
	for i := range h.Snapshots {
		t.at[h.Snapshots[i].Seq] = func() int { return t.snapshot(&h.Snapshots[i]) }
	}
	if h.Header.Tap != lin.TapExact {
		t.line(h.Header.Tap.String())
	}
	if h.Header.Hooks {
		t.line("hooks")
	}
	if h.Header.Version > 1 {
		t.line("version", fmt.Sprint(h.Header.Version))
	}
	for seq := range t.at {
		t.order = append(t.order, seq)
	}
	slices.Sort(t.order)
	for len(t.order) > 0 {
		t.order = t.order[t.at[t.order[0]]():]
	}
	return t.b.String()
}

// texts writes events, each of which is told by a function that returns how many it has told.
type texts struct {
	h     *lin.History
	b     strings.Builder
	at    map[int64]func() int
	order []int64 // the events that are left
}

func (t *texts) line(words ...string) int {
	words = slices.DeleteFunc(words, func(w string) bool { return w == "" })
	fmt.Fprintln(&t.b, strings.Join(words, " "))
	return 1
}

// call tells a call, and its return if that is next, or follows the appends of the write.
func (t *texts) call(o *lin.Operation) int {
	if o.Return.Seq == 0 || t.next(1) != o.Return.Seq {
		if n := t.appends(o); n > 0 {
			mark := ""
			if o.Revision == lin.None {
				mark = fmt.Sprintf("!%d", t.eventAt(t.next(n)).Offset)
			}
			t.line(called(o), "=>", ended(o), mark)
			return n + 2
		}
		return t.line(name(o), "=", called(o))
	}
	t.line(called(o), "->", ended(o))
	return 2
}

// appends returns how many appends are between the call of an acknowledged write and its
// return, if these are its own and nothing else is there.
func (t *texts) appends(o *lin.Operation) int {
	all := items(o)
	if o.Outcome != lin.OK || !o.Kind.Writes() || len(all) == 0 || t.next(len(all)+1) != o.Return.Seq {
		return 0
	}
	for i, it := range all {
		e := t.eventAt(t.next(i + 1))
		if e == nil || e.Kind != lin.LogAppend || e.Record != (lin.Record{Offset: e.Offset, Key: it.Key, Value: it.Value}) || it.Revision != lin.None && o.Kind == lin.OpBatch {
			return 0
		}
		if i > 0 && e.Offset != t.eventAt(t.next(i)).Offset+1 || i == len(all)-1 && o.Revision != lin.None && o.Revision != e.Offset {
			return 0
		}
	}
	return len(all)
}

// next returns the number of an event from the present one on.
func (t *texts) next(n int) int64 {
	if n >= len(t.order) {
		return 0
	}
	return t.order[n]
}

func (t *texts) eventAt(seq int64) *lin.LogEvent {
	i := slices.IndexFunc(t.h.Log, func(e lin.LogEvent) bool { return e.Seq == seq })
	if i < 0 {
		return nil
	}
	return &t.h.Log[i]
}

func name(o *lin.Operation) string { return fmt.Sprint("o", o.ID) }

func called(o *lin.Operation) string {
	kind := o.Kind.String()
	if o.Barrier {
		kind += "!"
	}
	words := []string{process(o.Client, o.Process), kind}
	switch o.Kind {
	case lin.OpPut:
		words = append(words, o.Key, o.Value)
	case lin.OpGet, lin.OpDelete:
		words = append(words, o.Key)
	case lin.OpBatch:
		for _, it := range o.Items {
			words = append(words, item(lin.Item{Key: it.Key, Value: it.Value, Revision: lin.None}))
		}
	case lin.OpRange:
		words = append(words, o.Start+".."+o.End)
		if o.Limit > 0 {
			words = append(words, fmt.Sprint("max ", o.Limit))
		}
	case lin.OpWait:
		words = append(words, fmt.Sprint(o.Revision))
	case lin.OpSync, lin.OpOpen, lin.OpClose:
	}
	return strings.Join(words, " ")
}

func ended(o *lin.Operation) string {
	words := []string{o.Outcome.String()}
	if reportedLost(o) {
		words[0] = "lost"
	}
	if o.Outcome == lin.OK {
		switch {
		case o.Kind == lin.OpGet:
			words[0] = dash(o.Value)
		case o.Kind == lin.OpRange && len(o.Items) == 0:
			words[0] = "-"
		case o.Kind == lin.OpRange:
			words = itemTexts(o.Items)
		case o.Kind == lin.OpBatch && slices.ContainsFunc(o.Items, func(it lin.Item) bool { return it.Revision != lin.None }):
			words = append(words, itemTexts(o.Items)...)
		}
	}
	if o.Revision != lin.None && o.Kind != lin.OpWait {
		words = append(words, fmt.Sprint("@", o.Revision))
	}
	if o.Position != lin.None {
		words = append(words, fmt.Sprint("^", o.Position))
	}
	return strings.Join(words, " ")
}

func (t *texts) log(e *lin.LogEvent) int {
	switch e.Kind {
	case lin.LogAppend:
		words := []string{"log", fmt.Sprint(e.Offset), dash(e.Key), dash(e.Value)}
		if e.Txn != "" {
			words = append(words, "txn="+e.Txn)
		}
		if e.Foreign {
			words = append(words, "foreign")
		}
		return t.line(words...)
	case lin.LogCompact, lin.LogUncompact:
		words := []string{e.Kind.String()}
		for _, o := range append(slices.Clone(e.Removed), e.Returned...) {
			words = append(words, fmt.Sprint(o))
		}
		return t.line(words...)
	case lin.LogCommit, lin.LogAbort:
		return t.line(e.Kind.String(), e.Txn)
	case lin.LogRecreate:
		return t.line(e.Kind.String())
	case lin.LogTruncate, lin.LogTrim, lin.LogEnd:
	}
	return t.line(e.Kind.String(), fmt.Sprint(e.Offset))
}

func (t *texts) hook(k *lin.Hook) int {
	words := []string{"hook", process(k.Client, k.Process), "set", k.Key, k.Value}
	if k.Delete {
		words[2] = "delete"
	}
	if k.Offset != lin.None {
		words = append(words, fmt.Sprint("@", k.Offset))
	}
	return t.line(words...)
}

func (t *texts) rebuild(b *lin.Rebuild) int {
	away := ""
	if b.Away {
		away = "away"
	}
	return t.line("rebuild", process(b.Client, b.Process), b.Cause.String(), away)
}

func (t *texts) snapshot(s *lin.Snapshot) int {
	words := map[lin.SnapshotKind]string{lin.SnapshotClient: "state", lin.SnapshotFinal: "final", lin.SnapshotCold: "cold"}
	at := ""
	if s.Position != lin.None {
		at = fmt.Sprint("^", s.Position)
	}
	return t.line(append([]string{words[s.Kind], process(s.Client, s.Process), at}, itemTexts(s.Items)...)...)
}

func itemTexts(all []lin.Item) (words []string) {
	for _, it := range all {
		words = append(words, item(it))
	}
	return words
}

func item(it lin.Item) string {
	s := it.Key + "=" + dash(it.Value)
	if it.Revision != lin.None {
		s += fmt.Sprint("@", it.Revision)
	}
	return s
}

func process(client string, n int) string {
	if n == 1 {
		return client
	}
	return fmt.Sprint(client, "/", n)
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
