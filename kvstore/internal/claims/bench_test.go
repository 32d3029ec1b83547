package claims

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// BenchmarkAnswer sends a request and reads its answer as franz-go does, through a guarded
// connection and without the guard. Nothing but copying is done besides.
func BenchmarkAnswer(b *testing.B) {
	for name, answer := range map[string]struct {
		key  kmsg.Key
		body []byte
	}{
		"metadata=1KiB": {kmsg.Metadata, make([]byte, 1<<10)},
		"fetch=100KiB":  {kmsg.Fetch, fetchAnswer(16, func(r *kmsg.FetchResponse) { records(r, 100<<10) })},
		"fetch=2MiB":    {kmsg.Fetch, fetchAnswer(16, func(r *kmsg.FetchResponse) { records(r, 2<<20) })},
	} {
		for _, guarded := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/guarded=%t", name, guarded), func(b *testing.B) {
				var d dialogue
				d.add(answer.key, 16, answer.body)
				c := &scripted{says: bytes.NewReader(nil), piece: 64 << 10}
				dial := func(context.Context, string, string) (net.Conn, error) { return c, nil }
				if guarded {
					dial = Guard(dial)
				}
				conn, err := dial(b.Context(), "tcp", "b:1")
				if err != nil {
					b.Fatal(err)
				}
				r, got := bufio.NewReader(conn), make([]byte, len(d.answers))
				b.ReportAllocs()
				for b.Loop() {
					c.says.Reset(d.answers)
					if _, err := conn.Write(d.requests); err != nil {
						b.Fatal(err)
					}
					for _, part := range [][]byte{got[:4], got[4:]} {
						if _, err := io.ReadFull(r, part); err != nil {
							b.Fatal(err)
						}
					}
				}
			})
		}
	}
}

// records makes an answer one with so many bytes of records.
func records(r *kmsg.FetchResponse, size int) {
	p := &r.Topics[0].Partitions[0]
	p.AbortedTransactions, p.RecordBatches = nil, make([]byte, size)
}
