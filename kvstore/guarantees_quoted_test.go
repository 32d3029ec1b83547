package kvstore_test

import (
	"errors"
	"strings"
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
