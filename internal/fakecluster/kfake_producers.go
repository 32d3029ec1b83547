package fakecluster

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// kfake remembers idempotent producers forever. Kafka forgets a producer that has written
// nothing to a partition for producer.id.expiration.ms (a day), and whatever it knew from a
// tail of the log that was lost. Other brokers that speak its protocol forget more. After
// that, Kafka takes the producer's next batch whatever its sequence number, even if it is a
// duplicate. Brokers before Kafka 2.5, and some others, refuse it unless its sequence starts
// at 0.
//
// kfake can't be made to forget. But it takes the first batch of a producer id that it has not
// seen, as Kafka does. So the batches of a forgotten producer get another id, an alias.
// [Cluster.ReadLog], [Tap] and the answers to clients show the id that the alias stands for.
// Producers with transactions are never forgotten, because the coordinator has their state too.

// ForgetMode says what a broker does with the next batch of a producer that it
// has forgotten.
type ForgetMode int

const (
	// ForgetAndAccept takes the batch whatever its sequence number, as Kafka does
	// from 2.5 on. A duplicate is appended again, without an error.
	ForgetAndAccept ForgetMode = iota
	// ForgetAndRefuse answers OUT_OF_ORDER_SEQUENCE_NUMBER until the producer
	// starts a new sequence.
	ForgetAndRefuse
	// ForgetAndDeny is like ForgetAndRefuse, but answers UNKNOWN_PRODUCER_ID.
	ForgetAndDeny
)

func (m ForgetMode) String() string {
	switch m {
	case ForgetAndAccept:
		return "accept"
	case ForgetAndRefuse:
		return "refuse"
	case ForgetAndDeny:
		return "deny"
	}
	return fmt.Sprintf("ForgetMode(%d)", int(m))
}

// Forget says which producers are forgotten.
type Forget struct {
	Topic string // Topic limits it to a topic; empty means all.
	Mode  ForgetMode
	// AtElections says to forget producers at every later election of a leader,
	// instead of immediately.
	AtElections bool
}

// seenProducer is what is known about a producer on a partition.
type seenProducer struct {
	forgot *forgetting // the last forgetting that has been applied to it
	alias  int64       // 0 means none
	last   time.Time   // when its last batch came
}

// forgetting is one occasion on which producers were forgotten.
type forgetting struct {
	rule *rule
	mode ForgetMode
}

// ForgetProducers makes the brokers forget the producers of partitions. Hits counts the
// batches that the brokers refused, or took, because they had forgotten the producer. It also
// counts the elections at which they forgot a producer that they knew, since a client may use
// a new producer for each leader. Undo ends the refusals and the forgetting at elections. What
// has been forgotten stays forgotten.
func (c *Cluster) ForgetProducers(f Forget) (Effect, error) {
	if f.Mode < ForgetAndAccept || f.Mode > ForgetAndDeny {
		return nil, fmt.Errorf("fakecluster: forget producers: there is no mode %d", f.Mode)
	}
	r := &rule{forget: &f}
	if err := c.add(r, 0); err != nil {
		return nil, err
	}
	if f.AtElections {
		return r, nil
	}
	c.stateMu.Lock()
	defer c.stateMu.Unlock()
	for tp, p := range c.parts {
		if f.Topic == "" || tp.topic == f.Topic {
			p.forgot = &forgetting{r, f.Mode}
		}
	}
	return r, nil
}

// forgetAtElection is called at each election. The caller holds stateMu.
func (c *Cluster) forgetAtElection(tp partition, p *part) {
	for _, r := range c.rules {
		if f := r.forget; f != nil && f.AtElections && !r.Over() && (f.Topic == "" || f.Topic == tp.topic) {
			if p.remembers() {
				r.take()
			}
			p.forgot = &forgetting{r, f.Mode}
		}
	}
}

// remembers reports whether the partition has a producer that has not been forgotten since
// it last wrote. The caller holds stateMu.
func (p *part) remembers() bool {
	for _, s := range p.seen {
		if s.forgot == p.forgot {
			return true
		}
	}
	return false
}

