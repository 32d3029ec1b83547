package registry

import (
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/sr"
)

// retryHint gets the header Retry-After of an answer, which sr does not return.
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

// listening returns a client like cl that sets the retryHint in a request's context from
// the answer.
func listening(cl *sr.Client) *sr.Client {
	inner, ok := cl.OptValue(sr.HTTPClient).(*http.Client)
	if !ok || inner == nil {
		return cl
	}
	outer := *inner
	outer.Transport = hintTransport{inner.Transport}
	// The transport already has what DialTLSConfig said.
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
