package kvstore_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"log/slog"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory"
	"github.com/kvsim/kvsim/kvstoretest"
)

func login(user, password string) kgo.Opt {
	return kgo.SASL(plain.Auth{User: user, Pass: password}.AsMechanism())
}

func TestWrongPasswordEndsAnOpeningSoon(t *testing.T) {
	opts := withTopic(3, kvstoretest.WithUsers(map[string]string{"u": "p"}))
	for name, tc := range map[string]struct {
		login kgo.Opt
		want  error
		says  string
	}{
		"password":  {login("u", "wrong"), kerr.SaslAuthenticationFailed, "password"},
		"mechanism": {kgo.SASL(scram.Auth{User: "u", Pass: "p"}.AsSha256Mechanism()), nil, "SASL mechanism"},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.want == nil {
				tc.want = kerr.UnsupportedSaslMechanism
			}
			inWorld(t, opts, func(t *testing.T, w *world) {
				w.Allow("u")
				a := w.answers("c")
				if errors.Is(tc.want, kerr.UnsupportedSaslMechanism) {
					a.set(func(r *reply) {
						if h, ok := r.resp.(*kmsg.SASLHandshakeResponse); ok {
							h.ErrorCode, h.SupportedMechanisms = kerr.UnsupportedSaslMechanism.Code, []string{"PLAIN"}
						}
					})
				}
				var err error
				d := took(func() {
					_, err = kvstore.NewClient(w.within(time.Hour), topic, memory.New(), w.options("c", a.option(), kvstore.WithKafkaOptions(tc.login))...)
				})
				if !errors.Is(err, tc.want) || !strings.Contains(err.Error(), tc.says) || !strings.Contains(err.Error(), "WithFailFast") {
					t.Errorf("NewClient = %v, want %v and what to do", err, tc.want)
				}
				if d > 5*time.Second {
					t.Errorf("it took %v", d)
				}
				if n := a.requests(kmsg.SASLHandshake); n > 10 {
					t.Errorf("it tried to log in %d times", n)
				}
				d = took(func() {
					_, err = kvstore.NewClient(w.within(20*time.Second), topic, memory.New(), w.options("c", a.option(), kvstore.WithKafkaOptions(tc.login), kvstore.WithFailFast(false))...)
				})
				var we *kvstore.WaitError
				if !errors.As(err, &we) || !errors.Is(we.Cause, tc.want) || we.Count < 2 || d != 20*time.Second {
					t.Errorf("NewClient without failing fast = %v after %v, want the deadline after 20s with the cause and how often", err, d)
				}
			})
		})
	}
}

// Brokers that are away can't say whether they would take the password.
func TestWrongPasswordEndsAnOpeningThoughABrokerIsAway(t *testing.T) {
	opts := withTopic(3, kvstoretest.WithUsers(map[string]string{"u": "p"}))
	inWorld(t, opts, func(t *testing.T, w *world) {
		w.StopBroker(2)
		var err error
		d := took(func() {
			_, err = kvstore.NewClient(w.within(time.Hour), topic, memory.New(), w.options("c", kvstore.WithKafkaOptions(login("u", "wrong")))...)
		})
		if !errors.Is(err, kerr.SaslAuthenticationFailed) || d < 5*time.Second || d > 20*time.Second {
			t.Errorf("NewClient = %v after %v, want the password after some ten seconds", err, d)
		}
	})
}

// One broker's certificate has expired, say. The others lead to the data.
func TestOneUselessBrokerEndsNoOpening(t *testing.T) {
	inWorld(t, withTopic(3), func(t *testing.T, w *world) {
		w.MoveLeader(1)
		bad := w.Brokers()[0]
		dial := w.Dialer("c")
		expired := &tls.CertificateVerificationError{Err: x509.CertificateInvalidError{Reason: x509.Expired}}
		c := w.open("c", kvstore.WithKafkaOptions(kgo.Dialer(func(ctx context.Context, network, addr string) (net.Conn, error) {
			if addr == bad {
				return nil, expired
			}
			return dial(ctx, network, addr)
		})))
		w.put(c, "a", "1")
	})
	// The one that leads: there is hope that another one will.
	inWorld(t, withTopic(3), func(t *testing.T, w *world) {
		bad := w.Brokers()[w.Leader()]
		dial := w.Dialer("c")
		expired := &tls.CertificateVerificationError{Err: x509.CertificateInvalidError{Reason: x509.Expired}}
		opened := w.opening("c", kvstore.WithKafkaOptions(kgo.Dialer(func(ctx context.Context, network, addr string) (net.Conn, error) {
			if addr == bad {
				return nil, expired
			}
			return dial(ctx, network, addr)
		})))
		time.Sleep(20 * time.Second)
		w.MoveLeader((w.Leader() + 1) % 3)
		w.put(opened(), "a", "1")
	})
}

