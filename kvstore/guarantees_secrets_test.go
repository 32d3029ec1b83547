package kvstore_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
	"github.com/twmb/franz-go/pkg/sr"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory"
	"github.com/kvsim/kvsim/kvstoretest"
)

// marker stands for any secret: no text that a program can get out of the store may have it.
const marker = "Marker-7f3a"

// written collects what a program could print, and looks for secrets in it.
type written struct {
	secrets []string

	mu   sync.Mutex // franz-go logs from several goroutines
	text strings.Builder
}

func (w *written) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(p)
}

func (w *written) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

func newWritten(more ...string) *written {
	return &written{secrets: append([]string{marker, base64.StdEncoding.EncodeToString([]byte("ann:" + marker))}, more...)}
}

// value adds a value in every form that package fmt and JSON have for it.
func (w *written) value(v any) {
	fmt.Fprintf(w, "%v\n%+v\n%#v\n%q\n", v, v, v, fmt.Sprint(v))
	if data, err := json.Marshal(v); err == nil {
		_, _ = w.Write(data)
	}
}

// error adds an error and all that it wraps, each as a value of its own.
func (w *written) error(err error) {
	if err == nil {
		return
	}
	w.value(err)
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		w.error(e.Unwrap())
	case interface{ Unwrap() []error }:
		for _, err := range e.Unwrap() {
			w.error(err)
		}
	}
}

func (w *written) check(t *testing.T) {
	t.Helper()
	if len(w.String()) == 0 {
		t.Error("nothing was written")
	}
	for _, secret := range w.secrets {
		if before, after, found := strings.Cut(w.String(), secret); found {
			t.Errorf("a secret is shown: ...%s[HERE]%s...", before[max(0, len(before)-200):], after[:min(len(after), 100)])
		}
	}
}

// keyPEM returns a certificate with its key, and the lines of the key's text.
func keyPEM(t *testing.T) (cert tls.Certificate, lines []string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
	cert, err = tls.X509KeyPair(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), text)
	if err != nil {
		t.Fatal(err)
	}
	return cert, append(strings.Split(strings.TrimSpace(string(text)), "\n")[1:3], key.D.String()) //nolint:staticcheck // as fmt would print it
}

