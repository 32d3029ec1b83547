package simnet

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// firstPort is the port of the first broker that listens on port 0.
const firstPort = 9092

// Config says how a network behaves. The zero value is usable: no latency.
type Config struct {
	// Seed seeds the random streams of all links.
	Seed uint64
	// Latency is the one-way delay of every link.
	Latency Latency
	// DialTimeout bounds a dial that a stall or a black hole delays. Zero means 10 seconds,
	// as in kgo's own dialer.
	DialTimeout time.Duration
	// Observe, if not nil, is called for every frame once its fate is known. The
	// connection is locked meanwhile, so it must not block or call the network.
	// Calls for different connections may be concurrent.
	Observe func(Frame)
	// Raw says to carry each Write as a unit of its own instead of collecting
	// Kafka frames. TLS needs it. Targets with api keys then select nothing.
	Raw bool
}

// Network joins clients to brokers. It is safe for concurrent use.
type Network struct {
	cfg  Config
	done chan struct{} // closed by Close

	faults atomic.Pointer[[]*Effect] // active faults; the slice is replaced, never changed

	mu        sync.Mutex
	closed    bool
	brokers   map[int]int32 // port -> broker number
	listeners map[int]*listener
	dials     map[dialKey]dialCount
	clients   map[string]*client
	pairs     []*pair // live connections, in the order of their dials
	nextPort  int
	ephemeral int
	changed   chan struct{} // closed and replaced when a fault is undone

	instantMu sync.Mutex
	instants  map[int64]struct{} // instants that a delivery has taken
}

// New returns a network. It returns an error for a latency or a timeout that makes no
// sense.
func New(cfg Config) (*Network, error) {
	if err := cfg.Latency.Validate(); err != nil {
		return nil, fmt.Errorf("simnet: %w", err)
	}
	if cfg.DialTimeout < 0 {
		return nil, fmt.Errorf("simnet: dial timeout %v is negative", cfg.DialTimeout)
	}
	cfg.DialTimeout = cmp.Or(cfg.DialTimeout, 10*time.Second)
	return &Network{
		cfg:       cfg,
		done:      make(chan struct{}),
		brokers:   make(map[int]int32),
		listeners: make(map[int]*listener),
		dials:     make(map[dialKey]dialCount),
		clients:   make(map[string]*client),
		changed:   make(chan struct{}),
		instants:  make(map[int64]struct{}),
		nextPort:  firstPort,
		ephemeral: 32768,
	}, nil
}

// Listen listens on a port of 127.0.0.1. For port 0 it takes the next free port from 9092
// on. Brokers are numbered from 0, in the order in which their ports were first listened
// on. A port keeps its number when it is closed and listened on again. The signature is
// that of net.Listen.
func (n *Network) Listen(_, address string) (net.Listener, error) {
	port, err := portOf(address)
	if err != nil {
		return nil, fmt.Errorf("simnet: listen: %w", err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return nil, fmt.Errorf("simnet: listen on %q: %w", address, ErrClosed)
	}
	if port == 0 {
		for n.listeners[n.nextPort] != nil {
			n.nextPort++
		}
		port = n.nextPort
	}
	if n.listeners[port] != nil {
		return nil, fmt.Errorf("simnet: listen on %q: port in use", address)
	}
	broker, ok := n.brokers[port]
	if !ok {
		broker = int32(len(n.brokers))
		n.brokers[port] = broker
	}
	l := newListener(n, port, broker)
	n.listeners[port] = l
	return l, nil
}

func portOf(address string) (int, error) {
	_, s, err := net.SplitHostPort(address)
	if err != nil {
		return 0, fmt.Errorf("address %q: %w", address, err)
	}
	port, err := strconv.Atoi(s)
	if err != nil || port < 0 || port > 65535 {
		return 0, fmt.Errorf("address %q: port must be a number from 0 to 65535", address)
	}
	return port, nil
}

// Direct dials outside the simulation: the connection has no latency and no faults, it is
// not observed, and neither [Network.DropConns] nor [Network.Conns] sees it. It is meant
// for the harness itself.
func (n *Network) Direct(_ context.Context, _, address string) (net.Conn, error) {
	port, err := portOf(address)
	if err != nil {
		return nil, dialError(nil, err)
	}
	addr := tcpAddr(port)
	p := newDirect(n, addr)
	n.mu.Lock()
	l := n.listeners[port]
	if l == nil || n.closed {
		n.mu.Unlock()
		return nil, refused(addr)
	}
	n.pairs = append(n.pairs, p)
	n.mu.Unlock()
	if !l.push(&p.broker) {
		n.forget(p)
		return nil, refused(addr)
	}
	return &p.client, nil
}

// Dialer returns the dial function of a client. Dialers for the same name share its dial
// numbers and its faults. The host part of an address is ignored.
func (n *Network) Dialer(client string) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, _, address string) (net.Conn, error) {
		return n.dial(ctx, client, address)
	}
}

