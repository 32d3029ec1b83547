package linearizability

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"
)

// A line is any line of a stored history.
type line struct {
	Version *int              `json:"kvsim_history"`
	Tap     string            `json:"tap"`
	Hooks   bool              `json:"hooks"`
	Meta    map[string]string `json:"meta"`

	Seq    int64  `json:"seq"`
	Time   int64  `json:"t"`
	Event  string `json:"ev"`
	Client string `json:"client"`
	Proc   int    `json:"proc"`
	Op     int64  `json:"op"`
	Call   string `json:"call"`

	Key     *string `json:"key"`
	Value   string  `json:"value"`
	Items   []item  `json:"items"`
	Start   string  `json:"start"`
	End     string  `json:"end"`
	Limit   int     `json:"limit"`
	Barrier bool    `json:"barrier"`

	Rev   *int64 `json:"rev"`
	Pos   *int64 `json:"pos"`
	Error string `json:"error"`

	Offset   *int64  `json:"offset"`
	Txn      string  `json:"txn"`
	Foreign  bool    `json:"foreign"`
	Removed  []int64 `json:"removed"`
	Returned []int64 `json:"returned"`

	Cause string `json:"cause"`
	Away  bool   `json:"away"`

	Of    string `json:"of"`
	Fault int64  `json:"fault"`
	Text  string `json:"text"`

	newerLine
}

type item struct {
	Key   string `json:"key"`
	Value string `json:"value"`
	Rev   *int64 `json:"rev"`
}

type decoder struct {
	h      History
	open   map[int64]int // operation id -> index in h.Ops
	faults map[int64]int // fault id -> index in h.Faults
	names  map[string]string
	in     line
	err    error
	// stamps has the stamps of all events so far. unordered says that the lines
	// are not in the order of their sequence numbers.
	stamps    []stampLine
	unordered bool
}

// line reads line n, which is not empty.
func (d *decoder) line(n int, text []byte) error {
	d.in, d.err = line{}, nil
	if !utf8.Valid(text) {
		return errors.New("not UTF-8: write other bytes of a key as % and two hexadecimal digits")
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&d.in); err != nil {
		return fmt.Errorf("not a line of a history: %w", err)
	}
	seen, err := scanFields(text)
	if err == nil {
		err = d.strict(seen)
	}
	if err != nil {
		return err
	}
	if d.h.Header.Version == 0 {
		return d.header()
	}
	if d.in.Version != nil {
		return errors.New("a second header")
	}
	if d.in.Event == "" {
		return errors.New(`"ev" is missing`)
	}
	at, err := d.at(n)
	if err != nil {
		return err
	}
	if err := d.event(at); err != nil {
		return fmt.Errorf("%s: %w", d.in.Event, err)
	}
	return d.err
}

func (d *decoder) header() error {
	if d.in.Version == nil {
		return errors.New(`no header: the first line must be {"kvsim_history":1,...}`)
	}
	if *d.in.Version < 1 || *d.in.Version > FormatVersion {
		return fmt.Errorf("version %d of the format, this program reads versions 1 to %d", *d.in.Version, FormatVersion)
	}
	d.h.Header = Header{Version: *d.in.Version, Hooks: d.in.Hooks, Meta: d.in.Meta}
	if d.in.Tap == "" {
		return nil
	}
	i := slices.Index(taps[:], d.in.Tap)
	if i < 0 {
		return fmt.Errorf(`"tap" is %q, want "exact", "late" or "none"`, d.in.Tap)
	}
	d.h.Header.Tap = Tap(i)
	return nil
}

func (d *decoder) event(at Stamp) error {
	switch ev := d.in.Event; ev {
	case "invoke":
		return d.invoke(at)
	case "ok", "failed", "unknown":
		return d.complete(at, Outcome(slices.Index(outcomes[:], ev)))
	case "hook":
		return d.hook(at)
	case "rebuild":
		return d.rebuild(at)
	case "snapshot":
		return d.snapshot(at)
	case "fault":
		if _, ok := d.faults[d.in.Fault]; ok || d.in.Fault < 1 {
			return fmt.Errorf(`"fault" is %d, want an id above 0 that no other fault has`, d.in.Fault)
		}
		d.faults[d.in.Fault] = len(d.h.Faults)
		d.h.Faults = append(d.h.Faults, Fault{ID: d.in.Fault, Text: d.in.Text, Start: at})
	case "heal":
		i, ok := d.faults[d.in.Fault]
		if !ok || d.h.Faults[i].End.Seq != 0 {
			return fmt.Errorf("fault %d is not active", d.in.Fault)
		}
		d.h.Faults[i].End = at
	default:
		if i := slices.Index(logKinds[:], ev); i > 0 {
			return d.log(at, LogKind(i))
		}
		return d.newerEvent(at)
	}
	return nil
}

