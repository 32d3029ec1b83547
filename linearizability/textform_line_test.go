package linearizability_test

import (
	"fmt"
	"strings"

	lin "github.com/kvsim/kvsim/linearizability"
)

// line reads an event in the format of files, for what has no form of its own.
func (p *textParser) line(text string) error {
	n := int64(len(p.lines) + 1)
	// Those before it are read again: an update belongs to a watch.
	p.lines = append(p.lines, fmt.Sprintf(`{"seq":%d,%s`, n, text[1:]))
	h, err := lin.ReadHistory(strings.NewReader(`{"kvsim_history":2}` + "\n" + strings.Join(p.lines, "\n") + "\n"))
	if err != nil {
		return err
	}
	for _, o := range h.Ops {
		if o.Call.Seq == n {
			p.calls[fmt.Sprint("o", o.ID)] = &textCall{p.r.Begin(o), o}
		}
	}
	for _, l := range h.Log {
		if l.Seq == n {
			p.r.Append(l.Record) // the others have a form
		}
	}
	for _, s := range h.Statuses {
		if s.Seq == n {
			p.r.Status(s)
		}
	}
	for _, w := range h.Watched {
		if w.Seq == n {
			p.r.Watched(w)
		}
	}
	for _, x := range h.Expiries {
		if x.Seq == n {
			p.r.Expire(x)
		}
	}
	return nil
}

// classNamed returns the class of errors with a name.
func classNamed(name string) (lin.ErrorClass, error) {
	for c := lin.ErrorNone + 1; c <= lin.ErrorOther; c++ {
		if c.String() == name {
			return c, nil
		}
	}
	return lin.ErrorNone, fmt.Errorf("no class %q", name)
}