func (n *Network) dial(ctx context.Context, client, address string) (net.Conn, error) {
	port, err := portOf(address)
	if err != nil {
		return nil, dialError(nil, err)
	}
	addr := tcpAddr(port)
	n.mu.Lock()
	broker, known := n.brokers[port]
	if !known || n.closed {
		n.mu.Unlock()
		return nil, refused(addr)
	}
	who := n.client(client)
	number, at := n.dialNumber(client, broker)
	n.mu.Unlock()
	who.sent.Add(1)

	p := newPair(n, client, broker, number, at, addr)
	p.sent = &who.sent
	if err := n.connect(ctx, p, addr); err != nil {
		return nil, err
	}
	n.mu.Lock()
	l := n.listeners[port]
	if l == nil || n.closed {
		n.mu.Unlock()
		return nil, refused(addr)
	}
	n.ephemeral++
	p.client.local.Port = n.ephemeral
	p.broker.remote.Port = n.ephemeral
	n.pairs = append(n.pairs, p)
	n.mu.Unlock()
	if !l.push(&p.broker) {
		p.reset(nil)
		n.forget(p)
		return nil, refused(addr)
	}
	return &p.client, nil
}

// connect waits for as long as the dial takes, and asks the faults what happens to it.
func (n *Network) connect(ctx context.Context, p *pair, addr net.Addr) error {
	to, back := &p.toBroker, &p.toClient
	d := to.latency.draw(to.rng) + back.latency.draw(back.rng)
	limit := time.Time{}
	counted := make(map[*Effect]bool)
	for {
		n.mu.Lock()
		changed := n.changed
		n.mu.Unlock()
		verdict, extra := n.judgeDial(p, counted)
		if d+extra > 0 {
			p.clock(d + extra)
		}
		if err := sleep(ctx, n, to.lane, d+extra); err != nil {
			return dialError(addr, err)
		}
		d = 0
		switch verdict {
		case dialRefused:
			return refused(addr)
		case dialGoes:
			return nil
		}
		if limit.IsZero() {
			limit = time.Now().Add(n.cfg.DialTimeout)
		}
		if err := waitChange(ctx, n, changed, limit); err != nil {
			return dialError(addr, err)
		}
	}
}

func sleep(ctx context.Context, n *Network, l Lane, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	at := n.claim(l.Next(time.Now().Add(d)))
	defer n.release(at)
	t := time.NewTimer(time.Until(at))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-n.done:
		return ErrClosed
	}
}

// waitChange waits until a fault is undone.
func waitChange(ctx context.Context, n *Network, changed <-chan struct{}, limit time.Time) error {
	t := time.NewTimer(time.Until(limit))
	defer t.Stop()
	select {
	case <-changed:
		return nil
	case <-t.C:
		return os.ErrDeadlineExceeded
	case <-ctx.Done():
		return ctx.Err()
	case <-n.done:
		return ErrClosed
	}
}

// claim takes the instant at or, if it is taken, the next free one of the same lane, so
// that no two deliveries happen at one instant. An instant can be taken only if two links
// use the same lane: in a network with hundreds of clients, or when a client opens a
// connection while an old one for the same use is still closing.
func (n *Network) claim(at time.Time) time.Time {
	n.instantMu.Lock()
	defer n.instantMu.Unlock()
	for {
		if _, taken := n.instants[at.UnixNano()]; !taken {
			n.instants[at.UnixNano()] = struct{}{}
			return at
		}
		at = at.Add(Round)
	}
}

func (n *Network) release(at time.Time) {
	n.instantMu.Lock()
	delete(n.instants, at.UnixNano())
	n.instantMu.Unlock()
}

func (n *Network) forget(p *pair) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if i := slices.Index(n.pairs, p); i >= 0 {
		n.pairs = slices.Delete(n.pairs, i, i+1)
	}
}

// live returns the connections that a target matches, oldest first.
func (n *Network) live(t Target) []*pair {
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []*pair
	for _, p := range n.pairs {
		if p.direct || p.down.Load() {
			continue
		}
		if t.matchesConn(p) {
			out = append(out, p)
		}
	}
	return out
}

// Conns returns the number of open connections that a target matches.
func (n *Network) Conns(t Target) int { return len(n.live(t)) }

// Held returns the number of connections that a client has and has not closed. One that it has closed
// may be open at the broker, if that could not hear of it.
func (n *Network) Held(client string) (held int) {
	for _, p := range n.live(Target{Clients: []string{client}}) {
		if !p.client.closed.Load() {
			held++
		}
	}
	return held
}

// Close closes the listeners, resets every connection immediately and stops all timers. From
// then on dials fail and waiters return. Close never blocks and may be called again.
func (n *Network) Close() error {
	n.mu.Lock()
	if n.closed {
		n.mu.Unlock()
		return nil
	}
	n.closed = true
	close(n.done)
	pairs := n.pairs
	n.pairs = nil
	listeners := slices.Collect(maps.Values(n.listeners))
	n.mu.Unlock()
	for _, l := range listeners {
		_ = l.Close()
	}
	for _, p := range pairs {
		p.toBroker.kill()
		p.toClient.kill()
	}
	if fs := n.faults.Swap(nil); fs != nil {
		for _, f := range *fs {
			f.stop()
		}
	}
	return nil
}