func (d *decoder) invoke(at Stamp) error {
	in := &d.in
	kind := slices.Index(opKinds[:], in.Call)
	if kind < 1 {
		return fmt.Errorf(`"call" is %q, which is no operation`, in.Call)
	}
	if err := d.needProcess(); err != nil {
		return err
	}
	if _, ok := d.open[in.Op]; ok || in.Op < 1 {
		return fmt.Errorf(`"op" is %d, want an id above 0 that no other operation has`, in.Op)
	}
	o := Operation{
		ID: in.Op, Client: d.name(in.Client), Process: in.Proc, Kind: OpKind(kind),
		Key: d.key(), Value: d.text(in.Value), Start: d.name(in.Start), End: d.name(in.End),
		Limit: in.Limit, Items: d.items(), Barrier: in.Barrier,
		Revision: d.known(in.Rev), Position: None, Call: at, Deadline: time.Duration(in.Deadline),
	}
	if err := d.details(&o); err != nil {
		return err
	}
	if err := validInvoke(&o, in.Key != nil); err != nil {
		return err
	}
	d.open[in.Op] = len(d.h.Ops)
	d.h.Ops = append(d.h.Ops, o)
	return nil
}

func (d *decoder) complete(at Stamp, outcome Outcome) error {
	in := &d.in
	i, ok := d.open[in.Op]
	if !ok {
		return fmt.Errorf("operation %d was never invoked", in.Op)
	}
	o := &d.h.Ops[i]
	if o.Outcome != Pending {
		return fmt.Errorf("operation %d has ended before, at event %d", in.Op, o.Return.Seq)
	}
	if at.Seq <= o.Call.Seq {
		return fmt.Errorf("operation %d ends at event %d, and was called at event %d", in.Op, at.Seq, o.Call.Seq)
	}
	if in.Client != "" && (d.name(in.Client) != o.Client || in.Proc != o.Process) {
		return fmt.Errorf("operation %d is of %s, not of %s", in.Op,
			who(o.Client, o.Process), who(d.name(in.Client), in.Proc))
	}
	o.Outcome, o.Return, o.Err = outcome, at, in.Error
	o.Position = d.known(in.Pos)
	if rev := d.known(in.Rev); o.Kind != OpWait {
		o.Revision = rev
	}
	if outcome != OK {
		class, err := classOf("class", in.Class)
		o.Class = class
		return err
	}
	if in.Until != 0 {
		o.Details.Until = time.Duration(in.Until)
	}
	if emptyKey(o) {
		return fmt.Errorf("%s of the empty key, which is none", o.Kind)
	}
	if o.Kind == OpGet {
		o.Value = d.text(in.Value)
	}
	if o.Kind == OpRange || len(in.Items) > 0 {
		o.answered(d.items())
	}
	return nil
}

func (d *decoder) hook(at Stamp) error {
	if err := d.needProcess(); err != nil {
		return err
	}
	if d.in.Call != "set" && d.in.Call != "delete" {
		return fmt.Errorf(`"call" is %q, want "set" or "delete"`, d.in.Call)
	}
	d.h.Hooks = append(d.h.Hooks, Hook{
		Stamp: at, Client: d.name(d.in.Client), Process: d.in.Proc, Delete: d.in.Call == "delete",
		Key: d.key(), Value: d.text(d.in.Value), Offset: d.known(d.in.Offset), Away: d.in.Away,
	})
	return nil
}

func (d *decoder) rebuild(at Stamp) error {
	if err := d.needProcess(); err != nil {
		return err
	}
	cause := RebuildCause(max(0, slices.Index(rebuildCauses[:], d.in.Cause)))
	if cause.String() != d.in.Cause || cause == RebuildWithheld && d.h.Header.Version < 2 {
		return fmt.Errorf(`"cause" is %q, want "loss", "absence", from version 2 of the format on "withheld", or none`, d.in.Cause)
	}
	d.h.Rebuilds = append(d.h.Rebuilds, Rebuild{
		Stamp: at, Client: d.name(d.in.Client), Process: d.in.Proc,
		Cause: cause, Away: d.in.Away, Err: d.in.Error,
	})
	return nil
}

func (d *decoder) snapshot(at Stamp) error {
	kind := slices.Index(snapshotKinds[:], d.in.Of)
	if kind < 1 {
		return fmt.Errorf(`"of" is %q, want "client", "final" or "cold"`, d.in.Of)
	}
	if err := d.needProcess(); err != nil {
		return err
	}
	d.h.Snapshots = append(d.h.Snapshots, Snapshot{
		Stamp: at, Kind: SnapshotKind(kind), Client: d.name(d.in.Client), Process: d.in.Proc,
		Position: d.known(d.in.Pos), Items: d.items(),
	})
	return nil
}

func (d *decoder) log(at Stamp, kind LogKind) error {
	in := &d.in
	l := LogEvent{Stamp: at, Kind: kind, Removed: in.Removed, Returned: in.Returned}
	for name, offsets := range map[string][]int64{"removed": in.Removed, "returned": in.Returned} {
		if i := slices.IndexFunc(offsets, func(off int64) bool { return off < 0 }); i >= 0 {
			return fmt.Errorf("%q has %d, and no offset is negative", name, offsets[i])
		}
	}
	switch kind {
	case LogAppend, LogTruncate, LogTrim, LogEnd:
		if in.Offset == nil || *in.Offset < 0 {
			return errors.New(`"offset" is missing or negative`)
		}
		l.Offset = *in.Offset
	case LogCommit, LogAbort:
		if in.Txn == "" {
			return errors.New(`"txn" is missing`)
		}
	case LogCompact, LogUncompact, LogRecreate:
	}
	l.Key, l.Value, l.Txn, l.Foreign = d.key(), d.text(in.Value), d.name(in.Txn), in.Foreign
	l.Lease = d.name(in.Lease)
	d.h.Log = append(d.h.Log, l)
	return nil
}
