package linearizability_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	lin "github.com/kvsim/kvsim/linearizability"
)

// A textHistory is a hand-written history with the verdicts that the judges must give.
//
// A file has several. Each starts with a line "== property - situation - verdict". Then
// come "log:" with the verdict of the log witness alone, "porcupine:" with that of
// porcupine alone, and "both:" if the verdict of the two together differs from that of the
// log witness. A verdict is a status, followed by the check that must be violated; without
// one, it may be any.
// The other lines are events, in order:
//
//	late, none                  the tap is late, or there is none; else it is exact
//	hooks                       every process reports its hooks
//	version 2                   of the format
//	c1 get a -> v1 @0 ^1        an operation, called and returned; @ is the
//	                            revision, ^ the position, - no value
//	c1/2 put a v1 => ok @0      by process 2; the append is between the call
//	                            and the return, at the revision or at !offset
//	x = c1 put a v1             a call; x ok @0, x failed, x unknown or x lost ends it
//	c1 batch a=v1 b=- => ok @1  items
//	c1 range a..c -> a=v1@0     from a to below c; "max 2" limits it
//	c1 sync | open | close | wait 3
//	c1 get! a -> v1             a get that claims to be linearizable
//	log 3 a v1 txn=t foreign    an append; - - is a record without a key
//	truncate 3, recreate, trim 3, compact 0 1, uncompact 0 1, commit t, abort t, end 3
//	hook c1 set a v1 @0, hook c1 delete a away
//	rebuild c1 loss, rebuild c1 absence away, rebuild c1 withheld away
//	final c1 ^3 a=v1, state c1, cold reader
//	fault TEXT, heal
//	{"ev":"status",...}         a line of the format itself, without seq and t; what
//	                            is called in one ends as o1, if its op is 1
//	x failed class=lease        the class of an error
type textHistory struct {
	file, name string
	line       int
	want       map[string]string
	events     []string
}

// readTextHistories reads all hand-written histories.
func readTextHistories(t *testing.T) []textHistory {
	t.Helper()
	return readTexts(t, "testdata/histories/*.txt")
}

