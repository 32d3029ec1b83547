package sim

import (
	"fmt"
	"strconv"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"github.com/kvsim/kvsim/internal/fakecluster"
)

// secured reports whether the brokers of the plan authenticate their clients.
func (p *Plan) secured() bool {
	for _, f := range p.Faults {
		switch f := f.(type) {
		case Revoke, ChangePassword:
			return true
		case Answer:
			if f.logsIn() {
				return true
			}
		}
	}
	return false
}

// readerUser is the user of clients that come and go.
const readerUser = "reader"

// userOf returns the user of a client. Only the plan's own clients have one each.
func (p *Plan) userOf(client string) string {
	if checkClient(client, p.World.Clients) == nil {
		return client
	}
	return readerUser
}

func passwordOf(user string) string { return "password of " + user }

// users are the names and passwords that the brokers know; none when every client may do
// everything.
func (p *Plan) users() map[string]string {
	if !p.secured() {
		return nil
	}
	all := map[string]string{readerUser: passwordOf(readerUser)}
	for i := range p.World.Clients {
		all[clientName(i)] = passwordOf(clientName(i))
	}
	return all
}

// allRights are the rights that a store's client needs for everything that it does.
var allRights = []kmsg.ACLOperation{
	kmsg.ACLOperationRead, kmsg.ACLOperationWrite, kmsg.ACLOperationDescribe, kmsg.ACLOperationDescribeConfigs,
}

// credentials are the options with which a client authenticates.
func (s *slot) credentials() []kgo.Opt {
	if !s.w.plan.secured() {
		return nil
	}
	user := s.w.plan.userOf(s.name)
	return []kgo.Opt{kgo.SASL(plain.Auth{User: user, Pass: passwordOf(user)}.AsMechanism())}
}

// admit gives every user its rights.
func (c fakeCluster) admit() error {
	for i := range c.plan.World.Clients {
		if err := c.Allow(clientName(i), allRights); err != nil {
			return err
		}
	}
	return c.Allow(readerUser, allRights)
}

func (c fakeCluster) MoveCoordinator(id string) error {
	node, err := c.CoordinatorOf(id)
	if err != nil {
		return err
	}
	return c.Cluster.MoveCoordinator(id, (node+1)%int32(c.plan.World.Brokers))
}

func (c fakeCluster) AlterTopic(configs map[string]string) error {
	all := make(map[string]*string, len(configs))
	for name, value := range configs {
		if value != "" {
			all[name] = &value
		} else {
			all[name] = nil
		}
	}
	return c.Cluster.AlterTopic(topicName, all)
}

func (c fakeCluster) LeadUncompacted(to int32) error {
	if _, err := c.Cluster.LeadUncompacted(topicName, 0, to); err != nil {
		return err
	}
	return c.together()
}

func (c fakeCluster) LeadCompacted(to int32) error {
	if err := c.Cluster.LeadCompacted(topicName, 0, to); err != nil {
		return err
	}
	return c.together()
}

func (c fakeCluster) ChangePassword(client string, right bool) error {
	user := c.plan.userOf(client)
	password := passwordOf(user)
	if !right {
		password = "another " + password
	}
	return c.Cluster.SetPassword(user, password)
}

func (c fakeCluster) Allow(client string, rights []kmsg.ACLOperation) error {
	return c.Cluster.Allow(c.plan.userOf(client), topicName, rights...)
}

func (c fakeCluster) Revoke(client string, rights []kmsg.ACLOperation) error {
	return c.Cluster.Revoke(c.plan.userOf(client), topicName, rights...)
}

// brokerFault is the effect of a fault inside the brokers.
func brokerFault(f fakecluster.Effect, err error) (*effect, error) {
	if err != nil {
		return nil, err
	}
	return during(f), nil
}

// some returns the brokers that a plan's broker setting means, none for all.
func (w *world) some(broker string) []int32 {
	if broker == "" {
		return nil
	}
	return []int32{w.broker(broker)}
}

// positive reads a positive integer from a plan's value.
func positive(name, value string) (int64, error) {
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%s=%s is not a whole number above 0", name, value)
	}
	return n, nil
}
