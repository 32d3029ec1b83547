package sim

import (
	"fmt"
	"regexp"
	"strconv"

	lin "github.com/kvsim/kvsim/linearizability"
)

// unseenName is the name of the reason when a write ended as unknown for records that matter to it
// no more.
const unseenName = "unknown-for-what-it-may-have-been"

// compactedAway is what a write says that can't be proved not to be in the log.
var compactedAway = regexp.MustCompile(`the log does not have all offsets any more at which the write may have been appended: (\d+) were compacted away from offset (\d+) on`)

// needlessly returns a sentence for each write that ended as unknown because compaction had removed
// records where it can't have been: below what its process had read, and what losses had left of
// that.
func needlessly(h *lin.History) (out []string) {
	for i := range h.Ops {
		o := &h.Ops[i]
		said := compactedAway.FindStringSubmatch(o.Err)
		if o.Outcome != lin.Unknown || said == nil {
			continue
		}
		missing, _ := strconv.ParseInt(said[1], 10, 64)
		at, _ := strconv.ParseInt(said[2], 10, 64)
		if least := readBefore(h, o); at+missing <= least {
			out = append(out, fmt.Sprintf("a %v of %s that was called at %v ended as unknown at %v, because %d records were compacted away from offset %d on, but its client had read the log up to %d", o.Kind, o.Client, o.Call.Time, o.Return.Time, missing, at, least))
		}
	}
	return out
}

// readBefore returns how far a process had read the log for certain when an operation was called, of
// what was left of it until the operation returned.
func readBefore(h *lin.History, o *lin.Operation) (at int64) {
	begun := o.Call.Seq
	for i := range h.Ops {
		if other := &h.Ops[i]; other.Client == o.Client && other.Process == o.Process {
			begun = min(begun, other.Call.Seq)
			if other.Outcome == lin.OK && other.Return.Seq < o.Call.Seq {
				at = max(at, other.Position)
			}
		}
	}
	for i := range h.Log {
		switch l := &h.Log[i]; {
		case l.Seq < begun || l.Seq > o.Return.Seq:
		case l.Kind == lin.LogTruncate:
			at = min(at, l.Offset)
		case l.Kind == lin.LogRecreate:
			return 0
		}
	}
	return at
}
