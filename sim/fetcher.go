package sim

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
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
	req := kmsg.NewPtrFetchRequest()
	req.Version = 12 // the last one that names topics
	req.ReplicaID = -1
	req.SessionEpoch = -1
	req.MinBytes = 1
	req.MaxBytes = 64 << 20
	req.MaxWaitMillis = int32(time.Hour / time.Millisecond)
	rt := kmsg.NewFetchRequestTopic()
	rt.Topic = topic
	rp := kmsg.NewFetchRequestTopicPartition()
	rp.FetchOffset = from
	rp.CurrentLeaderEpoch = -1
	rp.PartitionMaxBytes = 64 << 20
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	resp := kmsg.NewPtrFetchResponse()
	resp.Version = req.Version
	if err := f.exchange(req, resp); err != nil {
		return nil, err
	}
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return nil, err
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return nil, fmt.Errorf("the answer to a fetch is without the partition")
	}
	p := &resp.Topics[0].Partitions[0]
	if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
		return nil, err
	}
	batches, _, err := recordlog.Parse(p.RecordBatches)
	for i := range batches {
		err = cmp.Or(err, batches[i].Unreadable)
	}
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