// The seeds are fine, but the names by which the cluster calls its brokers are not in
// their certificates.
func TestUselessNamesOfAllBrokersEndAnOpening(t *testing.T) {
	inWorld(t, withTopic(3), func(t *testing.T, w *world) {
		a := w.answers("c")
		a.set(func(r *reply) {
			if m, ok := r.resp.(*kmsg.MetadataResponse); ok {
				for i := range m.Brokers {
					m.Brokers[i].Host = "wrong"
				}
			}
		})
		dial := a.dial
		a.dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			if strings.HasPrefix(addr, "wrong:") {
				return nil, &tls.CertificateVerificationError{Err: x509.HostnameError{Certificate: &x509.Certificate{}, Host: "wrong"}}
			}
			return dial(ctx, network, addr)
		}
		var err error
		d := took(func() {
			_, err = kvstore.NewClient(w.within(time.Hour), topic, memory.New(), w.options("c", a.option())...)
		})
		if !errors.As(err, new(x509.HostnameError)) || d > 10*time.Second {
			t.Errorf("NewClient = %v after %v, want the host name soon", err, d)
		}
	})
}

func TestMissingRightIsWaitedForWhenAsked(t *testing.T) {
	opts := withTopic(1, kvstoretest.WithUsers(map[string]string{"u": "p"}))
	inWorld(t, opts, func(t *testing.T, w *world) {
		opened := w.opening("c", kvstore.WithKafkaOptions(login("u", "p")), kvstore.WithFailFast(false))
		time.Sleep(20 * time.Second)
		w.Allow("u")
		w.put(opened(), "a", "1")
	})
}

// A password that changes under a client that is open: it shows, and is over once the
// password is the old one again.
func TestChangedPasswordShowsAndRecovers(t *testing.T) {
	opts := withTopic(1, kvstoretest.WithUsers(map[string]string{"u": "p"}))
	inWorld(t, opts, func(t *testing.T, w *world) {
		w.Allow("u")
		c := w.open("c", kvstore.WithKafkaOptions(login("u", "p")))
		w.put(c, "a", "1")
		w.SetPassword("u", "new")
		w.DropConnections("c") // Kafka ends sessions after a while
		w.eventually("it shows", func() bool {
			p := c.Status().Reading
			return errors.Is(p.Err, kerr.SaslAuthenticationFailed) && p.Count > 3
		})
		if err := c.Sync(w.within(time.Second)); !errors.Is(err, kerr.SaslAuthenticationFailed) {
			t.Errorf("Sync = %v, want SASL_AUTHENTICATION_FAILED as its cause", err)
		}
		if s := c.Status(); s.State != kvstore.StateStalled {
			t.Errorf("state = %v, want stalled", s.State)
		}
		w.want(c, "a", "1")
		w.SetPassword("u", "p")
		w.eventually("it is back", func() bool { return c.Status().Reading.Count == 0 && c.Status().State == kvstore.StateLive })
		w.put(c, "a", "2")
	})
}

// authority makes certificates.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, KeyUsage: x509.KeyUsageCertSign, BasicConstraintsValid: true,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{t: t, cert: cert, key: key}
}

func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

func (a *authority) issue(host string, until time.Time) tls.Certificate {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(2), NotBefore: time.Now().Add(-time.Hour), NotAfter: until, KeyUsage: x509.KeyUsageDigitalSignature}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{host}
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}
}

