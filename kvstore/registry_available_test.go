package kvstore_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/sr"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/kvsim/kvsim/kvstore"
)

// A registry that hangs delays the hooks, and so an opening, once and not once for each
// record.
func TestHangingRegistryHoldsUpAnOpeningOnce(t *testing.T) {
	user := compile(t, "acme.User", userSchema, nil)
	inWorld(t, noTopic(), func(t *testing.T, w *world) {
		f := newFakeRegistry()
		serde := registrySerde(t, f, user, userSchema)
		writer := w.open("writer")
		const records = 500
		batch := writer.Batch()
		for i := range records {
			batch.Put([]byte{byte(i >> 8), byte(i)}, foreign(byte(20+i%200))) // 200 ids
		}
		if err := batch.Execute(t.Context()); err != nil {
			t.Fatal(err)
		}
		f.intercept(hang)
		failed := 0
		var reader *kvstore.Client
		d := took(func() {
			reader = w.open("reader", kvstore.WithOnSetHook(kvstore.WrapOnSetErr(serde,
				func([]byte, *dynamicpb.Message) { t.Error("a value was read without its schema") },
				func(_ []byte, err error) {
					failed++
					wantError(t, "the hook", err, kvstore.ErrRegistryUnavailable)
				})))
		})
		if most := kvstore.DefaultRegistryTimeout + time.Second; d > most {
			t.Errorf("the opening took %v, want at most %v", d, most)
		}
		// Later ones wait a second at most, and most of them not at all.
		d = took(func() {
			for range 100 {
				rev, err := writer.PutRevision(t.Context(), []byte("k"), foreign(230))
				if err == nil {
					err = reader.WaitRevision(w.within(time.Minute), rev)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
		})
		if d > 5*time.Second {
			t.Errorf("100 more records took %v", d)
		}
		if want := records + 100; failed != want {
			t.Errorf("%d values failed, want %d", failed, want)
		}
		f.intercept(nil)
		time.Sleep(time.Minute)
		f.seed(240, userSchema+"\n")
		wantMessage(t, serde, foreign(240), newOf(user)())
	})
}

// While one call asks again, others do not wait; when the answer is late it counts anyway.
func TestRegistryThatRecoversSlowlyIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		user := compile(t, "acme.User", userSchema, nil)
		f := newFakeRegistry()
		serde := registrySerde(t, f, user, userSchema)
		f.seed(9, userSchema+"\n")
		f.seed(8, userSchema+"\n\n")
		f.intercept(answer(503, ""))
		_, err := serde.Deserialize(foreign(9))
		wantError(t, "Deserialize", err, kvstore.ErrRegistryUnavailable, "503")
		time.Sleep(time.Second)
		f.intercept(func(*http.Request) (*http.Response, error) { time.Sleep(5 * time.Second); return nil, nil })
		d := took(func() {
			_, err = serde.Deserialize(foreign(9))
			wantError(t, "Deserialize", err, kvstore.ErrRegistryUnavailable)
		})
		if d != time.Second {
			t.Errorf("the call that asks again waited %v, want a second", d)
		}
		d = took(func() {
			_, err = serde.Deserialize(foreign(8))
			wantError(t, "Deserialize", err, kvstore.ErrRegistryUnavailable, "503", "being asked")
		})
		if d != 0 {
			t.Errorf("another call waited %v, want no time", d)
		}
		time.Sleep(5 * time.Second)
		if d := took(func() { wantMessage(t, serde, foreign(9), newOf(user)()) }); d != 0 {
			t.Errorf("the answer that came late is not known: it took %v", d)
		}
		wantMessage(t, serde, foreign(8), newOf(user)())
	})
}

// answers gives one answer after the other, and then lets requests pass.
func answers(all ...*http.Response) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) {
		if len(all) == 0 {
			return nil, nil
		}
		first := all[0]
		all = all[1:]
		return first, nil
	}
}

func response(status int, retryAfter string) *http.Response {
	rec := httptest.NewRecorder()
	if retryAfter != "" {
		rec.Header().Set("Retry-After", retryAfter)
	}
	rec.WriteHeader(status)
	return rec.Result()
}

