package kvstoretest

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/internal/fakecluster"
	"github.com/kvsim/kvsim/internal/simnet"
)

// Direction says which way a message goes.
type Direction int

// The directions.
const (
	BothWays Direction = iota // requests and answers
	ToBroker                  // requests
	ToClient                  // answers
)

// String returns the direction as plans of package sim write it; nothing for both.
func (d Direction) String() string {
	switch d {
	case BothWays:
		return ""
	case ToBroker:
		return "to-broker"
	case ToClient:
		return "to-client"
	}
	return fmt.Sprintf("Direction(%d)", int(d))
}

// Traffic says which messages a fault of the network acts on; see [Kit.On]. The zero value is
// everything, dials too.
type Traffic struct {
	// Clients are names of clients; empty means all.
	Clients []string
	// Brokers are numbers of brokers; empty means all.
	Brokers []int
	// Dir is the way of the messages.
	Dir Direction
	// APIs are the requests, and the answers to them; empty means all. With APIs
	// no dials are selected, and of connections those with such a request under way.
	APIs []kmsg.Key
}

// Links carry the traffic that [Kit.On] selected. Its methods are the faults of the network.
type Links struct {
	k      *Kit
	on     Traffic
	target simnet.Target
	ok     bool // false after a misuse
}

// On selects traffic, so that a fault of the network acts on nothing else:
//
//	kit.On(kvstoretest.Traffic{Clients: []string{"app"}, APIs: []kmsg.Key{kmsg.Metadata}}).Stall()
//
// The calls of the kit that take names of clients are these faults too, for the traffic that most
// tests need: [Kit.LoseAnswers] is that of APIs kmsg.Produce.
func (k *Kit) On(t Traffic) *Links {
	k.t.Helper()
	return k.links("On", t)
}

// links is [Kit.On] for the call of that name.
func (k *Kit) links(call string, on Traffic) *Links {
	k.t.Helper()
	l := &Links{k: k, on: on}
	if l.target, l.ok = k.target(call, on.Clients); !l.ok {
		return l
	}
	for _, b := range on.Brokers {
		if !k.exists(call, b) {
			l.ok = false
			return l
		}
		l.target.Brokers = append(l.target.Brokers, int32(b))
	}
	switch on.Dir {
	case BothWays:
	case ToBroker:
		l.target.Dir = simnet.ToBroker
	case ToClient:
		l.target.Dir = simnet.ToClient
	default:
		l.ok = false
		k.misuse("%s: there is no %v: use BothWays, ToBroker or ToClient", call, on.Dir)
	}
	for _, api := range on.APIs {
		l.target.Keys = append(l.target.Keys, int16(api))
	}
	return l
}

// Latency makes the messages take d longer one way; d must be less than 10 s, and less than half
// of it if they go both ways. Hits counts messages and dials.
func (l *Links) Latency(d time.Duration) *Effect {
	l.k.t.Helper()
	return l.delay("Latency", l.line("latency", "min", d), d)
}

func (l *Links) delay(call, text string, d time.Duration) *Effect {
	l.k.t.Helper()
	most := mostDelay
	if l.on.Dir == BothWays {
		most /= 2
	}
	ok := l.ok && l.k.require(d > 0 && d < most, "%s(%v): the delay has to be more than zero and less than %v, after which clients give up on an answer; see PauseFetches", call, d, most)
	return inject(l.k, fmt.Sprintf("%s(%v)", call, d), text, ok, func(t simnet.Target) (fakecluster.Effect, error) {
		return l.k.cluster.Network().Delay(t, constant(d))
	}, l.target)
}

// Stall holds the messages, and what is behind them on the same connection, until the fault is
// undone. Then everything arrives in order. Hits counts messages and dials.
func (l *Links) Stall() *Effect {
	l.k.t.Helper()
	return l.during(l.line("stall"), l.ok, func(n *simnet.Network) *simnet.Effect { return n.Stall(l.target) })
}

// during is a fault of the network, unless what was asked for makes no sense.
func (l *Links) during(text string, ok bool, start func(*simnet.Network) *simnet.Effect) *Effect {
	l.k.t.Helper()
	if !ok {
		return l.k.inert(text)
	}
	return l.k.lasting(text, start(l.k.cluster.Network()))
}

// BlackHole swallows the messages, and holds dials, while connections stay open. A connection that
// lost something stays silent that way after Undo: it takes the client's own timeout to find out;
// [Kit.BlackHole] resets it. Hits counts messages and dials.
func (l *Links) BlackHole() *Effect {
	l.k.t.Helper()
	return l.swallow(false)
}

