package sim

import (
	"fmt"
	"testing"
	"time"

	lin "github.com/kvsim/kvsim/linearizability"
)

// A write that ended as unknown because compaction had removed records is accused if these are below
// what its process had read, and below what losses have left of that.
func TestWriteIsUnknownForWhatItMayHaveBeenOnly(t *testing.T) {
	const position = 10
	for name, tc := range map[string]struct {
		at    int64 // where compaction removed two records
		cut   int64 // not 0: where a loss ends the log meanwhile
		again bool  // the topic was created again
		want  int
	}{
		"far below":                          {at: 3, want: 1},
		"just below":                         {at: 8, want: 1},
		"partly behind":                      {at: 9},
		"behind":                             {at: 10},
		"below a loss":                       {at: 3, cut: 5, want: 1},
		"where a loss was":                   {at: 4, cut: 5},
		"above a loss, below what was known": {at: 6, cut: 5},
		"in another topic":                   {at: 3, again: true},
	} {
		t.Run(name, func(t *testing.T) {
			now := time.Duration(0)
			r := lin.NewRecorder(func() time.Duration { now++; return now }, lin.RecorderOptions{})
			op := lin.Operation{Client: "c1", Process: 1, Kind: lin.OpPut, Key: "a", Value: "v1"}
			r.Begin(lin.Operation{Client: "c1", Process: 1, Kind: lin.OpSync}).Position(position).OK()
			r.Begin(lin.Operation{Client: "c2", Process: 1, Kind: lin.OpSync}).Position(2 * position).OK()
			call := r.Begin(op)
			if tc.cut > 0 {
				r.Truncate(tc.cut)
			}
			if tc.again {
				r.Recreate()
			}
			call.Unknown(fmt.Errorf("put: the log does not have all offsets any more at which the write may have been appended: 2 were compacted away from offset %d on", tc.at))
			r.Begin(op).Unknown(fmt.Errorf("something else"))
			if got := needlessly(r.History()); len(got) != tc.want {
				t.Errorf("found %q, want %d", got, tc.want)
			}
		})
	}
}
