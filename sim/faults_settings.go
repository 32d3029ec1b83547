package sim

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/internal/simnet"
)

// AlterTopic changes a setting of the topic while clients run, and changes it back.
type AlterTopic struct {
	// Config is Kafka's name for the setting, and Value its new value.
	Config string `plan:"config"`
	Value  string `plan:"value"`
	Span
}

// Kind implements Fault.
func (f AlterTopic) Kind() string { return "alter-topic" }

// String implements Fault.
func (f AlterTopic) String() string { return line(f.Kind(), &f) }

// Settings that may change, by Kafka's names.
const (
	settingMessage   = "max.message.bytes"
	settingRetention = "delete.retention.ms"
	settingPolicy    = "cleanup.policy"
	settingInSync    = "min.insync.replicas"
)

var settings = []string{settingMessage, settingRetention, settingPolicy, settingInSync}

// smallestMessage leaves enough for what the harness itself writes.
const smallestMessage = 1000

func (f AlterTopic) check(*Plan) error {
	switch f.Config {
	case settingPolicy:
		if f.Value != "compact" && f.Value != "delete" && f.Value != "compact,delete" {
			return fmt.Errorf("value=%s has to be compact, delete or compact,delete", f.Value)
		}
	case settingMessage, settingRetention, settingInSync:
		n, err := positive("value", f.Value)
		switch {
		case err != nil:
			return err
		case f.Config == settingMessage && n < smallestMessage:
			return fmt.Errorf("value is %d and has to be %d or more, which the writes of others need", n, smallestMessage)
		}
	default:
		return fmt.Errorf("config=%s can't be changed: use %s", f.Config, strings.Join(settings, ", "))
	}
	return f.mustLast()
}

func (f AlterTopic) start(_ context.Context, w *world) (*effect, error) {
	var tallies []*tally
	if f.Config == settingMessage {
		tallies = w.tallies(produce)
	}
	restore, err := w.altered.set(w, f.Config, f.Value)
	if err != nil {
		return nil, err
	}
	asked := w.net.Count(simnet.Target{Dir: simnet.ToBroker, Keys: f.meets()})
	return w.noting(sometimesAltered, during(asked, func() error {
		for _, t := range tallies {
			t.judge()
		}
		return restore()
	})), nil
}

// meets are the requests that the setting affects.
func (f AlterTopic) meets() []int16 {
	switch f.Config {
	case settingMessage, settingInSync:
		return asking[:1]
	case settingPolicy: // a client that opens asks, and does not open
		return append(slices.Clone(asking), int16(kmsg.DescribeConfigs))
	}
	return asking
}

// alterations are the settings that the topic has now.
type alterations struct {
	mu  sync.Mutex
	all []alteration // in the order in which they were made
	// past are all changes, in their order.
	past []altered
	// kept are the periods for which tombstones were kept, and since when.
	kept []keeping
}

type alteration struct{ config, value string }

// altered is a setting that changed.
type altered struct {
	alteration
	at time.Time
}

type keeping struct {
	since time.Time
	d     time.Duration
}

// set changes a setting until the returned function is called. The newest
// alteration of a setting counts, and the plan's value when there is none.
func (a *alterations) set(w *world, config, value string) (restore func() error, err error) {
	a.mu.Lock()
	a.all = append(a.all, alteration{config, value})
	a.mu.Unlock()
	return func() error {
		a.mu.Lock()
		i := slices.Index(a.all, alteration{config, value})
		a.all = slices.Delete(a.all, i, i+1)
		now := a.now(w, config)
		a.mu.Unlock()
		return a.apply(w, config, now)
	}, a.apply(w, config, value)
}

// now returns the value that a setting should have. The lock is held.
func (a *alterations) now(w *world, config string) string {
	value := w.plan.topicConfigs()[config] // "" is Kafka's default
	for _, x := range a.all {
		if x.config == config {
			value = x.value
		}
	}
	return value
}

func (a *alterations) apply(w *world, config, value string) error {
	w.logMu.Lock()
	defer w.logMu.Unlock()
	if config == settingRetention {
		d := 24 * time.Hour
		if ms, err := positive(config, value); err == nil {
			d = time.Duration(ms) * time.Millisecond
		}
		a.mu.Lock()
		a.kept = append(a.kept, keeping{time.Now(), d})
		a.mu.Unlock()
	}
	// While the brokers change it, they may report either value.
	a.mu.Lock()
	a.past = append(a.past, altered{alteration{config, value}, time.Now()})
	a.mu.Unlock()
	return w.cluster.AlterTopic(map[string]string{config: value})
}

// values returns the values that a setting had between two moments, in order.
func (a *alterations) values(w *world, config string, from, to time.Time) []string {
	all := []string{defaulted(config, w.plan.topicConfigs()[config])}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, x := range a.past {
		switch {
		case x.config != config || x.at.After(to):
		case x.at.After(from):
			all = append(all, defaulted(config, x.value))
		default:
			all = []string{defaulted(config, x.value)}
		}
	}
	return all
}

// defaulted returns the value of a setting, Kafka's default where there is none.
func defaulted(config, value string) string {
	if value == "" && config == settingMessage {
		return "1048588"
	}
	return value
}

// settingsKnown is how long clients may need to hear of a setting that changed:
// they ask every 30 seconds.
const settingsKnown = 40 * time.Second

// retention returns how long tombstones are to be kept, and the shortest and the longest
// such time in the recent past: clients may not have heard of the newest.
func (w *world) retention() (least, now, most time.Duration) {
	w.altered.mu.Lock()
	defer w.altered.mu.Unlock()
	all := append([]keeping{{d: w.plan.World.Tombstones}}, w.altered.kept...)
	all[0].d = cmp.Or(all[0].d, 24*time.Hour)
	last := len(all) - 1
	now = all[last].d
	least, most = now, now
	for i, k := range all[:last] {
		if time.Since(all[i+1].since) <= settingsKnown {
			least, most = min(least, k.d), max(most, k.d)
		}
	}
	return least, now, most
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
