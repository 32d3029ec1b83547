package kvstore

import (
	"encoding/binary"
	"errors"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/kvstore/internal/invariant"
)

// checkTry checks I15 and I17 for a try that is about to be sent: no write of the batch can
// be taken back any more, and a batch in doubt keeps its identity and was looked for at all
// places of the leader's log.
func (w *writer) checkTry(b *recordBatch, doubt bool, was sender) {
	w.queue.mu.Lock()
	defer w.queue.mu.Unlock()
	invariant.Check("I15", w.queue.handed, "a try goes out of a batch of %d records whose writes can be taken back", b.records)
	invariant.Check("I17", !doubt || b.who == was, "a batch in doubt goes as %+v, and went as %+v", b.who, was)
	invariant.Check("I17", !doubt || b.searchedAt == w.leader && b.unseen == nil, "a batch in doubt goes to %+v, searched was the log of %+v, unseen: %v", w.leader, b.searchedAt, b.unseen)
}

// checkVerdict checks I16 for a verdict: doubt stays, and what may have been appended is
// neither refused nor sent under another identity.
func checkVerdict(was, is trial, v verdict) {
	invariant.Check("I16", is.doubt || !was.doubt, "doubt is forgotten, with verdict %d", v)
	definite := v == verdictRefused || v == verdictRenew
	invariant.Check("I16", !is.doubt || !definite, "verdict %d over a batch in doubt", v)
}

// checkOutcome checks I16 for what callers are told, given the tries of the batch.
func checkOutcome(t trial, d delivered) {
	definite := errors.Is(d.outcome, ErrNotWritten) || errors.Is(d.outcome, ErrRefused)
	invariant.Check("I16", !t.doubt || !definite, "a batch in doubt ends with %v", d.outcome)
}

// checkFront checks I15: nothing is on its way when the next batch is taken from the queue.
func (w *writer) checkFront(busy bool) {
	invariant.Check("I15", busy != w.busy.Swap(busy), "busy is %v twice: two batches are on their way, or one ended twice", busy)
}

// wroteAt is the leader at which a producer id was last used, or its last batch found.
type wroteAt struct {
	id int64
	at leader
}

// checkSender checks I19 for a try that is about to be sent: another leader gets another
// producer id, unless the batch is in doubt.
func (w *writer) checkSender(b *recordBatch, doubt bool) {
	was := w.wrote.Swap(&wroteAt{b.who.id, w.leader})
	if was == nil || was.id != b.who.id || doubt {
		return
	}
	invariant.Check("I19", was.at == w.leader, "producer id %d goes to %+v, and wrote at %+v", b.who.id, w.leader, was.at)
}

// checkProduced checks I18 for a produce request of which bytes were sent: it has the batch
// of the try that was under way before that, or, if its own try was taken back, no batch.
func checkProduced(p []byte, trying *sender) {
	for _, batch := range producedBatches(p) {
		invariant.Check("I18", trying != nil, "a batch is sent while no try is under way")
		invariant.Check("I18", sentAs(batch, *trying), "a batch is sent that is not the one under way as %+v", *trying)
	}
}

// producedBatches returns the record batches of an encoded produce request with its length
// in front, nil if it can't be read.
func producedBatches(p []byte) (batches [][]byte) {
	const fixed = 4 + 2 + 2 + 4 + 2 // length, key, version, correlation id, length of the client id
	if len(p) < fixed {
		return nil
	}
	req := kmsg.NewPtrProduceRequest()
	req.Version = int16(binary.BigEndian.Uint16(p[6:]))
	body := p[fixed:]
	if n := int(int16(binary.BigEndian.Uint16(p[fixed-2:]))); n > 0 && n <= len(body) {
		body = body[n:]
	}
	if req.IsFlexible() && len(body) > 0 {
		body = body[1:] // kgo sends no tags
	}
	if req.ReadFrom(body) != nil {
		return nil
	}
	for _, t := range req.Topics {
		for _, part := range t.Partitions {
			if len(part.Records) >= batchOverhead {
				batches = append(batches, part.Records)
			}
		}
	}
	return batches
}
