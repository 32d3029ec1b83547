package fakecluster

import (
	"bytes"
	"encoding/binary"
	"net"

	"github.com/kvsim/kvsim/internal/recordlog"
)

// A producer that was forgotten has an alias in kfake's log (see kfake_producers.go). But
// clients must find the producer's own id there, by which a client recognises its own
// batches. So where an answer to a client has a batch with an alias, the id is replaced when
// the broker sends the answer.

// listen is the ListenFn of kfake: connections replace aliases, and name users (see kfake_asker.go).
func (c *Cluster) listen(network, address string) (net.Listener, error) {
	listen := net.Listen
	if c.net != nil {
		listen = c.net.Listen
	}
	l, err := listen(network, address)
	if err != nil {
		return nil, err
	}
	return aliasListener{l, c}, nil
}

type aliasListener struct {
	net.Listener
	c *Cluster
}

func (l aliasListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if len(l.c.users) > 0 {
		conn = &askerConn{Conn: conn, users: l.c.users}
	}
	return aliasConn{conn, l.c}, nil
}

// aliasConn is a broker's end of a connection. kfake writes each answer with one Write, from
// a buffer of its own, which may therefore be changed.
type aliasConn struct {
	net.Conn
	c *Cluster
}

func (a aliasConn) Write(answer []byte) (int, error) {
	a.c.unaliasRaw(answer)
	return a.Conn.Write(answer)
}

// aliasPrefix has the first bytes of all aliases.
var aliasPrefix = binary.BigEndian.AppendUint64(nil, firstAlias)[:5]

// unaliasRaw replaces the aliases in the batches of an answer by the producer ids that they
// stand for.
func (c *Cluster) unaliasRaw(answer []byte) {
	c.stateMu.Lock()
	defer c.stateMu.Unlock()
	if len(c.aliases) == 0 {
		return
	}
	for at := 0; ; {
		i := bytes.Index(answer[at:], aliasPrefix)
		if i < 0 {
			return
		}
		at += i
		if first := at - atProducerID; first >= 0 && at+8 <= len(answer) {
			id, known := c.aliases[int64(binary.BigEndian.Uint64(answer[at:]))]
			size := int64(binary.BigEndian.Uint32(answer[first+8:])) + 12
			if known && size >= batchHeaderBytes && size <= int64(len(answer)-first) {
				binary.BigEndian.PutUint64(answer[at:], uint64(id))
				recordlog.Seal(answer[first : int64(first)+size])
			}
		}
		at += len(aliasPrefix)
	}
}