// forgotten returns the producers that a partition has forgotten and that have not written
// since.
func (c *Cluster) forgotten(p *part) map[int64]bool {
	c.stateMu.Lock()
	defer c.stateMu.Unlock()
	out := make(map[int64]bool)
	for id, s := range p.seen {
		if s.forgot != p.forgot {
			out[id] = true
		}
	}
	return out
}

// checkProducers looks at the producer of each batch.
func (c *Cluster) checkProducers(_ *kfake.Cluster, req kmsg.Request) (kmsg.Response, error, bool) { //nolint:revive // as in kfake
	pr := req.(*kmsg.ProduceRequest)
	if pr.TransactionID != nil {
		return nil, nil, false
	}
	errs := make(map[[2]int]*kerr.Error)
	c.stateMu.Lock()
	for i := range pr.Topics {
		t := &pr.Topics[i]
		name := cmp.Or(t.Topic, c.topics[t.TopicID])
		for j := range t.Partitions {
			p := c.parts[partition{name, t.Partitions[j].Partition}]
			if p == nil {
				continue
			}
			if e := c.checkProducer(p, &t.Partitions[j].Records); e != nil {
				errs[[2]int{i, j}] = e
			}
		}
	}
	c.stateMu.Unlock()
	if len(errs) == 0 {
		return nil, nil, false
	}
	return refuseSome(pr, func(i, j int) *kerr.Error { return errs[[2]int{i, j}] })
}

// Positions in the bytes of a batch.
const (
	batchHeaderBytes = 61
	atProducerID     = 43
	atFirstSequence  = 53
)

// checkProducer refuses a batch, or gives it an alias.
func (c *Cluster) checkProducer(p *part, records *[]byte) *kerr.Error {
	if len(*records) < batchHeaderBytes {
		return nil
	}
	id := int64(binary.BigEndian.Uint64((*records)[atProducerID:]))
	if id < 0 {
		return nil
	}
	now := time.Now()
	s := p.seen[id]
	if s == nil {
		if p.seen == nil {
			p.seen = make(map[int64]*seenProducer)
		}
		s = &seenProducer{forgot: p.forgot, last: now}
		p.seen[id] = s
	}
	if s.forgot != p.forgot {
		f := p.forgot
		if binary.BigEndian.Uint32((*records)[atFirstSequence:]) != 0 && f.mode != ForgetAndAccept && f.rule.take() {
			if f.mode == ForgetAndDeny {
				return kerr.UnknownProducerID
			}
			return kerr.OutOfOrderSequenceNumber
		}
		f.rule.take()
		s.forgot, s.alias = f, c.newAlias(id)
	}
	if now.Sub(s.last) > c.producerExpiry() {
		s.alias = c.newAlias(id)
	}
	s.last = now
	if s.alias != 0 {
		*records = setProducer(*records, s.alias)
	}
	return nil
}

// producerExpiry returns Kafka's producer.id.expiration.ms.
func (c *Cluster) producerExpiry() time.Duration {
	return c.brokerTime("producer.id.expiration.ms", 24*time.Hour)
}

// firstAlias is the first alias. kfake draws ids of 63 random bits, so they are unlikely to
// be among the few aliases of a cluster.
const firstAlias = 1<<62 | 0x6b76616c696173<<4

// newAlias returns a new alias for a producer id. The caller holds stateMu.
func (c *Cluster) newAlias(id int64) int64 {
	alias := firstAlias + int64(len(c.aliases)) + 1
	c.aliases[alias] = id
	return alias
}

// trueID returns the id that an alias stands for. The caller holds stateMu.
func (c *Cluster) trueID(id int64) int64 {
	if of, ok := c.aliases[id]; ok {
		return of
	}
	return id
}

// unalias gives batches with an alias the producer's own id.
func (c *Cluster) unalias(batches []Batch) {
	c.stateMu.Lock()
	defer c.stateMu.Unlock()
	for i := range batches {
		batches[i].ProducerID = c.trueID(batches[i].ProducerID)
	}
}
