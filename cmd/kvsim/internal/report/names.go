package report

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	lin "github.com/kvsim/kvsim/linearizability"
)

// clientsOf returns all clients, c2 before c10. A reader of the log that has only a snapshot is no
// client.
func clientsOf(h *lin.History) []string {
	seen := map[string]bool{}
	for i := range h.Ops {
		seen[h.Ops[i].Client] = true
	}
	for i := range h.Hooks {
		seen[h.Hooks[i].Client] = true
	}
	for i := range h.Statuses {
		seen[h.Statuses[i].Client] = true
	}
	return slices.SortedFunc(maps.Keys(seen), compareNames)
}

// compareNames orders names with a number at their end by that number.
func compareNames(a, b string) int {
	headA, headB := strings.TrimRight(a, "0123456789"), strings.TrimRight(b, "0123456789")
	if headA != headB {
		return cmp.Compare(a, b)
	}
	return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
}

// keysOf returns all keys in the order of their bytes.
func keysOf(h *lin.History) []string {
	seen := map[string]bool{}
	items := func(list []lin.Item) {
		for _, it := range list {
			seen[it.Key] = true
		}
	}
	for i := range h.Ops {
		o := &h.Ops[i]
		switch o.Kind {
		case lin.OpPut, lin.OpDelete, lin.OpGet:
			seen[o.Key] = true
		default:
			items(o.Items)
		}
	}
	for i := range h.Log {
		if key := h.Log[i].Key; key != "" {
			seen[key] = true
		}
	}
	for i := range h.Hooks {
		seen[h.Hooks[i].Key] = true
	}
	for i := range h.Snapshots {
		items(h.Snapshots[i].Items)
	}
	for i := range h.Watched {
		items(h.Watched[i].Items)
	}
	return slices.Sorted(maps.Keys(seen))
}

// endOf returns the point of the last event.
func endOf(h *lin.History) point {
	end := point{Time: int64(h.Duration())}
	for s := range h.Stamps() {
		end.Seq = max(end.Seq, s.Seq)
	}
	return end
}
