package sim

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/internal/simnet"
)

// Revoke takes a right on the topic away from a client, and gives it back.
//
// In a plan with it, or with ChangePassword, each client has a user of its own at
// the brokers; clients that come and go share one.
type Revoke struct {
	Client string `plan:"client"`
	// Right is read, write, or all: a user that may read or write may also describe.
	Right string `plan:"right"`
	Span
}

// Kind implements Fault.
func (f Revoke) Kind() string { return "revoke" }

// String implements Fault.
func (f Revoke) String() string { return line(f.Kind(), &f) }

// rights returns the rights that are taken away, and the requests that are refused then.
func (f Revoke) rights() (ops []kmsg.ACLOperation, refused []int16, err error) {
	switch f.Right {
	case "read":
		return []kmsg.ACLOperation{kmsg.ACLOperationRead}, []int16{int16(kmsg.Fetch)}, nil
	case "write":
		return []kmsg.ACLOperation{kmsg.ACLOperationWrite}, []int16{int16(kmsg.Produce), int16(kmsg.InitProducerID)}, nil
	case "all":
		return allRights, []int16{int16(kmsg.Produce), int16(kmsg.InitProducerID), int16(kmsg.Fetch), int16(kmsg.Metadata)}, nil
	}
	return nil, nil, fmt.Errorf("right=%s has to be read, write or all", f.Right)
}

func (f Revoke) check(*Plan) error {
	if _, _, err := f.rights(); err != nil {
		return err
	}
	if f.Client == "" {
		return fmt.Errorf("client has to be set: a right is taken from one")
	}
	return f.mustLast()
}

func (f Revoke) start(_ context.Context, w *world) (*effect, error) {
	ops, refused, err := f.rights()
	if err != nil {
		return nil, err
	}
	restore, err := w.rights.take(f.Client, ops, w.cluster.Revoke, w.cluster.Allow)
	if err != nil {
		return nil, err
	}
	t := linksOf(f.Client)
	t.Dir, t.Keys = simnet.ToBroker, refused
	e := during(w.net.Count(t), restore)
	return w.noting(sometimesRevoked, w.judgingReading(f, f.Client, e)), nil
}

// ChangePassword changes the password of a client's user at the brokers, and resets its
// connections: existing ones would stay valid. Afterwards the old one is right again.
type ChangePassword struct {
	Client string `plan:"client"`
	Span
}

// Kind implements Fault.
func (f ChangePassword) Kind() string { return "change-password" }

// String implements Fault.
func (f ChangePassword) String() string { return line(f.Kind(), &f) }

func (f ChangePassword) check(*Plan) error {
	if f.Client == "" {
		return fmt.Errorf("client has to be set: a password belongs to one")
	}
	return f.mustLast()
}

func (f ChangePassword) start(_ context.Context, w *world) (*effect, error) {
	restore, err := w.lock(f.Client)
	if err != nil {
		return nil, err
	}
	t := linksOf(f.Client)
	t.Dir, t.Keys = simnet.ToBroker, []int16{int16(kmsg.SASLAuthenticate)}
	e := during(w.net.Count(t), restore)
	w.net.DropConns(linksOf(f.Client))
	return w.noting(sometimesWrongPassword, w.judgingReading(f, f.Client, e)), nil
}
