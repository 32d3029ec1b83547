package fakecluster

import (
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// learnTopics starts to keep account of topics that clients have created by
// themselves: whoever writes to a topic asks for its metadata before, by name.
// Without it a transaction on such a topic would never get its marker.
func (c *Cluster) learnTopics(k *kfake.Cluster, kr kmsg.Request) (kmsg.Response, error, bool) { //nolint:revive // as in kfake
	for _, t := range kr.(*kmsg.MetadataRequest).Topics {
		if t.Topic == nil {
			continue
		}
		ti := k.TopicInfo(*t.Topic)
		if ti == nil {
			continue
		}
		for n := int32(0); k.PartitionInfo(*t.Topic, n) != nil; n++ {
			tp := partition{*t.Topic, n}
			if p := c.part(tp); p == nil || p.id != ti.TopicID {
				_, _ = c.learn(k, tp) // fails only if there is no such partition
			}
		}
	}
	return nil, nil, false
}
