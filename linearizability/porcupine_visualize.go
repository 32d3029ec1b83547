package linearizability

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/anishathalye/porcupine"
)

// explainPiece explains that a piece has no legal order.
func (j *judge) explainPiece(t *task) *Violation {
	o := j.op(t.op)
	v := &Violation{
		Check: t.check, Client: o.Client, Process: o.Process, Key: t.h.key, Ops: []int64{o.ID},
		From: o.Call, To: o.Return, Evidence: []string{o.String()},
	}
	what := "no order of the writes to key %s explains %s with what its process had seen before"
	if t.check == CheckPorcupineKey {
		what = "no order of the writes to key %s and the barrier reads of it explains %s"
	}
	v.Reason = fmt.Sprintf(what, quote(t.h.key), o.call()+" = "+valueName(o.Value))
	for _, k := range t.around(t.op) {
		if w := j.op(k.op); w.ID != o.ID {
			v.Ops = append(v.Ops, w.ID)
			v.Evidence = append(v.Evidence, w.String())
			if w.Call.Seq < v.From.Seq {
				v.From = w.Call
			}
		}
	}
	return v
}

// around returns the last writes that were called before the operation returned, and
// a read that its process had made before it.
func (t *task) around(op int32) []keyOp {
	var writes []keyOp
	var before, self *keyOp
	for i := range t.ops {
		o := &t.ops[i]
		if o.op == op {
			self = o
		}
	}
	for i := range t.ops {
		o := &t.ops[i]
		switch {
		case o.kind == keyWrite && o.call < self.ret:
			writes = append(writes, *o)
		case o.kind == keyRead && o.proc == self.proc && o.ret < self.call:
			before = o
		}
	}
	slices.SortStableFunc(writes, func(a, b keyOp) int { return cmp.Compare(a.call, b.call) })
	writes = writes[max(0, len(writes)-5):]
	if before != nil {
		writes = append(writes, *before)
	}
	return writes
}

// VisualizeKey writes porcupine's picture of one key's history to w, as an HTML page. It
// shows the first piece in which porcupine found a violation, or else the first piece. It
// returns an error if no get read the key.
func VisualizeKey(w io.Writer, h *History, key string, opts Options) error {
	if unknown := h.notJudged(); len(unknown) > 0 {
		return fmt.Errorf("visualize key %s: the judges do not know %s", quote(key), strings.Join(unknown, ", "))
	}
	j := newJudge(h, opts)
	j.events = j.opEvents()
	for _, k := range j.keyHistories() {
		if k.key != key {
			continue
		}
		popts := opts.Porcupine.withDefaults(len(h.Ops))
		var show *task
		add := func(check CheckID, pieces []*piece) {
			for _, p := range pieces {
				t := &task{piece: p, check: check, op: -1}
				if t.run(j.ctx, popts); show == nil || (t.result == porcupine.Illegal && show.result != porcupine.Illegal) {
					show = t
				}
			}
		}
		add(CheckPorcupineSession, k.split(popts, false))
		add(CheckPorcupineKey, k.split(popts, true))
		steps := &stepCounter{ctx: j.ctx, left: popts.MaxSteps}
		model, ops := show.model(show.piece, steps)
		_, info := porcupine.CheckOperationsVerbose(model, ops, popts.Timeout)
		// To draw the result, porcupine repeats steps of the search. There are no
		// more of them than before, and none of them may be refused.
		steps.left, steps.off = math.MaxInt, false
		if err := porcupine.Visualize(model, info, w); err != nil {
			return fmt.Errorf("visualize key %s: %w", quote(key), err)
		}
		return nil
	}
	return fmt.Errorf("visualize key %s: no get read it", quote(key))
}
