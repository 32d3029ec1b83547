package linearizability

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// A newerLine has the fields that only version 2 of the format has.
type newerLine struct {
	Deadline int64       `json:"deadline"`
	Class    string      `json:"class"`
	If       []condition `json:"if"`
	At       *int64      `json:"at"`
	From     *int64      `json:"from"`
	Storage  string      `json:"storage"`
	Lease    string      `json:"lease"`
	TTL      int64       `json:"ttl"`
	Until    int64       `json:"until"`
	State    string      `json:"state"`
	Lag      *int64      `json:"lag"`
	Watch    int64       `json:"watch"`
}

// valued are the fields that are never there without a value.
var valued = fields("deadline ttl until class storage lease")

// newerValues returns an error if a field that only version 2 has is there without a value.
func (d *decoder) newerValues(seen fieldSet) error {
	if seen&valued == 0 {
		return nil
	}
	in := &d.in
	for _, f := range [...]struct {
		name  string
		value any
		is    bool
	}{
		{"deadline", in.Deadline, in.Deadline > 0},
		{"ttl", in.TTL, in.TTL > 0},
		{"until", in.Until, in.Until > 0},
		{"class", in.Class, in.Class != ""},
		{"storage", in.Storage, in.Storage != ""},
		{"lease", in.Lease, in.Lease != ""},
	} {
		if seen&fields(f.name) != 0 && !f.is {
			return fmt.Errorf("%q is %#v: leave out what is not known", f.name, f.value)
		}
	}
	return nil
}

type condition struct {
	Key    *string `json:"key"`
	Value  *string `json:"value"`
	Rev    *int64  `json:"rev"`
	Absent *bool   `json:"absent"`
	Start  *string `json:"start"`
	End    *string `json:"end"`
	Pos    *int64  `json:"pos"`
}

// classOf returns the class with a name, which a field has.
func classOf(field, name string) (ErrorClass, error) {
	i := slices.Index(errorClasses[:], name)
	if i < 0 {
		return ErrorNone, fmt.Errorf("%q is %q, which is no class of errors", field, name)
	}
	return ErrorClass(i), nil
}

// details reads what only version 2 says of a call.
func (d *decoder) details(o *Operation) error {
	in := &d.in
	if in.If == nil && in.At == nil && in.From == nil && in.Storage == "" && in.Lease == "" && in.TTL == 0 {
		return nil
	}
	o.Details = &Details{
		At: d.known(in.At), From: d.known(in.From), Storage: d.name(in.Storage),
		Lease: d.name(in.Lease), TTL: time.Duration(in.TTL),
	}
	if in.If != nil && len(in.If) == 0 {
		return errors.New(`"if" has no condition: leave it out`)
	}
	for i := range in.If {
		c, err := d.condition(&in.If[i])
		if err != nil {
			return fmt.Errorf(`"if": %w`, err)
		}
		o.Details.If = append(o.Details.If, c)
	}
	return nil
}

// condition reads a condition, which is on an interval or on one key.
func (d *decoder) condition(in *condition) (c Condition, err error) {
	asks := 0
	for _, is := range []bool{in.Rev != nil, in.Value != nil, in.Absent != nil, in.Pos != nil} {
		if is {
			asks++
		}
	}
	if asks != 1 {
		return c, errors.New(`a condition has one of "rev", "value", "absent" and "pos"`)
	}
	if in.Pos != nil {
		if in.Key != nil {
			return c, errors.New(`a condition with "pos" is on an interval, and has no "key"`)
		}
		c = Condition{Kind: IfUnchanged, Position: d.known(in.Pos)}
		if in.Start != nil {
			c.Start = d.name(*in.Start)
		}
		if in.End != nil {
			c.End = d.name(*in.End)
		}
		return c, nil
	}
	if in.Key == nil || in.Start != nil || in.End != nil {
		return c, errors.New(`a condition without "pos" is on one "key"`)
	}
	c.Key = d.name(*in.Key)
	switch {
	case in.Rev != nil:
		c.Kind, c.Revision = IfRevision, d.known(in.Rev)
	case in.Value != nil:
		if c.Kind, c.Value = IfValue, d.text(*in.Value); c.Value == "" {
			return c, errors.New(`"value" is empty: that there is none is "absent":true`)
		}
	case !*in.Absent:
		return c, errors.New(`"absent" is false: leave it out`)
	default:
		c.Kind = IfAbsent
	}
	return c, nil
}

// newerEvent reads an event that version 1 does not have, if there is one of that name.
func (d *decoder) newerEvent(at Stamp) error {
	in := &d.in
	kind := WatchKind(max(0, slices.Index(watchKinds[:], in.Event)))
	if kind < 1 && in.Event != "status" && in.Event != "expire" {
		return errors.New("there is no such event")
	}
	if err := d.needProcess(); err != nil {
		return err
	}
	client, process := d.name(in.Client), in.Proc
	switch in.Event {
	case "status":
		return d.status(at)
	case "expire":
		if in.Lease == "" {
			return errors.New(`"lease" is missing`)
		}
		d.h.Expiries = append(d.h.Expiries, Expiry{Stamp: at, Client: client, Process: process, Lease: d.name(in.Lease)})
		return nil
	}
	i, ok := d.open[in.Watch]
	if !ok || d.h.Ops[i].Kind != OpWatch {
		return fmt.Errorf(`"watch" is %d, which is no operation that started a watch`, in.Watch)
	}
	o := &d.h.Ops[i]
	switch {
	case o.Client != client || o.Process != process:
		return fmt.Errorf("watch %d is of %s, not of %s", in.Watch, who(o.Client, o.Process), who(client, process))
	case at.Seq <= o.Call.Seq:
		return fmt.Errorf("watch %d was called at event %d", in.Watch, o.Call.Seq)
	}
	if kind == WatchUpdate && len(in.Items) == 0 {
		return errors.New(`"items" is missing: an update tells of something`)
	}
	class, err := classOf("class", in.Class)
	d.h.Watched = append(d.h.Watched, WatchEvent{
		Stamp: at, Kind: kind, Client: client, Process: process, Watch: in.Watch,
		Items: d.items(), Position: d.known(in.Pos), Class: class, Err: in.Error,
	})
	return err
}

func (d *decoder) status(at Stamp) error {
	in := &d.in
	state := slices.Index(clientStates[:], in.State)
	if state < 1 {
		return fmt.Errorf(`"state" is %q, which is no state of a process`, in.State)
	}
	if in.Lag != nil && *in.Lag < 0 {
		return fmt.Errorf(`"lag" is %d: leave out what is not known`, *in.Lag)
	}
	cause, err := classOf("cause", in.Cause)
	d.h.Statuses = append(d.h.Statuses, ClientStatus{
		Stamp: at, Client: d.name(in.Client), Process: in.Proc, State: ClientState(state),
		Lag: d.known(in.Lag), Position: d.known(in.Pos), Cause: cause, Err: in.Error,
	})
	return err
}
