package kvstore

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/sr"
)

// A registry that does not answer must not hold up a reader of the log once for each
// record. So once a call has failed, calls fail at once with its cause. From time to time
// one of them asks again and waits a moment for the answer; whenever that comes, and
// those who still wait, the registry counts as available again.

const (
	// The pause before a registry that failed is asked again: it doubles with
	// every failure in a row.
	firstRegistryPause = time.Second
	longRegistryPause  = 15 * time.Second

	// longRetryAfter bounds what a registry may ask for with Retry-After.
	longRetryAfter = time.Minute

	// probePatience is how long a call waits for a registry that failed before.
	probePatience = time.Second
)

// registryPause is how long to wait after so many failures in a row, at least
// for as long as the registry has asked for.
func registryPause(failures int, asked time.Duration) time.Duration {
	d := longRegistryPause
	if failures < 5 {
		d = min(firstRegistryPause<<max(0, failures-1), longRegistryPause)
	}
	return max(d, min(asked, longRetryAfter))
}

// availability remembers whether a registry answers. It is safe for concurrent use.
type availability struct {
	mu       sync.Mutex
	failures int // in a row
	cause    error
	next     time.Time // when it may be asked again
	probing  bool      // somebody is asking it
}

// enter says whether to ask, and for how long at most to wait for the answer, 0
// for no limit. An error is the reason not to ask.
func (a *availability) enter() (patience time.Duration, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch wait := time.Until(a.next); {
	case a.failures == 0:
		return 0, nil
	case a.probing:
		return 0, fmt.Errorf("%w (being asked again)", a.cause)
	case wait > 0:
		return 0, fmt.Errorf("%w (asked again in %v)", a.cause, wait.Round(time.Millisecond))
	}
	a.probing = true
	return probePatience, nil
}

// note takes what became of a request: err is nil for any proper answer.
func (a *availability) note(err error, retryAfter time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !errors.Is(err, ErrRegistryUnavailable) {
		a.failures, a.cause, a.probing = 0, nil, false
		return
	}
	now := time.Now()
	if a.failures > 0 && !a.probing && now.Before(a.next) {
		return // it was on its way when another one failed
	}
	a.failures++
	a.cause, a.probing, a.next = err, false, now.Add(registryPause(a.failures, retryAfter))
}

// call makes one request, bounded by ctx and the timeout. The error is nil,
// matches ErrSchemaMismatch when the registry spoke about the schema, or
// ErrRegistryUnavailable. A transport that ignores its context is left behind.
func call[T any](ctx context.Context, timeout time.Duration, ask func(context.Context) (T, error)) (answer T, retryAfter time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	type result struct {
		answer T
		err    error
	}
	hint := &retryHint{}
	ch := make(chan result, 1)
	go func() {
		var res result
		res.err = guarded("transport of the Schema Registry", func() (err error) {
			res.answer, err = ask(context.WithValue(ctx, hintKey{}, hint))
			return err
		})
		ch <- res
	}()
	select {
	case res := <-ch:
		return res.answer, hint.get(), registryError(res.err)
	case <-ctx.Done():
		return answer, 0, noAnswer(ctx)
	}
}

// insistOn repeats ask while another try may help: until ctx ends, or, where ctx
// has no deadline, for as long as one answer may take.
func insistOn[T any](ctx context.Context, timeout time.Duration, ask func(context.Context) (T, error)) (T, error) {
	if _, bounded := ctx.Deadline(); !bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	for tries := 1; ; tries++ {
		answer, retryAfter, err := call(ctx, timeout, ask)
		if err == nil || !passing(err) || ctx.Err() != nil {
			return answer, tried(err, tries)
		}
		pause := registryPause(tries, retryAfter)
		if deadline, _ := ctx.Deadline(); time.Until(deadline) <= pause {
			return answer, tried(fmt.Errorf("%w; no time is left for another try after %v", err, pause), tries)
		}
		if sleep(ctx, pause); ctx.Err() != nil {
			return answer, tried(fmt.Errorf("%w: %w", err, context.Cause(ctx)), tries)
		}
	}
}

func tried(err error, tries int) error {
	if err == nil || tries == 1 {
		return err
	}
	return fmt.Errorf("%w (tried %d times)", err, tries)
}

// passing reports whether an error of the registry may pass by waiting.
func passing(err error) bool {
	var (
		answer      *sr.ResponseError
		certificate *tls.CertificateVerificationError
		syntax      *json.SyntaxError
	)
	switch {
	case !errors.Is(err, ErrRegistryUnavailable), errors.As(err, &certificate), errors.As(err, &syntax), isPanic(err):
		return false
	case errors.As(err, &answer):
		return answer.StatusCode == http.StatusTooManyRequests || answer.StatusCode == http.StatusRequestTimeout || answer.StatusCode >= 500
	}
	return true
}

// retryHint takes the header Retry-After out of an answer, which sr keeps to
// itself.
type retryHint struct {
	mu sync.Mutex
	d  time.Duration
}

type hintKey struct{}

func (h *retryHint) get() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.d
}

// set takes the value of the header: seconds, or a date.
func (h *retryHint) set(value string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if seconds, err := strconv.Atoi(value); err == nil {
		h.d = time.Duration(min(max(seconds, 0), int(longRetryAfter/time.Second))) * time.Second
	} else if date, err := http.ParseTime(value); err == nil {
		h.d = max(0, time.Until(date))
	}
}

// listening returns a client like cl that tells the retryHint of a request's
// context what its answer says.
func listening(cl *sr.Client) *sr.Client {
	inner, ok := cl.OptValue(sr.HTTPClient).(*http.Client)
	if !ok || inner == nil {
		return cl
	}
	outer := *inner
	outer.Transport = hintTransport{inner.Transport}
	// The transport has what DialTLSConfig said already.
	opts := append(append([]sr.ClientOpt(nil), cl.Opts()...), sr.HTTPClient(&outer), sr.DialTLSConfig(nil))
	next, err := sr.NewClient(opts...)
	if err != nil {
		return cl
	}
	return next
}

type hintTransport struct{ inner http.RoundTripper }

// RoundTrip is part of http.RoundTripper.
func (h hintTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	inner := h.inner
	if inner == nil {
		inner = http.DefaultTransport
	}
	res, err := inner.RoundTrip(req)
	if hint, ok := req.Context().Value(hintKey{}).(*retryHint); ok && res != nil {
		if value := res.Header.Get("Retry-After"); value != "" {
			hint.set(value)
		}
	}
	return res, err
}
