package realkafka_test

import (
	"fmt"
	"strings"

	"github.com/kvsim/kvsim/kvstoretest/realkafka"
)

func batchText(b realkafka.Batch) string {
	if commit, ok := b.Marker(); ok {
		if commit {
			return fmt.Sprintf("%d:commit", b.FirstOffset)
		}
		return fmt.Sprintf("%d:abort", b.FirstOffset)
	}
	if len(b.Records) == 0 {
		return fmt.Sprintf("%d:empty", b.LastOffset)
	}
	var out []string
	for _, r := range b.Records {
		s := fmt.Sprintf("%d:%s", r.Offset, r.Key)
		if r.Value != nil {
			s += "=" + string(r.Value)
		}
		out = append(out, s)
	}
	return strings.Join(out, ",")
}