// Nothing that a client says - errors, Status, logs of the store and of franz-go in all
// detail, what fmt makes of clients - has a secret that it was given, whether it logs in or not.
func TestNoSecretOfAConnectionIsShown(t *testing.T) {
	cert, lines := keyPEM(t)
	login := func(user, pass string) kgo.Opt { return kgo.SASL(plain.Auth{User: user, Pass: pass}.AsMechanism()) }
	for name, c := range map[string]struct {
		opens bool
		opts  []kvstore.ClientOption
	}{
		"right password":      {true, []kvstore.ClientOption{kvstore.WithKafkaOptions(login("ann", marker))}},
		"wrong password":      {false, []kvstore.ClientOption{kvstore.WithKafkaOptions(login("ann", marker+" is wrong"))}},
		"scram":               {false, []kvstore.ClientOption{kvstore.WithKafkaOptions(kgo.SASL(scram.Auth{User: "ann", Pass: marker}.AsSha512Mechanism()))}},
		"token":               {false, []kvstore.ClientOption{kvstore.WithKafkaOptions(kgo.SASL(oauth.Auth{Token: marker}.AsMechanism()))}},
		"key of TLS":          {false, []kvstore.ClientOption{kvstore.WithKafkaOptions(login("ann", marker), kgo.DialTLSConfig(&tls.Config{Certificates: []tls.Certificate{cert}}))}},
		"option refused":      {false, []kvstore.ClientOption{kvstore.WithKafkaOptions(login("ann", marker), kgo.Rack("r"))}},
		"options that differ": {false, []kvstore.ClientOption{kvstore.WithKafkaOptions(login("ann", marker), kgo.FetchMaxBytes(-1))}},
		"address":             {false, []kvstore.ClientOption{kvstore.WithBrokers("ann:" + marker + "@localhost:9092")}},
		"address without port": {false, []kvstore.ClientOption{
			kvstore.WithBrokers("localhost:9092", "ann:"+marker+"@localhost"),
		}},
		"address, query":    {false, []kvstore.ClientOption{kvstore.WithBrokers("localhost:9092/?password=" + marker)}},
		"address as URL":    {false, []kvstore.ClientOption{kvstore.WithBrokers("sasl_ssl://ann:" + marker + "@localhost:9092")}},
		"address as seed":   {false, []kvstore.ClientOption{kvstore.WithKafkaOptions(kgo.SeedBrokers("ann:" + marker + "@localhost:9092"))}},
		"seed without port": {false, []kvstore.ClientOption{kvstore.WithKafkaOptions(kgo.SeedBrokers("ann:" + marker + "@localhost"))}},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, withTopic(1, kvstoretest.WithUsers(map[string]string{"ann": marker})), func(t *testing.T, w *world) {
				w.Allow("ann")
				out := newWritten(lines...)
				logger := slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelDebug - 4}))
				opts := append(w.ClientOptions("ann"), kvstore.WithLogger(logger),
					kvstore.WithKafkaOptions(kgo.WithLogger(kgo.BasicLogger(out, kgo.LogLevelDebug, nil))))
				for _, opt := range c.opts {
					out.value(opt)
				}
				client, err := kvstore.NewClient(w.within(20*time.Second), topic, memory.New(), append(opts, c.opts...)...)
				if opened := err == nil; opened != c.opens {
					t.Errorf("NewClient = %v, want it to succeed: %v", err, c.opens)
				}
				out.error(err)
				if err == nil {
					use(t, w, client, out)
				}
				out.value(w.Kit)
				out.check(t)
			})
		})
	}
}

// use writes, changes the password, and lets the client fail to log in again.
func use(t *testing.T, w *world, client *kvstore.Client, out *written) {
	t.Helper()
	out.error(client.Put(t.Context(), []byte("k"), []byte("v")))
	w.SetPassword("ann", marker+" is new")
	w.DropConnections()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	err := client.Put(ctx, []byte("k"), []byte("v"))
	if err == nil {
		t.Error("a client with an old password could write")
	}
	out.error(err)
	status := client.Status()
	if status.Reading.Err == nil {
		t.Error("Status names no cause")
	}
	out.value(status)
	out.error(status.Reading.Err)
	out.error(status.Writing.Err)
	out.value(client)
	out.error(client.Close())
}

