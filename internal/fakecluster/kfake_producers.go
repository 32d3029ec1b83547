package fakecluster

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// kfake remembers an idempotent producer forever. Kafka forgets one that wrote
// nothing to a partition for producer.id.expiration.ms, a day, and whatever a
// lost tail took with it; other brokers that speak its protocol forget more.
// The next batch of a producer that is forgotten is taken, whatever its
// sequence number: also a duplicate. Brokers before Kafka 2.5, and some others,
// refuse it unless its sequence begins at 0.
//
// kfake can't be made to forget. It knows nothing of a producer id that it has
// not seen, though, and takes its first batch as Kafka does. So a producer that
// was forgotten gets another id in its batches, an alias, which [Cluster.ReadLog],
// [Tap] and the answers to clients show as the id that it stands for. Producers with transactions are
// left alone: their state is in the coordinator too.

// ForgetMode says what a broker does with the next batch of a producer that it
// has forgotten.
type ForgetMode int

const (
	// ForgetAndAccept takes it, whatever its sequence number, as Kafka does
	// from 2.5 on. A duplicate is appended again, without an error.
	ForgetAndAccept ForgetMode = iota
	// ForgetAndRefuse answers OUT_OF_ORDER_SEQUENCE_NUMBER until the producer
	// begins a new sequence.
	ForgetAndRefuse
	// ForgetAndDeny is ForgetAndRefuse with UNKNOWN_PRODUCER_ID.
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
	// AtElections makes every later election of a leader forget, instead of
	// forgetting at once.
	AtElections bool
}

// seenProducer is what is known of a producer on a partition.
type seenProducer struct {
	forgot *forgetting // the last time that it was forgotten of which it knows
	alias  int64       // 0 is none
	last   time.Time   // when its last batch came
}

// forgetting is one time that producers were forgotten.
type forgetting struct {
	rule *rule
	mode ForgetMode
}

// ForgetProducers makes the brokers forget the producers of partitions. Hits is
// the number of batches that they refused, or took because they had forgotten
// their producer, and of the elections at which they forgot one that they knew:
// a client may come with a new producer to each leader. Undo ends the refusals and the forgetting at elections; what
// is forgotten stays so.
func (c *Cluster) ForgetProducers(f Forget) (Fault, error) {
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

// forgetAtElection is called with stateMu held, at each election.
func (c *Cluster) forgetAtElection(tp partition, p *part) {
	for _, r := range c.rules {
		if f := r.forget; f != nil && f.AtElections && !r.isOver() && (f.Topic == "" || f.Topic == tp.topic) {
			if p.remembers() {
				r.take()
			}
			p.forgot = &forgetting{r, f.Mode}
		}
	}
}

// remembers reports whether there is a producer that has not been forgotten since
// it last wrote. stateMu is held.
func (p *part) remembers() bool {
	for _, s := range p.seen {
		if s.forgot == p.forgot {
			return true
		}
	}
	return false
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
		name := t.Topic
		if name == "" {
			name = c.topics[t.TopicID]
		}
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

// producerExpiry is Kafka's producer.id.expiration.ms.
func (c *Cluster) producerExpiry() time.Duration {
	return c.brokerTime("producer.id.expiration.ms", 24*time.Hour)
}

// firstAlias is where aliases begin. kfake draws ids of 63 random bits, none of
// which is likely to be one of the few aliases of a cluster.
const firstAlias = 1<<62 | 0x6b76616c696173<<4

// newAlias is called with stateMu held.
func (c *Cluster) newAlias(id int64) int64 {
	alias := firstAlias + int64(len(c.aliases)) + 1
	c.aliases[alias] = id
	return alias
}

// trueID returns the id that an alias stands for. stateMu is held.
func (c *Cluster) trueID(id int64) int64 {
	if of, ok := c.aliases[id]; ok {
		return of
	}
	return id
}

// unalias shows the producers of batches by their own ids.
func (c *Cluster) unalias(batches []Batch) {
	c.stateMu.Lock()
	defer c.stateMu.Unlock()
	for i := range batches {
		batches[i].ProducerID = c.trueID(batches[i].ProducerID)
	}
}
