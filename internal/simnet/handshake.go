package simnet

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"time"
)

// Clients dial several connections to one broker at one instant, one to
// produce and one to fetch. Nothing orders such dials, so if each drew from a
// stream of its own at once, the same seed would give now one and now the
// other the longer delay. So:
//
//   - Dials of a client to a broker at one instant share their dial number,
//     and thereby draw the same delays for the dial and for the requests that
//     only open a connection (ApiVersions, SASL). They run side by side, but
//     for the lanes that keep deliveries apart; the nominal time of the
//     connection runs without those.
//   - The first other request says what the connection is for. From then on
//     it draws from a stream that belongs to (client, broker, api key of that
//     request, how many connections for it there were before, direction), and
//     has the lane of that use.

// slack is how far the nominal time may be behind: more is real time passing.
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
	same int // those before at the instant last
}

// dialNumber returns the number of a dial that begins now, and its place. n.mu
// is held.
func (n *Network) dialNumber(client string, broker int32) (int, place) {
	at := place{client: n.clientNumber(client), brokers: len(n.brokers)}
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

func (n *Network) clientNumber(client string) int {
	i, ok := n.clients[client]
	if !ok {
		i = len(n.clients)
		n.clients[client] = i
	}
	return i
}

// opened is told the key of each request until the connection is open. The
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

// used tells a direction what its connection is for. The caller holds mu.
func (h *half) used(key int16, n int) {
	seed := h.p.n.cfg.Seed
	h.rng = h.link.purpose(seed, key, n)
	h.lane = h.p.place.lane(seed, h.link, useOf(key))
}

// purpose returns the stream of the nth connection for an api key.
func (l Link) purpose(seed uint64, key int16, n int) *rand.Rand {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d/%q/%d/key %d/%d/%d", seed, l.Client, l.Broker, key, n, l.Dir)
	sum := h.Sum64()
	return rand.New(rand.NewPCG(mix(sum), mix(sum^seed)))
}

// clock returns the time from which a delay d of a frame counts.
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
