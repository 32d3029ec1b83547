package kvstore_test

import (
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory"
	"github.com/kvsim/kvsim/kvstoretest"
)

// A broker's message can have hundreds of kilobytes. Errors and Status quote its beginning, and still
// match the code that came with it.
func TestLongMessagesOfBrokersAreCut(t *testing.T) {
	long := new("because " + strings.Repeat("x", 1<<18))
	for name, tc := range map[string]struct {
		code   *kerr.Error
		change func(kmsg.Response)
	}{
		"settings": {kerr.PolicyViolation, func(resp kmsg.Response) {
			if r, ok := resp.(*kmsg.DescribeConfigsResponse); ok {
				r.Resources[0].ErrorCode, r.Resources[0].ErrorMessage = kerr.PolicyViolation.Code, long
			}
		}},
		"write": {kerr.PolicyViolation, func(resp kmsg.Response) {
			if r, ok := resp.(*kmsg.ProduceResponse); ok {
				p := &r.Topics[0].Partitions[0]
				p.ErrorCode, p.ErrorMessage = kerr.PolicyViolation.Code, long
			}
		}},
		"login": {kerr.SaslAuthenticationFailed, func(resp kmsg.Response) {
			if r, ok := resp.(*kmsg.SASLAuthenticateResponse); ok {
				r.ErrorCode, r.ErrorMessage = kerr.SaslAuthenticationFailed.Code, long
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, withTopic(1, kvstoretest.WithUsers(map[string]string{"ann": "secret"})), func(t *testing.T, w *world) {
				w.Allow("ann")
				a := w.answers("ann")
				a.set(func(r *reply) { tc.change(r.resp) })
				login := kvstore.WithKafkaOptions(kgo.SASL(plain.Auth{User: "ann", Pass: "secret"}.AsMechanism()))
				c, err := kvstore.NewClient(w.within(5*time.Second), topic, memory.New(), w.options("ann", a.option(), login)...)
				if err == nil {
					defer func() { _ = c.Close() }()
					err = c.Put(w.within(5*time.Second), []byte("a"), []byte("1"))
				}
				if !errors.Is(err, tc.code) || !strings.Contains(err.Error(), "because xxx") || len(err.Error()) > 5_000 {
					t.Errorf("error of %d bytes: %.2000s", len(err.Error()), err)
				}
				if c != nil && c.Status().Writing.Err != nil && len(c.Status().Writing.Err.Error()) > 5_000 {
					t.Errorf("Status().Writing.Err has %d bytes", len(c.Status().Writing.Err.Error()))
				}
			})
		})
	}
}

// longestLine keeps the longest line that is logged.
type longestLine struct {
	mu   sync.Mutex
	line string
	said int
}

func (l *longestLine) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.said++; len(line) > len(l.line) {
		l.line = string(line)
	}
	return len(line), nil
}

// What a broker says, and what it is called, is cut in the log as well, whether the store logs it or
// franz-go does.
func TestLongTextsOfBrokersAreCutInTheLog(t *testing.T) {
	long := strings.Repeat("x", 1<<18)
	for name, change := range map[string]func(kmsg.Response){
		"login": func(resp kmsg.Response) {
			if r, ok := resp.(*kmsg.SASLAuthenticateResponse); ok {
				r.ErrorCode, r.ErrorMessage = kerr.SaslAuthenticationFailed.Code, &long
			}
		},
		"host": func(resp kmsg.Response) {
			if r, ok := resp.(*kmsg.MetadataResponse); ok {
				for i := range r.Brokers {
					r.Brokers[i].Host = long
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, withTopic(1, kvstoretest.WithUsers(map[string]string{"ann": "secret"})), func(t *testing.T, w *world) {
				w.Allow("ann")
				a := w.answers("ann")
				a.set(func(r *reply) { change(r.resp) })
				store, kafka := &longestLine{}, &longestLine{}
				c, err := kvstore.NewClient(w.within(5*time.Second), topic, memory.New(), w.options("ann", a.option(),
					kvstore.WithLogger(slog.New(slog.NewTextHandler(store, nil))),
					kvstore.WithKafkaOptions(
						kgo.SASL(plain.Auth{User: "ann", Pass: "secret"}.AsMechanism()),
						kgo.WithLogger(kgo.BasicLogger(kafka, kgo.LogLevelDebug, nil)),
					))...)
				if err == nil {
					_ = c.Close()
				}
				for who, log := range map[string]*longestLine{"store": store, "franz-go": kafka} {
					if log.said == 0 && who != "store" || len(log.line) > 5_000 {
						t.Errorf("%s logged %d lines, the longest of %d bytes: %.2000s", who, log.said, len(log.line), log.line)
					}
				}
			})
		})
	}
}
