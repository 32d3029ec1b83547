package fakecluster

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// AlterTopic changes configurations of a topic while it is in use, by Kafka's names and
// values: max.message.bytes, delete.retention.ms, cleanup.policy, min.insync.replicas. A
// nil value resets a configuration to its default. When AlterTopic returns, the changes are
// in effect and in the answers to DescribeConfigs.
func (c *Cluster) AlterTopic(topic string, configs map[string]*string) error {
	c.op.lock()
	defer c.op.unlock()
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	req.Version = 1
	res := kmsg.NewIncrementalAlterConfigsRequestResource()
	res.ResourceType = kmsg.ConfigResourceTypeTopic
	res.ResourceName = topic
	for _, name := range slices.Sorted(maps.Keys(configs)) {
		rc := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
		rc.Name, rc.Value, rc.Op = name, configs[name], kmsg.IncrementalAlterConfigOpSet
		if rc.Value == nil {
			rc.Op = kmsg.IncrementalAlterConfigOpDelete
		}
		res.Configs = append(res.Configs, rc)
	}
	req.Resources = append(req.Resources, res)
	c.settle()
	resp, err := c.request(0, req)
	if err != nil {
		return fmt.Errorf("fakecluster: alter topic %q: %w", topic, err)
	}
	for _, r := range resp.(*kmsg.IncrementalAlterConfigsResponse).Resources {
		if err := kerr.ErrorForCode(r.ErrorCode); err != nil {
			detail := ""
			if r.ErrorMessage != nil {
				detail = ": " + *r.ErrorMessage
			}
			return fmt.Errorf("fakecluster: alter topic %q: %w%s", topic, err, detail)
		}
	}
	return nil
}

// forgetConfigs forgets known configurations when a request changes configurations or
// topics.
func (c *Cluster) forgetConfigs(*kfake.Cluster, kmsg.Request) (kmsg.Response, error, bool) { //nolint:revive // as in kfake
	c.stateMu.Lock()
	c.settings = nil
	c.stateMu.Unlock()
	return nil, nil, false
}

// topicConfig returns a configuration of a topic, or def if there is none of that name. It
// is for handlers.
func (c *Cluster) topicConfig(k *kfake.Cluster, topic, name, def string) string {
	c.stateMu.Lock()
	known, ok := c.settings[topic]
	c.stateMu.Unlock()
	if !ok {
		ti := k.TopicInfo(topic)
		if ti == nil {
			return def
		}
		known = configsOf(ti)
		known[replicasKey] = strconv.Itoa(ti.NumReplicas)
		c.stateMu.Lock()
		if c.settings == nil {
			c.settings = make(map[string]map[string]string)
		}
		c.settings[topic] = known
		c.stateMu.Unlock()
	}
	return cmp.Or(known[name], def)
}

// replicasKey is the name under which topicConfig has the number of replicas, which is not
// a configuration in Kafka.
const replicasKey = "#replicas"

// topicNumber is topicConfig for numbers.
func (c *Cluster) topicNumber(k *kfake.Cluster, topic, name string, def int64) int64 {
	n, err := strconv.ParseInt(c.topicConfig(k, topic, name, ""), 10, 64)
	if err != nil {
		return def
	}
	return n
}

// configsOf returns the settings of a topic that have a value of their own.
func configsOf(ti *kfake.TopicInfo) map[string]string {
	configs := make(map[string]string)
	for key, v := range ti.Configs {
		if v != nil {
			configs[key] = *v
		}
	}
	return configs
}
