package linearizability

import "time"

// positive writes a time or a duration unless it is 0, which stands for one that is not
// known.
func (e *encoder) positive(name string, d time.Duration) {
	if d != 0 {
		e.int(name, int64(d))
	}
}

// details writes what only version 2 says of a call.
func (e *encoder) details(o *Operation) {
	d := o.Details
	if d == nil {
		return
	}
	has := callFields[o.Kind].of(FormatVersion)
	if has&fields("if") != 0 {
		e.conditions(d.If)
	}
	if has&fields("at") != 0 {
		e.known("at", d.At)
	}
	if has&fields("storage") != 0 {
		e.some("storage", d.Storage)
	}
	if has&fields("from") != 0 {
		e.known("from", d.From)
	}
	if has&fields("lease") != 0 {
		e.some("lease", d.Lease)
	}
	if has&fields("ttl") != 0 {
		e.positive("ttl", d.TTL)
	}
}

func (e *encoder) conditions(all []Condition) {
	if len(all) == 0 {
		return
	}
	e.name("if")
	e.buf = append(e.buf, '[')
	for i, c := range all {
		if i > 0 {
			e.buf = append(e.buf, ',')
		}
		from := len(e.buf)
		switch c.Kind {
		case IfRevision:
			e.text("key", c.Key)
			e.int("rev", c.Revision)
		case IfValue:
			e.text("key", c.Key)
			e.text("value", c.Value)
		case IfAbsent:
			e.text("key", c.Key)
			e.flag("absent", true)
		case IfUnchanged:
			e.some("start", c.Start)
			e.some("end", c.End)
			e.int("pos", c.Position)
		default:
			e.text("key", c.Key)
		}
		e.buf[from] = '{' // in place of the comma before the first name
		e.buf = append(e.buf, '}')
	}
	e.buf = append(e.buf, ']')
}

func (e *encoder) status(s *ClientStatus) []byte {
	e.by(s.Client, s.Process, s.Stamp, "status")
	e.text("state", s.State.String())
	e.known("lag", s.Lag)
	e.known("pos", s.Position)
	e.some("cause", s.Cause.String())
	e.prose("error", s.Err)
	return e.end()
}

func (e *encoder) watched(w *WatchEvent) []byte {
	e.by(w.Client, w.Process, w.Stamp, w.Kind.String())
	e.int("watch", w.Watch)
	if w.Kind == WatchEnd {
		e.some("class", w.Class.String())
		e.prose("error", w.Err)
		return e.end()
	}
	e.items(w.Items)
	e.known("pos", w.Position)
	return e.end()
}

func (e *encoder) expiry(x *Expiry) []byte {
	e.by(x.Client, x.Process, x.Stamp, "expire")
	e.text("lease", x.Lease)
	return e.end()
}