// So it is with what the Schema Registry asks for, however it is given and however the
// registry answers, and if it repeats what it was sent.
func TestNoSecretOfTheRegistryIsShown(t *testing.T) {
	user := compile(t, "acme.User", userSchema, nil)
	header := "Basic " + base64.StdEncoding.EncodeToString([]byte("ann:"+marker))
	refuse := func(status int) func(*http.Request) (*http.Response, error) {
		return func(req *http.Request) (*http.Response, error) {
			body := fmt.Sprintf(`{"error_code": 40101, "message": "who is %s? %s"}`, req.Header.Get("Authorization"), marker)
			return answer(status, body)(req)
		}
	}
	answers := map[string]func(*http.Request) (*http.Response, error){
		"no right":  refuse(http.StatusUnauthorized),
		"not found": refuse(http.StatusNotFound),
		"conflict":  refuse(http.StatusConflict),
		"no JSON":   answer(http.StatusOK, "<html>"),
		"repeated": func(req *http.Request) (*http.Response, error) {
			return answer(http.StatusForbidden, req.Header.Get("Authorization"))(req)
		},
		"no transport": func(req *http.Request) (*http.Response, error) { return nil, fmt.Errorf("%v %v", req.URL, req.Header) },
		"no end": func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(broken{})}, nil
		},
	}
	for name, opts := range map[string][]sr.ClientOpt{
		"user in the address":     {sr.URLs("http://ann:" + marker + "@registry/path")},
		"user in both addresses":  {sr.URLs("http://ann:"+marker+"@registry/path", "http://ann:"+marker+"@registry:81")},
		"basic":                   {sr.URLs("http://registry"), sr.BasicAuth("ann", marker)},
		"bearer":                  {sr.URLs("http://registry"), sr.BearerToken(marker)},
		"by hand":                 {sr.URLs("http://registry"), sr.PreReq(func(req *http.Request) error { req.Header.Set("Authorization", header); return nil })},
		"not escaped, %":          {sr.URLs("http://ann:" + marker + "%zz@registry")},
		"not escaped, /":          {sr.URLs("http://ann:" + marker + "/x@registry")},
		"not escaped, ? for port": {sr.URLs("http://ann:12?" + marker + "@registry")},
		"not escaped, / for port": {sr.URLs("http://ann:12/" + marker + "@registry")},
		"not escaped, #":          {sr.URLs("http://ann#" + marker + "@registry")},
	} {
		for how, response := range answers {
			inBubble(t, name+"/"+how, func(t *testing.T) {
				f, out := newFakeRegistry(), newWritten()
				asked := 0
				f.intercept(func(req *http.Request) (*http.Response, error) {
					if asked++; !strings.Contains(req.Header.Get("Authorization"), marker) && req.Header.Get("Authorization") != header {
						t.Errorf("asked with authorization %q", req.Header.Get("Authorization"))
					}
					return response(req)
				})
				log := func(_ int8, msg string, kv ...any) { fmt.Fprintln(out, append([]any{msg}, kv...)...) }
				cl, err := sr.NewClient(append(opts, sr.HTTPClient(&http.Client{Transport: f}), sr.LogFn(log), sr.LogLevel(sr.LogLevelDebug))...)
				if err != nil {
					t.Fatal(err)
				}
				_, err = kvstore.Proto(newOf(user), kvstore.WithSchemaRegistry(cl, "users-value", userSchema, kvstore.WithRegistryTimeout(10*time.Millisecond)))
				if err == nil || asked == 0 != strings.HasPrefix(name, "not escaped") {
					t.Errorf("Proto = %v, after %d requests", err, asked)
				}
				out.error(err)
				out.check(t)
			})
		}
	}
}

// inBubble runs a subtest in simulated time.
func inBubble(t *testing.T, name string, test func(*testing.T)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, test) })
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("connection reset") }

// A user and a password in the registry's address still log in.
func TestUserInTheRegistrysAddressLogsIn(t *testing.T) {
	user := compile(t, "acme.User", userSchema, nil)
	f, out := newFakeRegistry(), newWritten()
	f.intercept(func(req *http.Request) (*http.Response, error) {
		if name, pass, _ := req.BasicAuth(); name != "ann" || pass != marker {
			return answer(http.StatusUnauthorized, "who?")(req)
		}
		if req.URL.User != nil {
			t.Errorf("the address has %v", req.URL.User)
		}
		return nil, nil
	})
	cl, err := sr.NewClient(sr.URLs("http://ann:"+marker+"@registry"), sr.HTTPClient(&http.Client{Transport: f}))
	if err != nil {
		t.Fatal(err)
	}
	serde, err := kvstore.Proto(newOf(user), kvstore.WithSchemaRegistry(cl, "users-value", userSchema))
	if err != nil {
		t.Fatal(err)
	}
	f.seed(9, userSchema+"\n")
	wantMessage(t, serde, foreign(9), newOf(user)())
	f.intercept(answer(http.StatusInternalServerError, "down"))
	var got *dynamicpb.Message
	got, err = serde.Deserialize(foreign(10))
	if err == nil {
		t.Errorf("Deserialize = %v", got)
	}
	out.error(err)
	out.value(serde)
	out.check(t)
}
