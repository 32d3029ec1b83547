package kvstoretest

import (
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/internal/simnet"
)

// fetches are the answers that bring records to a client.
func fetches(t simnet.Target) simnet.Target {
	t.Dir = simnet.ToClient
	t.Keys = []int16{int16(kmsg.Fetch)}
	return t
}

// mostDelay is the bound of delays. A client that waits longer for an answer gives up on the
// connection, tries again, and never gets anywhere.
const mostDelay = 10 * time.Second

// Lag makes what the named clients (all, if none is named) read from the log arrive d later. d must
// be less than 10 s. Their own writes become visible to them that much later too, and so return
// later. To let a client read nothing for longer, use [Kit.PauseFetches].
func (k *Kit) Lag(d time.Duration, clients ...string) *Fault {
	k.t.Helper()
	text := line("lag", "client", clientsOf(clients), "delay", d)
	return k.delay("Lag", text, d, mostDelay, clients, fetches)
}

// Latency makes everything between the named clients (all, if none is named) and the brokers take d
// longer one way, including dials. A round trip must take less than 10 s. Latency adds to
// [WithLatency].
func (k *Kit) Latency(d time.Duration, clients ...string) *Fault {
	k.t.Helper()
	text := line("latency", "client", clientsOf(clients), "min", d)
	return k.delay("Latency", text, d, mostDelay/2, clients, func(t simnet.Target) simnet.Target { return t })
}

func (k *Kit) delay(call, text string, d, most time.Duration, clients []string, narrow func(simnet.Target) simnet.Target) *Fault {
	k.t.Helper()
	t, ok := k.target(call, clients)
	if ok && (d <= 0 || d >= most) {
		k.misuse("%s(%v): the delay has to be more than zero and less than %v, after which clients give up on an answer; see PauseFetches", call, d, most)
		ok = false
	}
	if !ok {
		return k.inert(text)
	}
	f, err := k.cluster.Network().Delay(narrow(t), constant(d))
	if err != nil {
		k.fatal("%s(%v): %v", call, d, err)
		return k.inert(text)
	}
	return k.lasting(text, f)
}

// PauseFetches holds what the named clients (all, if none is named) read from the log until the
// fault is undone. Then everything arrives in order. Hits counts the answers held; the first hit
// shows that there was something to read.
func (k *Kit) PauseFetches(clients ...string) *Fault {
	k.t.Helper()
	text := line("stall", "client", clientsOf(clients), "dir", "to-client", "api", "fetch")
	t, ok := k.target("PauseFetches", clients)
	if !ok {
		return k.inert(text)
	}
	return k.lasting(text, k.cluster.Network().Stall(fetches(t)))
}

// BlackHole swallows everything between the named clients (all, if none is named) and the brokers,
// and holds dials, while connections stay open. When it is undone, connections that lost something
// are reset, as if the other end had given up.
func (k *Kit) BlackHole(clients ...string) *Fault {
	k.t.Helper()
	text := line("black-hole", "client", clientsOf(clients))
	t, ok := k.target("BlackHole", clients)
	if !ok {
		return k.inert(text)
	}
	f := k.cluster.Network().BlackHole(t)
	return k.install(&Fault{text: text, hits: f.Hits, wait: f.Wait, undo: func() error {
		f.Undo()
		if f.Hits() > 0 {
			k.cluster.Network().DropConns(t)
		}
		return nil
	}})
}

// DropConnections resets all connections of the named clients (all, if none is
// named), now. Hits is the number of connections.
func (k *Kit) DropConnections(clients ...string) *Fault {
	k.t.Helper()
	text := line("reset", "client", clientsOf(clients))
	t, ok := k.target("DropConnections", clients)
	if !ok {
		return k.inert(text)
	}
	return k.done(text, k.cluster.Network().DropConns(t))
}

// LoseAnswers lets the broker act on the next n writes of the named clients (all, if none is named),
// and loses its answers together with the connections. 0 means every write until the fault is undone.
// By the time a hit is counted, the records are in the log, but the client can't know. It tries again,
// and the broker recognises the duplicate.
func (k *Kit) LoseAnswers(n int, clients ...string) *Fault {
	k.t.Helper()
	text := line("lose-answer", "client", clientsOf(clients), "api", "produce", "count", n)
	t, ok := k.target("LoseAnswers", clients)
	if !ok || !k.countable("LoseAnswers", n) {
		return k.inert(text)
	}
	t.Keys = []int16{int16(kmsg.Produce)}
	return k.lasting(text, k.cluster.Network().LoseAnswer(t, n))
}

// LoseRequests loses the next n writes of the named clients (all, if none is named) on their way to
// the broker, together with the connections. 0 means every write until the fault is undone.
func (k *Kit) LoseRequests(n int, clients ...string) *Fault {
	k.t.Helper()
	text := line("lose-request", "client", clientsOf(clients), "api", "produce", "count", n)
	t, ok := k.target("LoseRequests", clients)
	if !ok || !k.countable("LoseRequests", n) {
		return k.inert(text)
	}
	t.Keys = []int16{int16(kmsg.Produce)}
	return k.lasting(text, k.cluster.Network().LoseRequest(t, n))
}

func (k *Kit) countable(call string, n int) bool {
	k.t.Helper()
	if n < 0 {
		k.misuse("%s(%d): the number can't be negative; 0 means until it is undone", call, n)
	}
	return n >= 0
}
