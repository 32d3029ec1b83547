package realkafka

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"
)

// The user that this package logs in as where a login is required. It may do everything.
const (
	superUser     = "kvsim"
	superPassword = "kvsim"
)

// secure changes a broker's settings so that clients have to log in. Brokers and
// controllers do not log in to each other, and may do everything.
func (c *config) secure(s map[string]string) {
	var jaas strings.Builder
	jaas.WriteString("org.apache.kafka.common.security.plain.PlainLoginModule required")
	fmt.Fprintf(&jaas, " user_%s=%q", superUser, superPassword)
	for _, name := range slices.Sorted(maps.Keys(c.users())) {
		fmt.Fprintf(&jaas, " user_%s=%q", name, c.users()[name])
	}
	jaas.WriteString(";")
	s["listener.security.protocol.map"] = "EXTERNAL:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT,INTERNAL:PLAINTEXT"
	s["sasl.enabled.mechanisms"] = "PLAIN"
	s["listener.name.external.sasl.enabled.mechanisms"] = "PLAIN"
	s["listener.name.external.plain.sasl.jaas.config"] = jaas.String()
	s["authorizer.class.name"] = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"
	s["super.users"] = "User:ANONYMOUS;User:" + superUser
}

// login returns the options with which this package's own clients log in, if they have to.
func (c *config) login() []kgo.Opt {
	if len(c.users()) == 0 {
		return nil
	}
	return []kgo.Opt{kgo.SASL(plain.Auth{User: superUser, Pass: superPassword}.AsMechanism())}
}

// Login returns the option that logs a client in as one of the users that [WithUsers]
// named, or as "kvsim", who may do everything.
func (k *Kafka) Login(user string) kgo.Opt {
	pass := k.cfg.users()[user]
	if user == superUser {
		pass = superPassword
	}
	return kgo.SASL(plain.Auth{User: user, Pass: pass}.AsMechanism())
}

// Allow gives a user rights on a topic, which may not exist yet. It returns when
// the brokers know.
func (k *Kafka) Allow(ctx context.Context, user, topic string, ops ...kmsg.ACLOperation) error {
	acls := rights(user, topic, ops)
	results, err := k.admin.CreateACLs(ctx, acls)
	for _, r := range results {
		err = cmp.Or(err, r.Err)
	}
	if err == nil {
		err = k.awaitRights(ctx, acls, len(ops))
	}
	if err != nil {
		return fmt.Errorf("allow %s %v on topic %s: %w", user, ops, topic, err)
	}
	return nil
}

// Revoke takes away rights that Allow gave. It returns when the brokers know.
func (k *Kafka) Revoke(ctx context.Context, user, topic string, ops ...kmsg.ACLOperation) error {
	acls := rights(user, topic, ops)
	results, err := k.admin.DeleteACLs(ctx, acls)
	for _, r := range results {
		err = cmp.Or(err, r.Err)
	}
	if err == nil {
		err = k.awaitRights(ctx, acls, 0)
	}
	if err != nil {
		return fmt.Errorf("revoke %v of %s on topic %s: %w", ops, user, topic, err)
	}
	return nil
}

func rights(user, topic string, ops []kmsg.ACLOperation) *kadm.ACLBuilder {
	return kadm.NewACLs().Allow("User:" + user).AllowHosts("*").Topics(topic).
		ResourcePatternType(kadm.ACLPatternLiteral).Operations(ops...)
}

// awaitRights waits until a broker has the given number of the rights.
func (k *Kafka) awaitRights(ctx context.Context, acls *kadm.ACLBuilder, n int) error {
	return poll(ctx, 50*time.Millisecond, func() error {
		results, err := k.admin.DescribeACLs(ctx, acls)
		if err != nil {
			return err
		}
		there := 0
		for _, r := range results {
			if r.Err != nil {
				return r.Err
			}
			there += len(r.Described)
		}
		if there != n {
			return fmt.Errorf("the brokers know %d of the rights, want %d", there, n)
		}
		return nil
	})
}

// Login returns the option that logs a client in; see [Kafka.Login].
func (c *Cluster) Login(user string) kgo.Opt { return c.k.Login(user) }

// Allow gives a user rights on a topic; see [Kafka.Allow].
func (c *Cluster) Allow(user, topic string, ops ...kmsg.ACLOperation) {
	c.t.Helper()
	c.do(func(ctx context.Context) error { return c.k.Allow(ctx, user, topic, ops...) })
}

// Revoke takes rights on a topic away; see [Kafka.Revoke].
func (c *Cluster) Revoke(user, topic string, ops ...kmsg.ACLOperation) {
	c.t.Helper()
	c.do(func(ctx context.Context) error { return c.k.Revoke(ctx, user, topic, ops...) })
}
