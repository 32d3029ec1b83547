package linearizability

import (
	"fmt"
	"strings"

	"github.com/anishathalye/porcupine"
)

// undetermined is the state of a register at the start of a piece: any value that may
// have been the last before the piece.
const undetermined = int32(-1)

// register returns the model of a register and the operations of the piece in the
// form that it takes. A read of a register returns the value of the last write.
func (p *piece) register(steps *stepCounter) (porcupine.Model, []porcupine.Operation) {
	ops := make([]porcupine.Operation, len(p.ops))
	for i := range p.ops {
		o := &p.ops[i]
		ops[i] = porcupine.Operation{ClientId: int(o.proc), Input: o, Call: o.call, Return: o.ret}
	}
	model := porcupine.Model{
		Init: func() any { return undetermined },
		Step: func(state, input, _ any) (bool, any) {
			o, ok := input.(*keyOp)
			switch {
			case !ok || !steps.next():
				return false, state
			case o.kind == keyWrite:
				return true, o.value
			case state == undetermined:
				return p.maybeLast(o.value), o.value
			}
			return state == o.value, state
		},
		DescribeOperation: func(input, _ any) string { return p.describe(input) },
		DescribeState: func(state any) string {
			if value, ok := state.(int32); ok {
				return escape(p.valueName(value))
			}
			return ""
		},
	}
	return model, ops
}

// describe describes an operation for porcupine's picture.
func (p *piece) describe(input any) string {
	switch o := input.(type) {
	case *keyOp:
		return p.describeOp(o)
	case *sessionOp:
		if o.kind == keyAck {
			return "acknowledged: " + p.describeOp(o.of)
		}
		return p.describeOp(o.of)
	}
	return fmt.Sprint(input)
}

func (p *piece) describeOp(o *keyOp) string {
	who := fmt.Sprintf("%s/%d: ", p.h.procs[o.proc].client, p.h.procs[o.proc].number)
	switch {
	case o.kind == keyRead:
		return who + "get = " + p.valueName(o.value)
	case o.value == 0:
		return who + "delete"
	}
	return who + "put " + p.valueName(o.value)
}

func (p *piece) valueName(value int32) string {
	if value == undetermined {
		return "any value of before"
	}
	return valueName(p.h.values[value])
}

// escape escapes a text for porcupine's pictures, which treat descriptions of states
// as HTML.
func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#39;").Replace(s)
}
