package claims

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// scripted is a connection on which the other side has said all that it says. Reads return
// at most piece bytes.
type scripted struct {
	net.Conn

	says   *bytes.Reader
	piece  int
	closed bool
}

func (s *scripted) Read(p []byte) (int, error)  { return s.says.Read(p[:min(len(p), s.piece)]) }
func (s *scripted) Write(p []byte) (int, error) { return len(p), nil }
func (s *scripted) Close() error                { s.closed = true; return nil }

// frame is a request or an answer.
func frame(parts ...[]byte) []byte {
	body := bytes.Join(parts, nil)
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
}

// A dialogue is requests and the answers to them.
type dialogue struct{ requests, answers []byte }

// add adds a request, and an answer with what is behind the correlation id.
func (d *dialogue) add(key kmsg.Key, version int16, answer []byte) {
	id := binary.BigEndian.AppendUint32(nil, uint32(len(d.answers)))
	header := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, uint16(key)), uint16(version))
	d.requests = append(d.requests, frame(header, id, []byte("the rest"))...)
	d.answers = append(d.answers, frame(id, answer)...)
}

// hold sends the requests in pieces, and reads the answers to their end.
func (d *dialogue) hold(t *testing.T, piece int) (got []byte, c *scripted, err error) {
	t.Helper()
	c = &scripted{says: bytes.NewReader(d.answers), piece: piece}
	conn, err := Guard(func(context.Context, string, string) (net.Conn, error) { return c, nil })(t.Context(), "tcp", "b:1")
	if err != nil {
		t.Fatal(err)
	}
	for rest := d.requests; len(rest) > 0; rest = rest[min(piece, len(rest)):] {
		if _, err := conn.Write(rest[:min(piece, len(rest))]); err != nil {
			t.Fatal(err)
		}
	}
	got, err = io.ReadAll(conn)
	return got, c, err
}

// fetchAnswer is an answer with the records of one partition, as change makes it.
func fetchAnswer(version int16, change func(*kmsg.FetchResponse)) []byte {
	r := kmsg.NewPtrFetchResponse()
	r.SetVersion(version)
	topic := kmsg.NewFetchResponseTopic()
	topic.Topic, topic.TopicID = "kv", [16]byte{1}
	part := kmsg.NewFetchResponseTopicPartition()
	for range 70 {
		part.AbortedTransactions = append(part.AbortedTransactions, kmsg.NewFetchResponseTopicPartitionAbortedTransaction())
	}
	part.RecordBatches = make([]byte, 3*Most)
	topic.Partitions = append(topic.Partitions, part)
	r.Topics = append(r.Topics, topic)
	if change != nil {
		change(r)
	}
	var tags []byte
	if r.IsFlexible() {
		tags = []byte{1, 5, 2, 'h', 'i'}
	}
	return append(tags, r.AppendTo(nil)...)
}

// claimed is the beginning of an answer that claims aborted transactions, with zeros behind it.
func claimed(version int16, transactions, zeros int) []byte {
	empty := fetchAnswer(version, func(r *kmsg.FetchResponse) {
		r.Topics[0].Partitions[0].AbortedTransactions, r.Topics[0].Partitions[0].RecordBatches = nil, nil
	})
	const behind = 1 + 4 + 1 + 1 + 1 + 1 // transactions, replica, records, and the tags of partition, topic and answer
	return append(binary.AppendUvarint(empty[:len(empty)-behind], uint64(transactions)+1), make([]byte, zeros)...)
}

// TestHonestAnswersPass reads fetches larger than Most in every version, and small answers
// that claim anything.
func TestHonestAnswersPass(t *testing.T) {
	for version := int16(4); version <= kmsg.NewPtrFetchResponse().MaxVersion(); version++ {
		var d dialogue
		d.add(kmsg.Fetch, version, fetchAnswer(version, nil))
		d.add(kmsg.Fetch, version, fetchAnswer(version, func(r *kmsg.FetchResponse) { r.Topics = nil }))
		d.add(kmsg.Fetch, version, fetchAnswer(version, func(r *kmsg.FetchResponse) { r.Topics[0].Partitions[0].RecordBatches = nil }))
		d.add(kmsg.Fetch, version, fetchAnswer(version, func(r *kmsg.FetchResponse) { r.Topics[0].Partitions[0].AbortedTransactions = nil }))
		d.add(kmsg.Fetch, version, fetchAnswer(version, func(r *kmsg.FetchResponse) {
			r.Topics[0].Partitions[0].AbortedTransactions = make([]kmsg.FetchResponseTopicPartitionAbortedTransaction, 3*Most/80)
		}))
		d.add(kmsg.Metadata, 12, []byte(strings.Repeat("\xff", 1000)))
		d.add(kmsg.Fetch, version, []byte(strings.Repeat("\xff", 1000)))
		d.answers = append(d.answers, frame(nil)...)
		d.answers = append(d.answers, frame([]byte("x"))...)
		d.answers = append(d.answers, frame([]byte("a login of old brokers"))...)
		for _, piece := range []int{5, 4096, 1 << 20} {
			got, _, err := d.hold(t, piece)
			if err != nil || !bytes.Equal(got, d.answers) {
				t.Fatalf("version %d in pieces of %d: %d of %d bytes, %v", version, piece, len(got), len(d.answers), err)
			}
		}
	}
}

