package linearizability

import (
	"fmt"

	"github.com/anishathalye/porcupine"
)

// compare compares the findings of the two judges (J5). The log witness must find
// whatever porcupine finds, because it knows more: if it finds nothing wrong, the order
// of the log is an order that explains all operations, and porcupine must accept it.
// Conversely, porcupine must find only those violations that can be seen without the log.
// If one of them finds nothing, both findings are shown. The violation counts nevertheless:
// whoever found it has proved it.
//
// If both judges find something wrong with the same key, porcupine's finding is counted
// but not explained again.
func (j *judge) compare() []*Disagreement {
	var out []*Disagreement
	reported := map[string]bool{}
	for i, t := range j.illegal {
		switch {
		case j.x == nil:
			j.violate(j.porcupineFound[i])
		case !j.accused[t.h.key]:
			if !reported[t.h.key] {
				reported[t.h.key] = true
				out = append(out, &Disagreement{
					Key:        t.h.key,
					LogWitness: "found nothing wrong with the key",
					Porcupine:  j.porcupineFound[i].Error(),
				})
				j.violate(j.porcupineFound[i]) // what one of them proves is so
			}
		case j.charged[t.h.key]:
			j.results[t.check].Violations++
		default: // by a check that is switched off
			j.violate(j.porcupineFound[i])
		}
	}
	for _, v := range j.certain {
		if t := j.contradicts(v); t != nil && !reported[v.Key] {
			reported[v.Key] = true
			out = append(out, &Disagreement{
				Key:        v.Key,
				LogWitness: v.Error(),
				Porcupine:  fmt.Sprintf("found an order that explains all %d operations around it", len(t.ops)),
			})
		}
	}
	return out
}

// contradicts returns the piece in which porcupine would have had to find a
// violation of the log witness, and found none.
func (j *judge) contradicts(v *Violation) *task {
	for _, t := range j.tasks {
		if t.check == CheckPorcupineSession && t.h.key == v.Key && t.result == porcupine.Ok &&
			t.from <= 2*v.since && 2*v.To.Seq <= t.to {
			return t
		}
	}
	return nil
}
