package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"

	"github.com/kvsim/kvsim/cmd/kvsim/internal/engine"
	"github.com/kvsim/kvsim/cmd/kvsim/internal/engine/world"
	"github.com/kvsim/kvsim/cmd/kvsim/internal/kafkaworld"
	"github.com/kvsim/kvsim/kvstoretest/realkafka"
	"github.com/kvsim/kvsim/sim"
)

// inContainers is the value of --kafka that starts brokers in containers.
const inContainers = "testcontainers"

// existing reports whether --kafka names existing brokers.
func (o *engineOptions) existing() bool { return o.kafka != "" && o.kafka != inContainers }

// addrs returns the addresses of brokers in --kafka, none for containers.
func (o *engineOptions) addrs() ([]string, error) {
	if !o.existing() {
		return nil, nil
	}
	if strings.Contains(o.kafka, "@") { // nothing of it is repeated, or goes into a capsule
		return nil, usagef("--kafka: an address has a user or a password, and can't have one: write host:port")
	}
	var out []string
	for addr := range strings.SplitSeq(o.kafka, ",") {
		addr = strings.TrimSpace(addr)
		host, port, err := net.SplitHostPort(addr)
		n, numErr := strconv.Atoi(port)
		if err != nil || numErr != nil || host == "" || n < 1 || n > 65535 {
			return nil, usagef("--kafka %s: %q is no address of a broker: write %s, or brokers as host:port,host:port", o.kafka, addr, inContainers)
		}
		out = append(out, addr)
	}
	return out, nil
}

// startReal starts the real engine, on kfake or on real brokers.
func startReal(ctx context.Context, o engineOptions, progress io.Writer) (engine.Engine, error) {
	env := world.Env{LateTap: true}
	run := func(ctx context.Context, job world.Job, _ func(*world.Result)) (*world.Result, error) {
		return world.RunInFiles(ctx, job, env)
	}
	if o.kafka == "" {
		return engine.NewReal(run, nil), nil
	}
	addrs, err := o.addrs()
	if err != nil {
		return nil, err
	}
	if len(addrs) == 0 {
		fmt.Fprintf(progress, "kvsim: starting %d broker(s) in containers\n", max(1, o.brokers))
	}
	brokers, err := kafkaworld.Start(ctx, kafkaworld.Options{Addrs: addrs, Brokers: o.brokers})
	switch {
	case errors.Is(err, realkafka.ErrUnavailable):
		return nil, fmt.Errorf("--kafka %s: %w\nAn existing cluster is named by --kafka host:port,host:port", o.kafka, err)
	case err != nil:
		return nil, fmt.Errorf("--kafka %s: %w", o.kafka, err)
	}
	fmt.Fprintf(progress, "kvsim: worlds run on %v\n", brokers)
	env.Cluster = brokers.Cluster
	return engine.NewReal(run, brokers), nil
}

// onBrokers returns the source of plans for the engine's brokers, if they are real. It leaves
// out faults that can't be done to them, and says so on stderr, once for each.
func onBrokers(s planSource, eng engine.Engine, stderr io.Writer) planSource {
	r, ok := eng.(*engine.Real)
	if !ok || r.Brokers() == nil {
		return s
	}
	abilities := r.Brokers().Abilities()
	plan := s.plan
	if s.draw != nil {
		plan = func(seed uint64) (sim.Plan, error) { return s.draw(seed, abilities.Brokers) }
	}
	var mu sync.Mutex
	said := map[string]bool{}
	s.plan = func(seed uint64) (sim.Plan, error) {
		p, err := plan(seed)
		if err != nil {
			return p, err
		}
		p, notes := p.Fit(abilities)
		mu.Lock()
		defer mu.Unlock()
		for _, n := range notes {
			if !said[n] {
				said[n] = true
				fmt.Fprintf(stderr, "kvsim: left out: %s\n", n)
			}
		}
		return p, nil
	}
	return s
}