func TestRegistryThatIsBusyAtTheStartIsAskedAgain(t *testing.T) {
	user := compile(t, "acme.User", userSchema, nil)
	for name, tc := range map[string]struct {
		answers func() []*http.Response
		opts    []kvstore.SchemaRegistryOption
		context time.Duration // 0: none with a deadline
		want    time.Duration // how long Proto takes
		says    []string      // nil: it succeeds
	}{
		"once": {func() []*http.Response { return []*http.Response{response(429, "")} }, nil, 0, time.Second, nil},
		"three times": {func() []*http.Response {
			return []*http.Response{response(500, ""), response(502, ""), response(503, "")}
		}, nil, 0, 7 * time.Second, nil},
		"as it asks": {func() []*http.Response { return []*http.Response{response(429, "5")} }, nil, 0, 5 * time.Second, nil},
		"at a date": {func() []*http.Response {
			return []*http.Response{response(503, time.Now().Add(6*time.Second).UTC().Format(http.TimeFormat))}
		}, nil, 0, 6 * time.Second, nil},
		"a date gone by":    {func() []*http.Response { return []*http.Response{response(503, "Sun, 02 Jan 1994 15:04:05 GMT")} }, nil, 0, time.Second, nil},
		"no number":         {func() []*http.Response { return []*http.Response{response(503, "soon")} }, nil, 0, time.Second, nil},
		"below zero":        {func() []*http.Response { return []*http.Response{response(503, "-7")} }, nil, 0, time.Second, nil},
		"asks for a day":    {func() []*http.Response { return []*http.Response{response(429, "86400")} }, nil, 2 * time.Minute, time.Minute, nil},
		"past the time-out": {func() []*http.Response { return []*http.Response{response(429, "20")} }, nil, 0, 0, []string{"429", "no time is left", "20s"}},
		"past the context":  {func() []*http.Response { return []*http.Response{response(429, "30")} }, nil, 20 * time.Second, 0, []string{"429", "no time is left"}},
		"not found here":    {func() []*http.Response { return []*http.Response{response(404, "")} }, nil, time.Minute, 0, []string{"404"}},
		"not authorised":    {func() []*http.Response { return []*http.Response{response(401, "")} }, nil, time.Minute, 0, []string{"401"}},
		"looked up":         {func() []*http.Response { return []*http.Response{response(503, "")} }, []kvstore.SchemaRegistryOption{kvstore.WithSchemaLookup()}, 0, time.Second, nil},
		"until the deadline": {func() []*http.Response {
			var all []*http.Response
			for range 100 {
				all = append(all, response(500, ""))
			}
			return all
		}, nil, 40 * time.Second, 30 * time.Second, []string{"500", "tried 6 times"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFakeRegistry()
				registrySerde(t, f, user, userSchema) // it is registered, so that it can be looked up
				f.intercept(answers(tc.answers()...))
				opts := tc.opts
				if tc.context > 0 {
					opts = append(opts, kvstore.WithRegistryContext(timeoutContext(t, tc.context)))
				}
				start := time.Now()
				serde, err := kvstore.Proto(newOf(user), kvstore.WithSchemaRegistry(f.client(t), "s", userSchema, opts...))
				if took := time.Since(start); took != tc.want {
					t.Errorf("Proto took %v, want %v", took, tc.want)
				}
				if tc.says != nil {
					wantError(t, "Proto", err, kvstore.ErrRegistryUnavailable, tc.says...)
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				wantMessage(t, serde, mustSerialize(t, serde, named(user, "ann")), named(user, "ann"))
			})
		})
	}
}

// A program that may only read from the registry needs no more than that, and
// one that knows its schema's id not even that.
func TestReaderNeedsNoRightToRegister(t *testing.T) {
	user := compile(t, "acme.User", userSchema, nil)
	f := newFakeRegistry()
	f.seed(100, "// another")
	writer := registrySerde(t, f, user, userSchema)
	value := mustSerialize(t, writer, named(user, "ann"))
	id := int(value[4])

	t.Run("look up", func(t *testing.T) {
		f.intercept(func(req *http.Request) (*http.Response, error) {
			if req.Method == http.MethodPost && strings.HasSuffix(req.URL.Path, "/versions") {
				return response(403, ""), nil
			}
			return nil, nil
		})
		defer f.intercept(nil)
		_, err := kvstore.Proto(newOf(user), kvstore.WithSchemaRegistry(f.client(t), "s", userSchema))
		wantError(t, "Proto that registers", err, kvstore.ErrRegistryUnavailable, "403")
		reader := registrySerde(t, f, user, userSchema, kvstore.WithSchemaLookup())
		wantMessage(t, reader, value, named(user, "ann"))
		if got := mustSerialize(t, reader, named(user, "ann")); string(got) != string(value) {
			t.Errorf("it writes %x, want %x", got, value)
		}
		_, err = kvstore.Proto(newOf(user), kvstore.WithSchemaRegistry(f.client(t), "s", userSchema+"// not registered", kvstore.WithSchemaLookup()))
		wantError(t, "Proto with another schema", err, kvstore.ErrSchemaMismatch, `look up schema under subject "s"`)
		_, err = kvstore.Proto(newOf(user), kvstore.WithSchemaRegistry(f.client(t), "nobody", userSchema, kvstore.WithSchemaLookup()))
		wantError(t, "Proto with another subject", err, kvstore.ErrSchemaMismatch, `look up schema under subject "nobody"`)
	})
	t.Run("trust", func(t *testing.T) {
		before := f.total()
		f.intercept(func(*http.Request) (*http.Response, error) { return nil, errors.New("connection refused") })
		reader := registrySerde(t, f, user, userSchema, kvstore.WithSchemaID(id))
		wantMessage(t, reader, value, named(user, "ann"))
		if got := mustSerialize(t, reader, named(user, "ann")); string(got) != string(value) {
			t.Errorf("it writes %x, want %x", got, value)
		}
		if n := f.total() - before; n != 0 {
			t.Errorf("the registry was asked %d times, want not at all", n)
		}
		f.intercept(nil)
		f.seed(7, userSchema+"// older")
		wantMessage(t, reader, foreign(7), newOf(user)()) // others are looked up
	})
	for name, opts := range map[string][]kvstore.SchemaRegistryOption{
		"WithSchemaID: 0: want 1 to":        {kvstore.WithSchemaID(0)},
		"WithSchemaID: -1: want 1 to":       {kvstore.WithSchemaID(-1)},
		fmt.Sprint("WithSchemaID: ", 1<<31): {kvstore.WithSchemaID(1 << 31)},
		"exclude each other":                {kvstore.WithSchemaID(1), kvstore.WithSchemaLookup()},
	} {
		_, err := kvstore.Proto(newOf(user), kvstore.WithSchemaRegistry(f.client(t), "s", userSchema, opts...))
		wantError(t, "Proto", err, nil, name)
	}
}

