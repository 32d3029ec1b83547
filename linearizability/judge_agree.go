package linearizability

import (
	"fmt"
	"sort"

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
		case j.x == nil, j.stopped && !j.accused[t.h.key]:
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
	byKey := map[string][]*task{}
	for _, t := range j.tasks {
		if t.check == CheckPorcupineSession && t.result == porcupine.Ok {
			byKey[t.h.key] = append(byKey[t.h.key], t)
		}
	}
	for _, v := range j.certain {
		if t := contradicts(byKey[v.Key], v); t != nil && !reported[v.Key] {
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

// contradicts returns the piece of a key in which porcupine would have had to find a
// violation of the log witness, and found none.
//
// The pieces are ascending in time and do not overlap, so only the last one that begins early
// enough can be it.
func contradicts(pieces []*task, v *Violation) *task {
	n := sort.Search(len(pieces), func(i int) bool { return pieces[i].from > 2*v.since })
	if n > 0 && 2*v.To.Seq <= pieces[n-1].to {
		return pieces[n-1]
	}
	return nil
}