func readTexts(t *testing.T, pattern string) []textHistory {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no histories: %v", err)
	}
	var all []textHistory
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		s := bufio.NewScanner(f)
		for n := 1; s.Scan(); n++ {
			text, _, _ := strings.Cut(s.Text(), "#")
			text = strings.TrimSpace(text)
			if title, ok := strings.CutPrefix(text, "== "); ok {
				all = append(all, textHistory{file: filepath.Base(name), name: title, line: n, want: map[string]string{}})
				continue
			}
			if text == "" {
				continue
			}
			h := &all[len(all)-1]
			if who, what, ok := strings.Cut(text, ": "); ok && (who == "log" || who == "porcupine" || who == "both" || who == "why") {
				h.want[who] = what
				continue
			}
			h.events = append(h.events, text)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// record makes a history of the events.
func (h textHistory) record(t testing.TB) *lin.History {
	t.Helper()
	history, err := recordText(h.events)
	if err != nil {
		t.Fatalf("%s:%d: %v", h.file, h.line, err)
	}
	return history
}

// recordText makes a history of events in the text form.
func recordText(events []string) (*lin.History, error) {
	var now time.Duration
	opts := lin.RecorderOptions{Header: lin.Header{Tap: lin.TapExact}}
	p := textParser{calls: map[string]*textCall{}}
	for ; len(events) > 0; events = events[1:] {
		switch events[0] {
		case "late":
			opts.Header.Tap = lin.TapLate
			continue
		case "none":
			opts.Header.Tap = lin.TapNone
			continue
		case "hooks":
			opts.Header.Hooks = true
			continue
		case "version 2":
			opts.Header.Version = 2
			continue
		}
		break
	}
	p.r = lin.NewRecorder(func() time.Duration { now += time.Millisecond; return now }, opts)
	for _, e := range events {
		read := func() error { return p.event(strings.Fields(e)) }
		if strings.HasPrefix(e, "{") {
			read = func() error { return p.line(e) }
		}
		if err := read(); err != nil {
			return nil, fmt.Errorf("%q: %w", e, err)
		}
	}
	return p.r.History(), nil
}

type textParser struct {
	r     *lin.Recorder
	calls map[string]*textCall
	heal  func()
	lines []string // of the format of files
}

type textCall struct {
	call *lin.Call
	op   lin.Operation
}

func (p *textParser) event(w []string) error {
	switch w[0] {
	case "log":
		return p.append(w[1:])
	case "truncate", "trim", "end":
		off, err := strconv.ParseInt(w[1], 10, 64)
		map[string]func(int64){"truncate": p.r.Truncate, "trim": p.r.Trim, "end": p.r.End}[w[0]](off)
		return err
	case "recreate":
		p.r.Recreate()
	case "commit", "abort":
		p.r.Transaction(w[1], w[0] == "commit")
	case "compact", "uncompact":
		var offsets []int64
		for _, s := range w[1:] {
			off, err := strconv.ParseInt(s, 10, 64)
			if err != nil {
				return err
			}
			offsets = append(offsets, off)
		}
		map[string]func([]int64){"compact": p.r.Compact, "uncompact": p.r.Uncompact}[w[0]](offsets)
	case "hook":
		return p.hook(w[1:])
	case "rebuild":
		return p.rebuild(w[1:])
	case "final", "state", "cold":
		return p.snapshot(w)
	case "fault":
		p.heal = p.r.Fault(strings.Join(w[1:], " "))
	case "heal":
		p.heal()
	default:
		if c := p.calls[w[0]]; c != nil {
			return p.finish(c, w[1:])
		}
		if len(w) > 2 && w[1] == "=" {
			c, _, err := p.begin(w[2:])
			p.calls[w[0]] = c
			return err
		}
		return p.whole(w)
	}
	return nil
}

// rebuild reads a process, and after it a cause, "away", or both.
func (p *textParser) rebuild(w []string) error {
	client, proc, err := textProcess(w[0])
	if err != nil {
		return err
	}
	b := lin.Rebuild{Client: client, Process: proc}
	for _, word := range w[1:] {
		switch word {
		case "loss":
			b.Cause = lin.RebuildLoss
		case "absence":
			b.Cause = lin.RebuildAbsence
		case "withheld":
			b.Cause = lin.RebuildWithheld
		case "away":
			b.Away = true
		default:
			return fmt.Errorf("%q is no cause", word)
		}
	}
	p.r.Rebuild(b)
	return nil
}

func (p *textParser) append(w []string) error {
	off, err := strconv.ParseInt(w[0], 10, 64)
	if err != nil {
		return err
	}
	rec := lin.Record{Offset: off, Key: dash(w[1]), Value: dash(w[2])}
	for _, s := range w[3:] {
		if txn, ok := strings.CutPrefix(s, "txn="); ok {
			rec.Txn = txn
		} else {
			rec.Foreign = s == "foreign"
		}
	}
	p.r.Append(rec)
	return nil
}

func (p *textParser) hook(w []string) error {
	client, process, err := textProcess(w[0])
	if err != nil {
		return err
	}
	h := lin.Hook{Client: client, Process: process, Delete: w[1] == "delete", Key: w[2], Offset: lin.None}
	for _, s := range w[3:] {
		off, revision := strings.CutPrefix(s, "@")
		switch {
		case revision:
			if h.Offset, err = strconv.ParseInt(off, 10, 64); err != nil {
				return err
			}
		case s == "away":
			h.Away = true
		default:
			h.Value = s
		}
	}
	p.r.Hook(h)
	return nil
}

func (p *textParser) snapshot(w []string) error {
	kinds := map[string]lin.SnapshotKind{"final": lin.SnapshotFinal, "state": lin.SnapshotClient, "cold": lin.SnapshotCold}
	client, process, err := textProcess(w[1])
	if err != nil {
		return err
	}
	s := lin.Snapshot{Kind: kinds[w[0]], Client: client, Process: process, Position: lin.None}
	rest := w[2:]
	if len(rest) > 0 && rest[0][0] == '^' {
		if s.Position, err = strconv.ParseInt(rest[0][1:], 10, 64); err != nil {
			return err
		}
		rest = rest[1:]
	}
	if s.Items, err = textItems(rest); err != nil {
		return err
	}
	p.r.Snapshot(s)
	return nil
}

// whole records an operation that is on one line.
func (p *textParser) whole(w []string) error {
	for i, s := range w {
		if s != "->" && s != "=>" {
			continue
		}
		c, _, err := p.begin(w[:i])
		if err != nil {
			return err
		}
		if s == "=>" {
			if err := p.appendOf(c, w[i+1:]); err != nil {
				return err
			}
		}
		return p.finish(c, w[i+1:])
	}
	return errors.New("no such event")
}

// appendOf records the appends of a write at the offset in its result.
func (p *textParser) appendOf(c *textCall, result []string) error {
	for _, s := range result {
		if s[0] != '@' && s[0] != '!' {
			continue
		}
		off, err := strconv.ParseInt(s[1:], 10, 64)
		if err != nil {
			return err
		}
		if c.op.Kind != lin.OpBatch {
			p.r.Append(lin.Record{Offset: off, Key: c.op.Key, Value: c.op.Value})
			return nil
		}
		for i, it := range c.op.Items {
			p.r.Append(lin.Record{Offset: off - int64(len(c.op.Items)-1-i), Key: it.Key, Value: it.Value})
		}
		return nil
	}
	return errors.New("=> needs an offset")
}

func (p *textParser) begin(w []string) (*textCall, []string, error) {
	client, process, err := textProcess(w[0])
	if err != nil {
		return nil, nil, err
	}
	op := lin.Operation{Client: client, Process: process}
	kind := strings.TrimSuffix(w[1], "!")
	op.Barrier = kind != w[1]
	for k := lin.OpPut; k <= lin.OpClose; k++ {
		if k.String() == kind {
			op.Kind = k
		}
	}
	switch op.Kind {
	case lin.OpPut:
		op.Key, op.Value = w[2], w[3]
	case lin.OpDelete, lin.OpGet:
		op.Key = w[2]
	case lin.OpBatch:
		op.Items, err = textItems(w[2:])
	case lin.OpRange:
		op.Start, op.End, _ = strings.Cut(w[2], "..")
		if len(w) > 4 && w[3] == "max" {
			op.Limit, err = strconv.Atoi(w[4])
		}
	case lin.OpWait:
		op.Revision, err = strconv.ParseInt(w[2], 10, 64)
	case lin.OpSync, lin.OpOpen, lin.OpClose:
	default:
		err = fmt.Errorf("no operation %q", kind)
	}
	if err != nil {
		return nil, nil, err
	}
	return &textCall{p.r.Begin(op), op}, nil, nil
}

func (p *textParser) finish(c *textCall, w []string) error {
	var items []string
	for _, s := range w {
		var err error
		var n int64
		switch {
		case s == "ok" || s == "failed" || s == "unknown" || s == "lost" || s[0] == '!':
		case w[0] != "ok" && strings.HasPrefix(s, "class="):
			var class lin.ErrorClass
			class, err = classNamed(s[len("class="):])
			c.call.Class(class)
		case s[0] == '@':
			n, err = strconv.ParseInt(s[1:], 10, 64)
			c.call.Revision(n)
		case s[0] == '^':
			n, err = strconv.ParseInt(s[1:], 10, 64)
			c.call.Position(n)
		case c.op.Kind == lin.OpGet:
			c.call.Value(dash(s))
		default:
			items = append(items, s)
		}
		if err != nil {
			return err
		}
	}
	if c.op.Kind == lin.OpRange || len(items) > 0 {
		list, err := textItems(items)
		if err != nil {
			return err
		}
		c.call.Items(list)
	}
	switch {
	case len(w) > 0 && w[0] == "failed":
		c.call.Failed(errors.New("refused"))
	case len(w) > 0 && w[0] == "unknown":
		c.call.Unknown(errors.New("timed out"))
	case len(w) > 0 && w[0] == "lost":
		c.call.Class(lin.ErrorLoss).Unknown(errors.New("data loss"))
	default:
		c.call.OK()
	}
	return nil
}

func textItems(w []string) ([]lin.Item, error) {
	var items []lin.Item
	for _, s := range w {
		if s == "-" {
			continue
		}
		key, value, ok := strings.Cut(s, "=")
		if !ok {
			return nil, fmt.Errorf("%q is not key=value", s)
		}
		it := lin.Item{Key: key, Value: value, Revision: lin.None}
		if v, rev, ok := strings.Cut(value, "@"); ok {
			n, err := strconv.ParseInt(rev, 10, 64)
			if err != nil {
				return nil, err
			}
			it.Value, it.Revision = v, n
		}
		it.Value = dash(it.Value)
		items = append(items, it)
	}
	return items, nil
}

func textProcess(s string) (client string, process int, err error) {
	client, n, ok := strings.Cut(s, "/")
	if !ok {
		return client, 1, nil
	}
	process, err = strconv.Atoi(n)
	return client, process, err
}

func dash(s string) string {
	if s == "-" {
		return ""
	}
	return s
}
