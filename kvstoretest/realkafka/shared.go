package realkafka

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"testing"
	"time"
)

// unique returns a name that no other run uses.
func unique() string { return rand.Text()[:12] }

// shared are the clusters of a test binary whose TestMain calls Run.
var shared = struct {
	sync.Mutex
	running  bool // within Run
	clusters map[string]*slot
}{clusters: map[string]*slot{}}

// slot is one shared cluster, or the reason why there is none.
type slot struct {
	once  sync.Once
	kafka *Kafka
	err   error

	mu    sync.Mutex
	tests map[string]bool
}

// Run runs the tests of a binary and removes the containers that they shared.
// It is for TestMain:
//
//	func TestMain(m *testing.M) { os.Exit(realkafka.Run(m)) }
//
// It prints which brokers ran and how many tests ran on each.
func Run(m interface{ Run() int }) int {
	shared.Lock()
	shared.running = true
	shared.Unlock()
	code := m.Run()
	shared.Lock()
	defer shared.Unlock()
	shared.running = false
	for _, key := range slices.Sorted(maps.Keys(shared.clusters)) {
		s := shared.clusters[key]
		if s.kafka == nil {
			continue
		}
		fmt.Fprintf(os.Stdout, "realkafka: %d tests ran on %v\n", len(s.tests), s.kafka)
		if err := s.kafka.Close(); err != nil {
			fmt.Fprintln(os.Stderr, "realkafka:", err)
			code = max(code, 1)
		}
	}
	clear(shared.clusters)
	return code
}

// acquire returns a cluster for a test: the shared one, or one that ends with
// the test.
func acquire(t testing.TB, cfg config) (*Kafka, error) {
	shared.Lock()
	share := shared.running && !cfg.own
	s := shared.clusters[cfg.key()]
	if s == nil || !share {
		s = &slot{tests: map[string]bool{}}
	}
	if share {
		shared.clusters[cfg.key()] = s
	}
	shared.Unlock()

	s.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
		defer cancel()
		s.kafka, s.err = launch(ctx, cfg)
	})
	if s.err != nil {
		return nil, s.err
	}
	s.mu.Lock()
	s.tests[t.Name()] = true
	s.mu.Unlock()
	if !share {
		t.Cleanup(func() {
			t.Logf("realkafka: ran on %v", s.kafka)
			if err := s.kafka.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	return s.kafka, nil
}
