package kvstoretest

import (
	"maps"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"github.com/kvsim/kvsim/kvstore"
)

// WithUsers makes the brokers ask for a name and a password (SASL PLAIN) and for
// rights (ACLs). The map has passwords by name. A user has no rights until
// [Kit.Allow] gives some; clients log in with [Kit.As].
func WithUsers(passwords map[string]string) Option {
	passwords = maps.Clone(passwords)
	return func(c *config) { c.users = func() map[string]string { return passwords } }
}

// storeRights are what a store that reads and writes needs on its topic.
var storeRights = []kmsg.ACLOperation{
	kmsg.ACLOperationRead, kmsg.ACLOperationWrite, kmsg.ACLOperationDescribe, kmsg.ACLOperationDescribeConfigs,
}

// As is an option for a client that logs in as a user, with the password that
// the user has now. A plain franz-go client logs in with kgo.SASL.
func (k *Kit) As(user string) kvstore.ClientOption {
	k.t.Helper()
	k.mu.Lock()
	password, ok := k.cfg.users()[user]
	k.mu.Unlock()
	if !ok {
		k.misuse("As(%q): there is no such user; see WithUsers", user)
	}
	return kvstore.WithKafkaOptions(kgo.SASL(plain.Auth{User: user, Pass: password}.AsMechanism()))
}

// Allow gives a user rights on the topic; if none are named, those that a store needs to
// read and write.
func (k *Kit) Allow(user string, rights ...kmsg.ACLOperation) {
	k.t.Helper()
	if len(rights) == 0 {
		rights = storeRights
	}
	if err := k.cluster.Allow(user, k.cfg.topic, rights...); err != nil {
		k.fatal("Allow(%q): %v", user, err)
	}
}

// Revoke takes rights on the topic away that [Kit.Allow] gave; if none are named, those
// that a store needs. It takes effect immediately, also for clients that are connected.
func (k *Kit) Revoke(user string, rights ...kmsg.ACLOperation) {
	k.t.Helper()
	if len(rights) == 0 {
		rights = storeRights
	}
	if err := k.cluster.Revoke(user, k.cfg.topic, rights...); err != nil {
		k.fatal("Revoke(%q): %v", user, err)
	}
}

// SetPassword changes a user's password. Connections that are logged in stay so,
// as in Kafka; see [Kit.DropConnections].
func (k *Kit) SetPassword(user, password string) {
	k.t.Helper()
	if err := k.cluster.SetPassword(user, password); err != nil {
		k.fatal("SetPassword(%q): %v", user, err)
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.cfg.users()[user] = password
}