func TestTransportOfTheRegistryThatPanicsIsAnError(t *testing.T) {
	user := compile(t, "acme.User", userSchema, nil)
	f := newFakeRegistry()
	serde := registrySerde(t, f, user, userSchema)
	f.intercept(func(*http.Request) (*http.Response, error) { panic("transport") })
	_, err := serde.Deserialize(foreign(9))
	wantError(t, "Deserialize", err, kvstore.ErrRegistryUnavailable, "transport of the Schema Registry panicked")
	_, err = kvstore.Proto(newOf(user), kvstore.WithSchemaRegistry(f.client(t), "s", userSchema))
	wantError(t, "Proto", err, kvstore.ErrRegistryUnavailable, "panicked")
}

// What the given client does with requests holds for those of the store.
func TestRegistryClientKeepsItsOptions(t *testing.T) {
	user := compile(t, "acme.User", userSchema, nil)
	f := newFakeRegistry()
	seen := map[string]int{}
	f.before = func(req *http.Request) (*http.Response, error) {
		name, password, _ := req.BasicAuth()
		seen[req.UserAgent()+" "+name+" "+password+" "+req.Header.Get("X-Extra")]++
		return nil, nil
	}
	cl, err := sr.NewClient(sr.URLs("http://registry"), sr.HTTPClient(&http.Client{Transport: f}), sr.UserAgent("me"),
		sr.BasicAuth("user", "pass"), sr.PreReq(func(req *http.Request) error { req.Header.Set("X-Extra", "1"); return nil }))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kvstore.Proto(newOf(user), kvstore.WithSchemaRegistry(cl, "s", userSchema)); err != nil {
		t.Fatal(err)
	}
	if seen["me user pass 1"] == 0 || len(seen) != 1 {
		t.Errorf("requests came as %v, want all with the client's options", seen)
	}
}

// A value written with a schema in an edition that did not exist when this was built is
// read anyway.
func TestSchemaOfANewEditionIsAccepted(t *testing.T) {
	user := compile(t, "acme.User", userSchema, nil)
	f := newFakeRegistry()
	serde := registrySerde(t, f, user, userSchema)
	f.seed(9, `edition = "2099"; package acme; export message User { string name = 1; }`)
	f.seed(8, `edition = "2099"; package acme; export message Other { string name = 1; }`)
	ann := mustSerialize(t, serde, named(user, "ann"))
	wantMessage(t, serde, append([]byte{0, 0, 0, 0, 9}, ann[5:]...), named(user, "ann"))
	_, err := serde.Deserialize(append([]byte{0, 0, 0, 0, 8}, ann[5:]...))
	wantError(t, "Deserialize", err, kvstore.ErrSchemaMismatch, "acme.Other")
	newer := registrySerde(t, f, user, `edition = "2099"; package acme; export message User { string name = 1; }`)
	wantMessage(t, newer, mustSerialize(t, newer, named(user, "ann")), named(user, "ann"))
}

// A running client honours Retry-After too, within a bound.
func TestRegistryIsLeftAloneForAsLongAsItAsks(t *testing.T) {
	for asked, want := range map[string]time.Duration{"30": 30 * time.Second, "86400": time.Minute, "9223372036854775807": time.Minute, "0": time.Second} {
		synctest.Test(t, func(t *testing.T) {
			user := compile(t, "acme.User", userSchema, nil)
			f := newFakeRegistry()
			serde := registrySerde(t, f, user, userSchema)
			f.seed(9, userSchema+"\n")
			f.intercept(answers(response(429, asked)))
			_, err := serde.Deserialize(foreign(9))
			wantError(t, "Deserialize", err, kvstore.ErrRegistryUnavailable, "429")
			time.Sleep(want - time.Nanosecond)
			_, err = serde.Deserialize(foreign(9))
			wantError(t, "Deserialize before the time has come", err, kvstore.ErrRegistryUnavailable, "429", "asked again in")
			time.Sleep(time.Nanosecond)
			wantMessage(t, serde, foreign(9), newOf(user)())
			if n := f.lookups(9); n != 2 {
				t.Errorf("Retry-After %s: the registry was asked %d times, want 2", asked, n)
			}
		})
	}
}
