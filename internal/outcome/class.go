package outcome

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kvsim/kvsim/kvstore"
	lin "github.com/kvsim/kvsim/linearizability"
)

// classes are what errors of the store are in a history, the first that matches. What ended a call
// comes before what was in its way: an operation whose deadline passed while no broker could be
// reached is one whose deadline passed.
var classes = []struct {
	class lin.ErrorClass
	of    []error
}{
	{lin.ErrorClosed, []error{kvstore.ErrClientClosed}},
	{lin.ErrorTopic, []error{kvstore.ErrTopicDeleted, kvstore.ErrTopicRecreated, kvstore.ErrTopicConfig}},
	{lin.ErrorArgument, []error{
		kvstore.ErrInvalidKey, kvstore.ErrInvalidRevision, kvstore.ErrReadOnly, kvstore.ErrHookReentry,
		kvstore.ErrBatchExecuted, kvstore.ErrValueTooLarge, kvstore.ErrBatchTooLarge, kvstore.ErrStorageInUse,
	}},
	{lin.ErrorCanceled, []error{context.Canceled}},
	{lin.ErrorDeadline, []error{context.DeadlineExceeded}},
	{lin.ErrorTimeout, []error{kvstore.ErrDeliveryTimeout}},
	{lin.ErrorLoss, []error{kvstore.ErrDataLoss}},
	{lin.ErrorAbsence, []error{kvstore.ErrTombstonesExpired}},
	{lin.ErrorWithheld, []error{kvstore.ErrRecordsWithheld}},
	{lin.ErrorDenied, []error{
		kerr.TopicAuthorizationFailed, kerr.ClusterAuthorizationFailed, kerr.GroupAuthorizationFailed,
		kerr.TransactionalIDAuthorizationFailed, kerr.SaslAuthenticationFailed, kerr.UnsupportedSaslMechanism,
	}},
	{lin.ErrorThrottled, []error{kvstore.ErrThrottled, kerr.ThrottlingQuotaExceeded}},
	{lin.ErrorTransaction, []error{kvstore.ErrOpenTransaction}},
	{lin.ErrorStorage, []error{kvstore.ErrStorage}},
}

// Class returns the class that an error of the store has in a history.
func Class(err error) lin.ErrorClass {
	if err == nil {
		return lin.ErrorNone
	}
	for _, c := range classes {
		for _, target := range c.of {
			if errors.Is(err, target) {
				return c.class
			}
		}
	}
	if p, ok := errors.AsType[*kvstore.PanicError](err); ok && p.In == "storage" {
		return lin.ErrorStorage
	}
	broker, fromBroker := errors.AsType[*kerr.Error](err)
	_, fromNetwork := errors.AsType[net.Error](err)
	switch {
	case fromNetwork, kgo.IsRetryableBrokerErr(err), fromBroker && broker.Retriable:
		return lin.ErrorUnavailable
	case errors.Is(err, kvstore.ErrRefused):
		return lin.ErrorArgument
	}
	return lin.ErrorOther
}

// Rebuild returns why a client rereads the log, as a history has it: err is that of its Status
// meanwhile.
func Rebuild(err error) lin.RebuildCause {
	switch Class(err) { //nolint:exhaustive // nothing else is a reason
	case lin.ErrorLoss:
		return lin.RebuildLoss
	case lin.ErrorAbsence:
		return lin.RebuildAbsence
	case lin.ErrorWithheld:
		return lin.RebuildWithheld
	default:
		return lin.RebuildUnknown
	}
}

// Deadline returns when a call gives up, in the time of a history that began at start, and 0 if
// it does not.
func Deadline(ctx context.Context, start time.Time) time.Duration {
	if ctx == nil { // which the store refuses
		return 0
	}
	at, ok := ctx.Deadline()
	if !ok {
		return 0
	}
	return max(1, at.Sub(start))
}

// states are those of the store in a history.
var states = map[kvstore.State]lin.ClientState{
	kvstore.StateOpening: lin.StateOpening, kvstore.StateLive: lin.StateLive, kvstore.StateStalled: lin.StateStalled,
	kvstore.StateRebuilding: lin.StateRebuilding, kvstore.StateFailed: lin.StateFailed, kvstore.StateClosed: lin.StateClosed,
}

// Status returns what a client of the store says of itself as a history has it. The cause is why
// the client is in its state or, if that needs no reason, what blocks its reading or its writing.
func Status(client string, process int, s kvstore.Status) lin.ClientStatus {
	out := lin.ClientStatus{
		Client: client, Process: process, State: states[s.State], Lag: lin.None, Position: max(lin.None, s.Position),
	}
	if s.End >= 0 {
		out.Lag = s.Lag
	}
	for _, err := range []error{s.Err, s.Reading.Err, s.Writing.Err} {
		if err != nil {
			out.Cause, out.Err = Class(err), err.Error()
			break
		}
	}
	return out
}