// Real TLS on loopback, as kgo.DialTLSConfig speaks it.
func TestUselessTLSEndsAnOpeningSoon(t *testing.T) {
	ours, theirs := newAuthority(t), newAuthority(t)
	later := time.Now().Add(time.Hour)
	good := ours.issue("127.0.0.1", later)
	serve := func(cert tls.Certificate) *tls.Config { return &tls.Config{Certificates: []tls.Certificate{cert}} }
	trust := &tls.Config{RootCAs: ours.pool()}
	for name, tc := range map[string]struct {
		broker, client *tls.Config
		says           string // empty: it opens
	}{
		"all is well":        {serve(good), trust, ""},
		"unknown authority":  {serve(theirs.issue("127.0.0.1", later)), trust, "authorities that this client trusts"},
		"another host":       {serve(ours.issue("kafka.example", later)), trust, "host names"},
		"expired":            {serve(ours.issue("127.0.0.1", time.Now().Add(-time.Minute))), trust, "expired"},
		"no certificate":     {&tls.Config{Certificates: []tls.Certificate{good}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ours.pool()}, trust, "client's certificate"},
		"old version of TLS": {&tls.Config{Certificates: []tls.Certificate{good}, MaxVersion: tls.VersionTLS12}, &tls.Config{RootCAs: ours.pool(), MinVersion: tls.VersionTLS13}, "versions of TLS"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cluster, err := kfake.NewCluster(kfake.NumBrokers(2), kfake.TLS(tc.broker), kfake.SeedTopics(1, topic))
			if err != nil {
				t.Fatal(err)
			}
			defer cluster.Close()
			opts := []kvstore.ClientOption{
				kvstore.WithBrokers(cluster.ListenAddrs()...), kvstore.WithLogger(slog.New(slog.DiscardHandler)),
				kvstore.WithTopicValidation(kvstore.TopicValidationSkip),
			}
			if tc.client != nil {
				opts = append(opts, kvstore.WithKafkaOptions(kgo.DialTLSConfig(tc.client)))
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			c, err := kvstore.NewClient(ctx, topic, memory.New(), opts...)
			if err == nil {
				_ = c.Close()
			}
			switch {
			case tc.says == "" && err != nil:
				t.Errorf("NewClient = %v, want it open", err)
			case tc.says != "" && (err == nil || ctx.Err() != nil || !strings.Contains(err.Error(), tc.says)):
				t.Errorf("NewClient = %v, context %v; want an error before the context ends that says %q", err, ctx.Err(), tc.says)
			}
		})
	}
}

// listen answers whatever comes on a port with the same bytes and hangs up.
func listen(t *testing.T, answer string) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conns.Go(func() {
				defer conn.Close()
				if _, err := conn.Read(make([]byte, 4096)); err == nil {
					_, _ = conn.Write([]byte(answer))
				}
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		conns.Wait()
	})
	return l.Addr().String()
}

// A port at which something else listens. What it answers gives it away, except at a
// port that hangs up immediately: that may be a forwarder whose broker starts in a minute,
// so the opening waits for its context and has the cause.
func TestPortThatIsNotKafkasIsNamed(t *testing.T) {
	const http = "HTTP/1.1 400 Bad Request\r\n\r\n"
	alert := string([]byte{21, 3, 3, 0, 2, 2, 10})
	for name, tc := range map[string]struct {
		answer string
		tls    bool
		says   string
		waits  bool
	}{
		"plain to TLS":             {alert, false, "use kgo.DialTLSConfig", false},
		"plain to HTTP":            {http, false, "HTTP", false},
		"TLS to HTTP":              {http, true, "does not speak TLS", false},
		"plain, and it hangs up":   {"", false, "TLS", true},
		"TLS, and it hangs up":     {"", true, "TLS", true},
		"without Kafka's protocol": {"\x00\x00\x00\x04what", false, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			opts := []kvstore.ClientOption{kvstore.WithBrokers(listen(t, tc.answer)), kvstore.WithLogger(slog.New(slog.DiscardHandler))}
			if tc.tls {
				opts = append(opts, kvstore.WithKafkaOptions(kgo.DialTLSConfig(&tls.Config{})))
			}
			patience := time.Minute
			if tc.waits {
				patience = 3 * time.Second
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			_, err := kvstore.NewClient(ctx, topic, memory.New(), opts...)
			if err == nil || !strings.Contains(err.Error(), tc.says) || tc.waits != errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("NewClient = %v, want an error that says %q, and the deadline: %v", err, tc.says, tc.waits)
			}
		})
	}
}
