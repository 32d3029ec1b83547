package kvstore

import (
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

func isOneOf(err error, list []error) bool {
	return slices.ContainsFunc(list, func(e error) bool { return errors.Is(err, e) })
}

// fatalErrors end an opening whatever WithFailFast says: another try would ask for the same
// impossible thing.
var fatalErrors = []error{
	errImpossible,
	ErrTopicRecreated,
	ErrTopicDeleted,
	kgo.ErrClientClosed,
}

// errImpossible marks what brokers refuse because of what was asked for.
var errImpossible = errors.New("the cluster can't do that")

// impossibleErrors are the answers to the creation of a topic that say so.
var impossibleErrors = []error{
	kerr.InvalidTopicException,
	kerr.InvalidReplicationFactor,
	kerr.InvalidConfig,
	kerr.InvalidRequest,
	kerr.InvalidPartitions,
	kerr.PolicyViolation,
}

// refusedErrors are missing rights, and a name that no topic can have, for which waiting is
// pointless whatever the options say.
var refusedErrors = []error{
	kerr.InvalidTopicException,
	kerr.TopicAuthorizationFailed,
	kerr.ClusterAuthorizationFailed,
}

// useless returns advice for an error that every connection to a broker will meet, empty if
// it is not one.
func useless(err error) string {
	var cert *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var op *net.OpError
	switch {
	case errors.Is(err, kerr.SaslAuthenticationFailed):
		return "check the user and the password, or whatever else it logs in with"
	case errors.Is(err, kerr.UnsupportedSaslMechanism):
		return "use a SASL mechanism that the brokers have"
	case errors.Is(err, kerr.IllegalSaslState):
		return "the listener takes no SASL: use another port, or leave kgo.SASL out"
	case errors.As(err, &cert):
		return "check the brokers' certificates, the host names that the brokers and the seeds have in them, and the authorities that this client trusts (kgo.DialTLSConfig)"
	case errors.As(err, &record):
		return "the port does not speak TLS: use another one, or leave kgo.DialTLSConfig out"
	case errors.As(err, &op) && op.Op == "remote error":
		return "the broker refuses this client's side of TLS: check the client's certificate and the versions of TLS (kgo.DialTLSConfig)"
	case strings.Contains(err.Error(), tlsAlertSeen):
		return "the port speaks TLS: use kgo.DialTLSConfig"
	case strings.Contains(err.Error(), httpSeen):
		return "the port speaks HTTP: use that of a broker"
	}
	return ""
}

// What kgo says, in an error without a type of its own, when the answer to a plaintext
// request is a TLS alert, or HTTP.
const (
	tlsAlertSeen = "is this a plaintext connection speaking to a tls endpoint?"
	httpSeen     = "is your broker port correct?"
)
