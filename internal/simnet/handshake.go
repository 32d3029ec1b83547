package simnet

import (
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// Clients dial several connections to one broker at the same instant, one to produce and
// one to fetch. Such dials happen in no particular order. If each drew from a stream of its
// own from the start, then with the same seed sometimes the one and sometimes the other
// would get the longer delay. Therefore:
//
//   - Dials of a client to a broker at one instant share a dial number, and so draw the same
//     delays for the dial and for the requests that only open a connection (ApiVersions,
//     SASL). Their deliveries differ only by the lanes that keep them apart. The nominal time
//     of a connection leaves the lanes out.
//   - The first other request says what the connection is for. From then on the connection
//     uses the lane of that use, and draws from a stream that belongs to (client, broker, api
//     key of that request, number of connections for it before, direction).

// slack is how far the nominal time may be behind the clock. If it is further behind, real
// time is passing.
const slack = 2 * Round

// The requests that open a connection.
const (
	keySASLHandshake    int16 = 17
	keyAPIVersions      int16 = 18
	keySASLAuthenticate int16 = 36
)

type dialKey struct {
	client string
	broker int32
	key    int16
}

// dialCount counts dials at distinct instants.
type dialCount struct {
	n    int
	last time.Time
	same int // earlier dials at the instant last
}

// dialNumber returns the number of a dial that starts now, and its place. The caller holds
// n.mu.
func (n *Network) dialNumber(client string, broker int32) (int, place) {
	at := place{client: n.client(client).number, brokers: len(n.brokers)}
	k := dialKey{client, broker, NoKey}
	d, ok := n.dials[k]
	now := time.Now()
	switch {
	case ok && now.Equal(d.last):
		d.same++
	case ok:
		d.n++
		d.same = 0
	}
	d.last = now
	n.dials[k] = d
	at.opening = d.same
	return d.n, at
}

// opened is called with the api key of each request until the connection is open. The
// caller holds toBroker.mu.
func (p *pair) opened(key int16) {
	if !p.shaking.Load() || key == keyAPIVersions || key == keySASLHandshake || key == keySASLAuthenticate {
		return
	}
	k := dialKey{p.toBroker.link.Client, p.toBroker.link.Broker, key}
	p.n.mu.Lock()
	d := p.n.dials[k]
	p.n.dials[k] = dialCount{n: d.n + 1}
	p.n.mu.Unlock()
	p.toBroker.used(key, d.n)
	p.toClient.mu.Lock()
	p.toClient.used(key, d.n)
	p.toClient.mu.Unlock()
}

// used notes for one direction what the connection is for. The caller holds mu.
func (h *half) used(key int16, n int) {
	seed := h.p.n.cfg.Seed
	h.rng = h.link.purpose(seed, key, n)
	h.lane = h.p.place.lane(seed, h.link, useOf(key))
}

// purpose returns the stream of the nth connection for an api key.
func (l Link) purpose(seed uint64, key int16, n int) *rand.Rand {
	return Stream(seed, "%q/%d/key %d/%d/%d", l.Client, l.Broker, key, n, l.Dir)
}

// clock returns the time from which the delay d of a frame is counted.
func (p *pair) clock(d time.Duration) time.Time {
	now := time.Now()
	if !p.shaking.Load() {
		return now
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if behind := now.Sub(p.nominal); behind >= 0 && behind < slack {
		now = p.nominal
	}
	p.nominal = now.Add(d)
	return now
}

// open ends the handshake once its first real request is on its way.
func (p *pair) open(key int16) {
	if key != keyAPIVersions && key != keySASLHandshake && key != keySASLAuthenticate {
		p.shaking.Store(false)
	}
}

// client is what the network knows of the clients of one name.
type client struct {
	number int          // in the order of first dials
	sent   atomic.Int64 // dials and frames
}

// client returns the client of a name, a new one if it has not dialled before. The caller
// holds n.mu.
func (n *Network) client(name string) *client {
	c := n.clients[name]
	if c == nil {
		c = &client{number: len(n.clients)}
		n.clients[name] = c
	}
	return c
}

// Sent returns how many frames the clients of a name have sent since the network was made,
// whether they arrived or not, and how often they have dialled brokers that exist. Frames sent on a
// connection that is dead already don't count.
func (n *Network) Sent(client string) int {
	n.mu.Lock()
	c := n.clients[client]
	n.mu.Unlock()
	if c == nil {
		return 0
	}
	return int(c.sent.Load())
}