// TestClaimsAreRefused reads answers for which franz-go would make room by what they claim.
func TestClaimsAreRefused(t *testing.T) {
	const version = 16
	large := make([]byte, Most)
	for name, tc := range map[string]struct {
		key    kmsg.Key
		answer []byte
		reason string
	}{
		"metadata": {kmsg.Metadata, large, "an answer to Metadata has 524292 bytes, and more than 524288 are not read"},
		"produce":  {kmsg.Produce, large, "an answer to Produce has 524292 bytes"},
		"versions": {kmsg.ApiVersions, large, "an answer to ApiVersions has 524292 bytes"},
		"topics": {kmsg.Fetch, fetchAnswer(version, func(r *kmsg.FetchResponse) {
			r.Topics = append(r.Topics, r.Topics[0])
		}), "2 topics, and one was asked for"},
		"partitions": {kmsg.Fetch, fetchAnswer(version, func(r *kmsg.FetchResponse) {
			p := &r.Topics[0].Partitions
			*p = append(*p, (*p)[0])
		}), "2 partitions, and one was asked for"},
		"brokers": {kmsg.Fetch, fetchAnswer(version, func(r *kmsg.FetchResponse) {
			r.Brokers = make([]kmsg.FetchResponseBroker, Most/6)
		}), "bytes behind the records"},
		"aborted transactions": {kmsg.Fetch, fetchAnswer(version, func(r *kmsg.FetchResponse) {
			p := &r.Topics[0].Partitions[0]
			p.AbortedTransactions = make([]kmsg.FetchResponseTopicPartitionAbortedTransaction, Most/10)
			p.RecordBatches = nil
		}), "52428 aborted transactions, and one of 891350 bytes has "},
		"claimed transactions": {kmsg.Fetch, claimed(version, 3*Most, 3*Most), "1572864 aborted transactions, and one of 1572"},
		"tags":                 {kmsg.Fetch, append(append([]byte{1, 5}, binary.AppendUvarint(nil, 2*Most)...), make([]byte, 3*Most)...), "bytes of tags"},
		"many tags":            {kmsg.Fetch, append([]byte{0xff, 0xff, 0x7f}, make([]byte, 2*Most)...), "bytes of tags"},
		"tags of a transaction": {kmsg.Fetch, fetchAnswer(version, func(r *kmsg.FetchResponse) {
			r.Topics[0].Partitions[0].AbortedTransactions[7].UnknownTags.Set(9, make([]byte, Most))
		}), "bytes of tags"},
		"no field": {kmsg.Fetch, append([]byte{0xff, 0xff, 0xff, 0xff, 0x7f}, make([]byte, 4*Most)...), "no records in the first 1835008 of 2097157 bytes"},
		"no topic": {kmsg.Fetch, append(fetchAnswer(version, func(r *kmsg.FetchResponse) { r.Topics = nil }), make([]byte, Most)...), "bytes behind the records"},
	} {
		for _, piece := range []int{3, 4096} {
			var d dialogue
			d.add(kmsg.Fetch, version, fetchAnswer(version, nil))
			honest := len(d.answers)
			d.add(tc.key, version, tc.answer)
			got, c, err := d.hold(t, piece)
			if err == nil || !strings.Contains(err.Error(), tc.reason) || !c.closed {
				t.Errorf("%s in pieces of %d: %v, closed: %v; want %q", name, piece, err, c.closed, tc.reason)
			}
			if len(got) < honest-4096 || tc.key != kmsg.Fetch && len(got) > honest {
				t.Errorf("%s in pieces of %d: %d bytes are passed on, and %d are honest", name, piece, len(got), honest)
			}
		}
	}
}

// What is kept to look at an answer is a part of it, whatever it claims.
func TestLooksKeepAPartOfAnAnswer(t *testing.T) {
	const version, size = 16, 64 << 20
	g := &guarded{asked: map[int32]question{0: {kmsg.Fetch, version}}}
	g.in.look = g.answer
	answer := frame(make([]byte, 4), claimed(version, size, size))
	for most := 0; len(answer) > 0; answer = answer[min(1<<16, len(answer)):] {
		if err := g.in.see(answer[:min(1<<16, len(answer))]); err != nil {
			return
		}
		if most = max(most, cap(g.in.frame)); most > 2*(Most+size/8) {
			t.Fatalf("%d bytes are kept of an answer of %d", most, size)
		}
	}
	t.Error("nothing was refused")
}
