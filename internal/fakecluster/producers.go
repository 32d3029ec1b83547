package fakecluster

import (
	"math"
	"slices"
)

// producer is what a broker knows about an idempotent producer on a partition: its last batches,
// by which it recognises duplicates. Kafka rebuilds this from the log after a crash. kfake does
// not, so it is written into the image that kfake starts from (see image.go).
type producer struct {
	epoch int16
	last  []sequences // at most 5, oldest first
}

// sequences has the sequence numbers and offsets of one batch.
type sequences struct {
	first, next int32
	offset      int64
}

const keptBatches = 5 // as many as Kafka and kfake keep

// track notes a batch of the log.
func (p *part) track(b *Batch) {
	if b.ProducerID < 0 || b.Control {
		return
	}
	pr := p.producers[b.ProducerID]
	if pr == nil {
		pr = new(producer)
		p.producers[b.ProducerID] = pr
	}
	if pr.epoch != b.ProducerEpoch {
		pr.epoch, pr.last = b.ProducerEpoch, nil
	}
	n := b.LastOffset - b.FirstOffset + 1
	pr.last = append(pr.last, sequences{
		first:  b.FirstSequence,
		next:   int32((int64(b.FirstSequence) + n) % math.MaxInt32),
		offset: b.FirstOffset,
	})
	if len(pr.last) > keptBatches {
		pr.last = pr.last[1:]
	}
}

// knownBefore returns what was known about the producers when the log ended at an offset, as far
// as that is remembered.
func (p *part) knownBefore(end int64) map[int64]*producer {
	out := make(map[int64]*producer, len(p.producers))
	for id, pr := range p.producers {
		out[id] = &producer{pr.epoch, slices.Clone(pr.last)}
	}
	past := part{producers: out}
	past.forget(end)
	return out
}

// forget drops what is known about batches at an offset and above.
func (p *part) forget(from int64) {
	for id, pr := range p.producers {
		for len(pr.last) > 0 && pr.last[len(pr.last)-1].offset >= from {
			pr.last = pr.last[:len(pr.last)-1]
		}
		if len(pr.last) == 0 {
			delete(p.producers, id)
		}
	}
}
