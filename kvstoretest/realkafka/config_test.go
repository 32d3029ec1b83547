package realkafka_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/kvsim/kvsim/kvstoretest/realkafka"
)

// noEngine makes this process find no Docker engine and no brokers.
func noEngine(t *testing.T) {
	t.Helper()
	for _, name := range []string{realkafka.EnvBrokers, realkafka.EnvImage, realkafka.EnvRequire} {
		t.Setenv(name, "")
	}
}

// recorder is a testing.TB that keeps how a test was ended.
type recorder struct {
	testing.TB
	skipped, failed string
}

type ended struct{}

func (r *recorder) Skipf(format string, args ...any) {
	r.skipped = fmt.Sprintf(format, args...)
	panic(ended{})
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.failed = fmt.Sprintf(format, args...)
	panic(ended{})
}

// startOn starts a cluster for a recorder.
func startOn(t *testing.T, opts ...realkafka.Option) (r *recorder) {
	t.Helper()
	r = &recorder{TB: t}
	defer func() {
		if v := recover(); v != nil && v != any(ended{}) {
			panic(v)
		}
	}()
	realkafka.Start(r, opts...)
	return r
}

func TestMissingImageSkipsAndSaysWhy(t *testing.T) {
	noEngine(t)
	r := startOn(t, realkafka.WithImage("kvsim.invalid/no-such-image:1"))
	if r.failed != "" || !strings.Contains(r.skipped, "make ") || !strings.Contains(r.skipped, realkafka.EnvBrokers) {
		t.Errorf("Start with an image that can't be had: skipped %q, failed %q; want a skip that says what to do", r.skipped, r.failed)
	}
}

func TestMissingImageFailsWhereKafkaIsRequired(t *testing.T) {
	noEngine(t)
	t.Setenv(realkafka.EnvRequire, "1")
	r := startOn(t, realkafka.WithImage("kvsim.invalid/no-such-image:1"))
	if r.skipped != "" || !strings.Contains(r.failed, realkafka.EnvRequire) {
		t.Errorf("Start where Kafka is required: skipped %q, failed %q; want a failure that names %s", r.skipped, r.failed, realkafka.EnvRequire)
	}
}

func TestBadOptionsAreExplained(t *testing.T) {
	noEngine(t)
	for want, opts := range map[string][]realkafka.Option{
		"WithBrokers(0): want 1 to 9 brokers": {realkafka.WithBrokers(0)},
		"for Apache Kafka only":               {realkafka.WithRedpanda(), realkafka.WithBrokers(3)},
	} {
		if r := startOn(t, opts...); !strings.Contains(r.failed, want) {
			t.Errorf("failed %q, want %q", r.failed, want)
		}
	}
	t.Setenv(realkafka.EnvBrokers, " , ")
	if r := startOn(t); !strings.Contains(r.failed, "host:port") {
		t.Errorf("failed %q, want how %s is written", r.failed, realkafka.EnvBrokers)
	}
}

// Passwords are in nothing that is printed of brokers, of their options, or of what is wrong
// with them.
func TestPasswordsAreNotPrinted(t *testing.T) {
	noEngine(t)
	const marker = "Marker-7f3a"
	users := realkafka.WithUsers(map[string]string{"ann": marker})
	check := func(where, text string) {
		t.Helper()
		if text == "" || strings.Contains(text, marker) {
			t.Errorf("%s: %q", where, text)
		}
	}
	check("the option", fmt.Sprintf("%v %+v %#v", users, users, users))
	for where, opts := range map[string][]realkafka.Option{
		"too many brokers": {users, realkafka.WithBrokers(10)},
		"Redpanda":         {users, realkafka.WithRedpanda()},
		"an address":       {realkafka.At("host:1", "ann:"+marker+"@host:9092")},
	} {
		check(where, startOn(t, opts...).failed)
	}
	r := startOn(t, users, realkafka.WithImage("kvsim.invalid/no-such-image:1"))
	check("no image", r.skipped)
	t.Setenv(realkafka.EnvBrokers, "sasl_ssl://ann:"+marker+"@host:9092")
	check(realkafka.EnvBrokers, startOn(t).failed)
	k, err := realkafka.Launch(t.Context())
	check("Launch", fmt.Sprintf("%+v %+v", k, err))
}

func TestExistingBrokersCanNotBeStopped(t *testing.T) {
	noEngine(t)
	t.Setenv(realkafka.EnvBrokers, "127.0.0.1:1")
	r := startOn(t, realkafka.WithBrokers(3))
	if !strings.Contains(r.skipped, realkafka.EnvBrokers) {
		t.Errorf("a test that needs brokers of its own: skipped %q, failed %q; want a skip", r.skipped, r.failed)
	}
}

func TestExistingBrokers(t *testing.T) {
	k := realkafka.Start(t)
	t.Setenv(realkafka.EnvBrokers, strings.Join(k.Brokers(), ","))
	external, err := realkafka.Launch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := external.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := external.StopBroker(t.Context(), 1); !errors.Is(err, realkafka.ErrExternal) {
		t.Errorf("StopBroker = %v, want ErrExternal", err)
	}
	topic := k.Topic(nil)
	produce(t, k, topic, record("a", "1"))
	if log, err := external.ReadLog(t.Context(), topic); err != nil || text(log) != "0:a=1" {
		t.Errorf("ReadLog of existing brokers = %q, %v", text(log), err)
	}
	t.Log(external)
}
