package sim

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/internal/fakecluster"
	"github.com/kvsim/kvsim/internal/recordlog"
)

// A fetcher sends fetch requests on one connection.
type fetcher struct {
	conn net.Conn
	out  []byte
	in   []byte
	corr int32
}

var formatter = kmsg.NewRequestFormatter(kmsg.FormatterClientID("kvsim-tap"))

// fetch waits until the log has records from an offset on, committed or not,
// and returns them.
func (f *fetcher) fetch(topic string, from int64) ([]fakecluster.Batch, error) {
	req := recordlog.NewFetch(topic, 0, from, 64<<20)
	req.MinBytes = 1
	req.MaxWaitMillis = int32(time.Hour / time.Millisecond)
	resp := kmsg.NewPtrFetchResponse()
	resp.Version = req.Version
	if err := f.exchange(req, resp); err != nil {
		return nil, err
	}
	raw, err := recordlog.Fetched(resp)
	if err != nil {
		return nil, err
	}
	batches, _, err := recordlog.Parse(raw)
	return batches, err
}

// exchange writes a request and reads its answer.
func (f *fetcher) exchange(req kmsg.Request, resp kmsg.Response) error {
	f.corr++
	f.out = formatter.AppendRequest(f.out[:0], req, f.corr)
	if _, err := f.conn.Write(f.out); err != nil {
		return err
	}
	var size [4]byte
	if _, err := io.ReadFull(f.conn, size[:]); err != nil {
		return err
	}
	f.in = slices.Grow(f.in[:0], int(binary.BigEndian.Uint32(size[:])))[:binary.BigEndian.Uint32(size[:])]
	if _, err := io.ReadFull(f.conn, f.in); err != nil {
		return err
	}
	const header = 5 // correlation id, and no tags
	if len(f.in) < header {
		return fmt.Errorf("an answer of %d bytes is too short", len(f.in))
	}
	return resp.ReadFrom(f.in[header:])
}

// writeOf returns the client part of a value id, "c2/1" of "c2/1.17".
func writeOf(id string) string {
	who, _, _ := strings.Cut(id, ".")
	return who
}
