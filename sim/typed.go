package sim

import (
	"bytes"
	"context"
	"errors"
	"hash/fnv"

	"github.com/kvsim/kvsim/kvstore"
)

// A payload is a value of the workload, for clients with types.
type payload struct {
	id   string
	size int
	bad  bool // can't be written
}

func (v payload) bytes() []byte { return encodePayload(v.id, v.size) }

// errUnwritable is why a payload can't be written.
var errUnwritable = errors.New("this value can't be written")

// An unreadable is the error of a value that can't be read. It has the id for the history.
type unreadable struct{ id string }

func (e *unreadable) Error() string { return "value " + e.id + " can't be read" }

// payloads is a serde of payloads. It can't read one in eight.
type payloads struct{}

var (
	_ kvstore.Serde[payload]               = payloads{}
	_ kvstore.ContextDeserializer[payload] = payloads{}
)

func (payloads) Serialize(v payload) ([]byte, error) {
	if v.bad {
		return nil, errUnwritable
	}
	return v.bytes(), nil
}

func (payloads) Deserialize(b []byte) (payload, error) {
	id := decodePayload(b)
	if !readable(id) {
		return payload{}, &unreadable{id}
	}
	return payload{id: id, size: len(b)}, nil
}

func (s payloads) DeserializeContext(ctx context.Context, b []byte) (payload, error) {
	if ctx.Err() != nil {
		return payload{}, context.Cause(ctx)
	}
	return s.Deserialize(b)
}

// readable reports whether payloads can read the value with an id.
func readable(id string) bool {
	h := fnv.New32a()
	h.Write([]byte(id))
	return h.Sum32()%8 != 0
}

// typed returns the typed view of a client.
func typed(c *kvstore.Client) *kvstore.ResourceClient[payload] {
	return kvstore.NewResourceClient(c, kvstore.Serde[payload](payloads{}))
}

// idOf returns the id of what a typed call returned for a key: an error that says that the value can't
// be read names it. wrong says what else it says.
func idOf(key []byte, v payload, err error) (id, wrong string, rest error) {
	bad, is := errors.AsType[*kvstore.DecodeError](err)
	if !is {
		return v.id, "", err
	}
	why, ours := errors.AsType[*unreadable](err)
	switch {
	case !ours: // its context ended, for example
		return "", "", err
	case !bytes.Equal(bad.Key, key):
		wrong = "the error of a value that can't be read names another key: " + err.Error()
	case readable(why.id):
		wrong = "a value that can be read was not: " + err.Error()
	}
	return why.id, wrong, nil
}