// swallow is a black hole. If reset is set, its end resets connections that may have lost something.
func (l *Links) swallow(reset bool) *Effect {
	l.k.t.Helper()
	text := l.line("black-hole")
	if !l.ok {
		return l.k.inert(text)
	}
	net := l.k.cluster.Network()
	f := net.BlackHole(l.target)
	return l.k.install(&Effect{text: text, hits: f.Hits, wait: f.Wait, undo: func() error {
		f.Undo()
		if reset && f.Hits() > 0 {
			net.DropConns(l.target)
		}
		return nil
	}})
}

// LoseRequests loses the next n requests before a broker acts on them, together with their
// connections. 0 means every request until the fault is undone. Dir does not matter.
func (l *Links) LoseRequests(n int) *Effect {
	l.k.t.Helper()
	ok := l.ok && l.k.countable("LoseRequests", n)
	return l.during(l.line("lose-request", "count", n), ok, func(net *simnet.Network) *simnet.Effect { return net.LoseRequest(l.target, n) })
}

// LoseAnswers lets brokers act on the next n requests, and loses their answers together with the
// connections. 0 means every answer until the fault is undone. Dir does not matter.
func (l *Links) LoseAnswers(n int) *Effect {
	l.k.t.Helper()
	ok := l.ok && l.k.countable("LoseAnswers", n)
	return l.during(l.line("lose-answer", "count", n), ok, func(net *simnet.Network) *simnet.Effect { return net.LoseAnswer(l.target, n) })
}

// CutFrames delivers only the first bytes bytes of the next n messages, half of each if bytes is 0
// or more than it has, and resets their connections then. If n is 0, it does so until it is undone.
func (l *Links) CutFrames(n, bytes int) *Effect {
	l.k.t.Helper()
	text := l.line("cut-frame", "bytes", bytes, "count", n)
	ok := l.ok && l.k.countable("CutFrames", n) &&
		l.k.require(bytes >= 0, "CutFrames(%d, %d): a message has no negative number of bytes; 0 means half of it", n, bytes)
	return l.during(text, ok, func(net *simnet.Network) *simnet.Effect { return net.CutFrame(l.target, bytes, n) })
}

// Throttle makes the brokers' answers to the next n requests tell clients to wait for d, in whole
// milliseconds, before they send more on the same connection, as under a quota of requests. The answers
// have everything that was asked for; see [Kit.ThrottleFetches] for a quota of bytes. 0 means every
// answer until the fault is undone. Dir does not matter.
func (l *Links) Throttle(n int, d time.Duration) *Effect {
	l.k.t.Helper()
	ok := l.ok && l.k.countable("Throttle", n) &&
		l.k.require(d >= time.Millisecond, "Throttle(%d, %v): the time has to be at least one millisecond", n, d)
	return l.during(l.line("throttle", "delay", d, "count", n), ok, func(net *simnet.Network) *simnet.Effect {
		return net.EditAnswers(l.target, fakecluster.Throttled(d), n)
	})
}

// DropConnections resets the connections, now. Hits is the number of connections.
func (l *Links) DropConnections() *Effect {
	l.k.t.Helper()
	text := l.line("reset")
	if !l.ok {
		return l.k.inert(text)
	}
	return l.k.done(text, l.k.cluster.Network().DropConns(l.target))
}

// line is a fault of the links as plans write it.
func (l *Links) line(kind string, settings ...any) string {
	brokers := make([]string, len(l.on.Brokers))
	for i, b := range l.on.Brokers {
		brokers[i] = strconv.Itoa(b)
	}
	return line(kind, append([]any{
		"client", clientsOf(l.on.Clients), "broker", strings.Join(brokers, ","),
		"dir", l.on.Dir.String(), "api", apisOf(l.on.APIs),
	}, settings...)...)
}

// apisOf are requests as plans name them: offset-for-leader-epoch.
func apisOf(keys []kmsg.Key) string {
	var b strings.Builder
	for i, key := range keys {
		if i > 0 {
			b.WriteByte(',')
		}
		name := []rune(key.Name())
		for i, r := range name {
			// A word begins in camel case: SASLHandshake has two of them.
			if i > 0 && unicode.IsUpper(r) && (unicode.IsLower(name[i-1]) || i+1 < len(name) && unicode.IsLower(name[i+1])) {
				b.WriteByte('-')
			}
			b.WriteRune(unicode.ToLower(r))
		}
	}
	return b.String()
}
