package fakecluster

import (
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// learnTopics makes topics known that clients have created themselves. It looks at metadata
// requests, because a client asks for a topic's metadata, by name, before it writes to it.
// Without this, a transaction on such a topic would never get its marker.
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
				_, _ = c.learn(k, tp) // fails only if the partition does not exist
			}
		}
	}
	return nil, nil, false
}
