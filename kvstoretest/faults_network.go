package kvstoretest

import (
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/internal/simnet"
)

// mostDelay is the bound of delays. A client that waits longer for an answer gives up on the
// connection, tries again, and never gets anywhere.
const mostDelay = 10 * time.Second

// fetched is what the named clients read from the log.
func fetched(clients []string) Traffic {
	return Traffic{Clients: clients, Dir: ToClient, APIs: []kmsg.Key{kmsg.Fetch}}
}

// produced is what the named clients write.
func produced(clients []string) Traffic {
	return Traffic{Clients: clients, APIs: []kmsg.Key{kmsg.Produce}}
}

// Lag makes what the named clients (all, if none is named) read from the log arrive d later. d must
// be less than 10 s. Their own writes become visible to them that much later too, and so return
// later. To let a client read nothing for longer, use [Kit.PauseFetches].
func (k *Kit) Lag(d time.Duration, clients ...string) *Effect {
	k.t.Helper()
	l := k.links("Lag", fetched(clients))
	return l.delay("Lag", line("lag", "client", clientsOf(clients), "delay", d), d)
}

// Latency makes everything between the named clients (all, if none is named) and the brokers take d
// longer one way, including dials. A round trip must take less than 10 s. Latency adds to
// [WithLatency].
func (k *Kit) Latency(d time.Duration, clients ...string) *Effect {
	k.t.Helper()
	return k.links("Latency", Traffic{Clients: clients}).Latency(d)
}

// PauseFetches holds what the named clients (all, if none is named) read from the log until the
// fault is undone. Then everything arrives in order. Hits counts the answers held; the first hit
// shows that there was something to read.
func (k *Kit) PauseFetches(clients ...string) *Effect {
	k.t.Helper()
	return k.links("PauseFetches", fetched(clients)).Stall()
}

// BlackHole swallows everything between the named clients (all, if none is named) and the brokers,
// and holds dials, while connections stay open. When it is undone, connections that lost something
// are reset, as if the other end had given up.
func (k *Kit) BlackHole(clients ...string) *Effect {
	k.t.Helper()
	return k.links("BlackHole", Traffic{Clients: clients}).swallow(true)
}

// DropConnections resets all connections of the named clients (all, if none is
// named), now. Hits is the number of connections.
func (k *Kit) DropConnections(clients ...string) *Effect {
	k.t.Helper()
	return k.links("DropConnections", Traffic{Clients: clients}).DropConnections()
}

// LoseAnswers lets the broker act on the next n writes of the named clients (all, if none is named),
// and loses its answers together with the connections. 0 means every write until the fault is undone.
// By the time a hit is counted, the records are in the log, but the client can't know. It tries again,
// and the broker recognises the duplicate.
func (k *Kit) LoseAnswers(n int, clients ...string) *Effect {
	k.t.Helper()
	return k.links("LoseAnswers", produced(clients)).LoseAnswers(n)
}

// LoseRequests loses the next n writes of the named clients (all, if none is named) on their way to
// the broker, together with the connections. 0 means every write until the fault is undone.
func (k *Kit) LoseRequests(n int, clients ...string) *Effect {
	k.t.Helper()
	return k.links("LoseRequests", produced(clients)).LoseRequests(n)
}

// Silence lets a broker take connections, and neither hear nor answer anything, as one that stands
// still. What a connection carried meanwhile is lost, and it stays silent after Undo: it takes the
// client's own timeout to find out. Hits counts the messages lost.
func (k *Kit) Silence(broker int) *Effect {
	k.t.Helper()
	l := k.links("Silence", Traffic{Brokers: []int{broker}})
	return l.during(l.line("silence"), l.ok, func(n *simnet.Network) *simnet.Effect { return n.Silence(l.target) })
}

func (k *Kit) countable(call string, n int) bool {
	k.t.Helper()
	return k.require(n >= 0, "%s(%d): the number can't be negative; 0 means until it is undone", call, n)
}
