package kvstoretest

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/internal/fakecluster"
	"github.com/kvsim/kvsim/internal/simnet"
)

// FailProduces makes the brokers refuse the next n writes with err, before anything is appended.
// 0 means every write until the fault is undone. err is an error of package kerr. A client
// retries after retriable ones, such as kerr.NotEnoughReplicas, and reports the others, such as
// kerr.TopicAuthorizationFailed.
func (k *Kit) FailProduces(n int, err error) *Effect {
	k.t.Helper()
	return k.failProduces("FailProduces", line("fail-produce", "error", errorName(err), "count", n), n, err, false)
}

// FailProducesAfterAppend lets the brokers append the next n writes, and then answer err, an
// error of package kerr such as kerr.RequestTimedOut or kerr.NotEnoughReplicasAfterAppend. 0
// means every write until the fault is undone. The client tries again after retriable ones, and
// the broker recognises the duplicate.
func (k *Kit) FailProducesAfterAppend(n int, err error) *Effect {
	k.t.Helper()
	text := line("fail-produce", "error", errorName(err), "after", true, "count", n)
	return k.failProduces("FailProducesAfterAppend", text, n, err, true)
}

func (k *Kit) failProduces(call, text string, n int, err error, after bool) *Effect {
	k.t.Helper()
	ke, ok := errors.AsType[*kerr.Error](err)
	ok = k.require(ok, "%s(%d, %v): the error has to be one of package kerr, such as kerr.NotEnoughReplicas", call, n, err) && k.countable(call, n)
	return inject(k, call, text, ok, k.cluster.FailProduces, fakecluster.ProduceFault{Topic: k.cfg.topic, Err: ke, AfterAppend: after, Count: n})
}

// SlowBroker makes the brokers wait d before they act on each of the next n requests of the given
// kinds, writes if none is given. 0 means every such request until the fault is undone. What is
// behind such a request on the same connection waits too. To hold requests without an end, use
// [Links.Stall].
func (k *Kit) SlowBroker(n int, d time.Duration, apis ...kmsg.Key) *Effect {
	k.t.Helper()
	text := line("slow-broker", "api", apisOf(apis), "delay", d, "count", n)
	_, ok := k.target("SlowBroker", nil)
	ok = ok && k.countable("SlowBroker", n) && k.require(d > 0, "SlowBroker(%d, %v): the time has to be more than zero", n, d)
	return inject(k, "SlowBroker", text, ok, k.cluster.SlowBroker, fakecluster.Slow{Keys: apis, Delay: d, Count: n})
}

// StopBroker stops a broker: its connections are reset, and dials are refused. It keeps its data
// and stays the leader of its partitions, which nobody can read or write meanwhile; see
// [Kit.MoveLeader]. Undo starts the broker again. Hits counts connections reset and dials refused.
func (k *Kit) StopBroker(broker int) *Effect {
	k.t.Helper()
	text := stopped(broker)
	if _, ok := k.target("StopBroker", nil); !ok || !k.exists("StopBroker", broker) {
		return k.inert(text)
	}
	if k.cluster.Stopped(int32(broker)) {
		k.misuse("StopBroker(%d): it is stopped already", broker)
		return k.inert(text)
	}
	t := simnet.Target{Brokers: []int32{int32(broker)}}
	dropped := k.cluster.Network().Conns(t)
	// If two faults refuse a dial, the first one counts it.
	dials := k.cluster.Network().RefuseDials(t)
	if err := k.cluster.StopBroker(int32(broker)); err != nil {
		dials.Undo()
		k.fatal("stop broker %d: %v", broker, err)
		return k.inert(text)
	}
	return k.install(&Effect{
		text: text,
		hits: func() int { return dropped + dials.Hits() },
		wait: func(ctx context.Context, n int) error { return dials.Wait(ctx, n-dropped) },
		undo: func() error {
			err := k.cluster.StartBroker(int32(broker))
			dials.Undo()
			return err
		},
	})
}

// StartBroker starts a broker that [Kit.StopBroker] stopped: it undoes that
// fault.
func (k *Kit) StartBroker(broker int) {
	k.t.Helper()
	if !k.exists("StartBroker", broker) {
		return
	}
	k.mu.Lock()
	faults := slices.Clone(k.faults)
	k.mu.Unlock()
	i := slices.IndexFunc(faults, func(f *Effect) bool { return f.text == stopped(broker) && f.active() })
	if k.require(i >= 0, "StartBroker(%d): it is running", broker) {
		faults[i].Undo()
	}
}

// stopped returns the text of the fault of a broker that is stopped and started again.
func stopped(broker int) string { return line("restart", "broker", strconv.Itoa(broker)) }

// RestartBrokers stops every broker and starts it again. All data are kept. Hits is the number of
// connections that were reset.
func (k *Kit) RestartBrokers() *Effect {
	k.t.Helper()
	const text = "restart-all"
	t, ok := k.target("RestartBrokers", nil)
	if !ok {
		return k.inert(text)
	}
	dropped := k.cluster.Network().Conns(t)
	if err := k.cluster.RestartAll(); err != nil {
		k.fatal("restart the brokers: %v", err)
	}
	return k.done(text, dropped)
}

// MoveLeader makes a broker the leader of the topic, in a new epoch, even if it is the leader
// already.
func (k *Kit) MoveLeader(to int) *Effect {
	k.t.Helper()
	text := line("move-leader", "broker", strconv.Itoa(to))
	if !k.exists("MoveLeader", to) {
		return k.inert(text)
	}
	if err := k.cluster.MoveLeader(k.cfg.topic, 0, int32(to)); err != nil {
		k.fatal("move the leader: %v", err)
		return k.inert(text)
	}
	return k.done(text, 1)
}

// Leader returns the number of the broker that leads the topic.
func (k *Kit) Leader() int {
	k.t.Helper()
	info, err := k.cluster.Partition(k.cfg.topic, 0)
	if err != nil {
		k.fatal("leader: %v", err)
	}
	return int(info.Leader)
}

func (k *Kit) exists(call string, broker int) bool {
	k.t.Helper()
	n := k.cluster.Brokers()
	return k.require(broker >= 0 && broker < n, "%s(%d): there is no such broker; the kit has %d, numbered from 0 (see WithBrokers)", call, broker, n)
}
