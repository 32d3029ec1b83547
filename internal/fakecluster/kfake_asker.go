package fakecluster

import (
	"bytes"
	"encoding/binary"
	"net"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// kfake does not tell its controls who sent a request, so that a fetch could be answered without
// kfake only if every user may read the topic. But what compaction has removed is answered here
// (see kfake_compact.go), and must not depend on rights. So the broker's end of a connection reads
// who logs in on it, and writes the number of that user into each of its fetches, in place of
// something that clients have no use for.

// askerInSession is the first version of fetches that have the number in place of the id of their
// session, which none has (see kfake_fetch.go). Earlier ones have it in place of the id of a replica.
const askerInSession = 15

// noteAsker takes the number of the user out of a fetch, and keeps who it is until the next one:
// requests are handled one at a time.
func (c *Cluster) noteAsker(req kmsg.Request) {
	r, ok := req.(*kmsg.FetchRequest)
	if !ok || len(c.opts.Users) == 0 {
		return
	}
	asker := ""
	number := &r.SessionID
	if r.Version < askerInSession {
		number = &r.ReplicaID
	}
	if n := int(*number); n > 0 && n <= len(c.users) {
		asker = c.users[n-1]
	}
	r.SessionID, r.ReplicaID = 0, -1
	c.stateMu.Lock()
	c.asker = asker
	c.stateMu.Unlock()
}

// askerMayRead reports whether a fetch, which is the request that is being handled, is from
// a user who may read a topic, or the harness.
func (c *Cluster) askerMayRead(req *kmsg.FetchRequest, topic string) bool {
	if harnessFetch(req) || len(c.opts.Users) == 0 {
		return true
	}
	c.stateMu.Lock()
	defer c.stateMu.Unlock()
	return c.mayLocked(c.asker, topic, kmsg.ACLOperationRead)
}

// askerConn is a broker's end of a connection of a cluster with users. kfake reads requests from it.
type askerConn struct {
	net.Conn
	users []string // all users, without the harness
	size  int      // of the present frame, with its length
	seen  int      // how many of its bytes were read
	head  []byte   // the first of them
	user  int32    // the number of who logged in, from 1; 0: nobody did, or the harness
}

// headMost is how much of a frame is looked at: all of a login, and more than what comes before the
// id of a fetch session.
const headMost = 4096

func (a *askerConn) Read(p []byte) (int, error) {
	n, err := a.Conn.Read(p)
	for rest := p[:n]; len(rest) > 0; {
		rest = rest[a.pass(rest):]
	}
	return n, err
}

// pass notes bytes of the present frame, changes them if need be, and returns how many they were.
func (a *askerConn) pass(p []byte) int {
	most := 4
	if a.seen >= 4 {
		most = a.size
	}
	p = p[:min(len(p), most-a.seen)]
	at := a.seen
	a.seen += len(p)
	a.head = append(a.head, p[:min(len(p), max(0, headMost-len(a.head)))]...)
	if a.seen == 4 {
		a.size = 4 + max(0, int(int32(binary.BigEndian.Uint32(a.head))))
	}
	a.mark(p, at)
	if a.seen >= 4 && a.seen >= a.size {
		a.login()
		a.seen, a.head = 0, a.head[:0]
	}
	return len(p)
}

// mark writes the user's number into the part p of a fetch, which begins at a place in the frame.
func (a *askerConn) mark(p []byte, at int) {
	key, version, body := requestBody(a.head)
	if body == 0 || key != int16(kmsg.Fetch) {
		return
	}
	place := body
	if version >= askerInSession {
		place += 13 // the longest wait, the limits of bytes, and the isolation
	}
	for i, b := range binary.BigEndian.AppendUint32(nil, uint32(a.user)) {
		if j := place + i - at; j >= 0 && j < len(p) {
			p[j] = b
		}
	}
}

// login notes who logs in with the frame that was read.
func (a *askerConn) login() {
	key, version, body := requestBody(a.head)
	if body == 0 || key != int16(kmsg.SASLAuthenticate) {
		return
	}
	req := kmsg.NewPtrSASLAuthenticateRequest()
	req.Version = version
	if req.ReadFrom(a.head[body:]) != nil {
		return
	}
	if parts := bytes.SplitN(req.SASLAuthBytes, []byte{0}, 3); len(parts) == 3 {
		a.user = int32(1 + slices.Index(a.users, string(parts[1])))
	}
}

// requestBody returns the key and the version of the request that a frame begins with, and the place
// of what follows its header; 0 if that is not known yet, or matters to nobody here.
func requestBody(frame []byte) (key, version int16, body int) {
	const fixed = 14 // length, key, version, correlation id and the length of the client id
	if len(frame) < fixed {
		return 0, 0, 0
	}
	key, version = int16(binary.BigEndian.Uint16(frame[4:])), int16(binary.BigEndian.Uint16(frame[6:]))
	body = fixed + max(0, int(int16(binary.BigEndian.Uint16(frame[12:]))))
	if key == int16(kmsg.Fetch) && version >= 12 || key == int16(kmsg.SASLAuthenticate) && version >= 2 {
		body++ // no tags
	}
	if len(frame) < body {
		return 0, 0, 0
	}
	return key, version, body
}
