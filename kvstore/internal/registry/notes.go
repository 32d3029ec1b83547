package registry

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// notes gets from the transport what sr does not return. It is safe for concurrent use.
type notes struct {
	mu      sync.Mutex
	wait    time.Duration // of the header Retry-After
	secrets []string      // what the request logged in with, the longest first
}

type notesKey struct{}

func (n *notes) retryAfter() time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.wait
}

// sent notes what a request logs in with, whoever put that into its header.
func (n *notes) sent(req *http.Request) {
	header := req.Header.Get("Authorization")
	if header == "" {
		return
	}
	_, token, _ := strings.Cut(header, " ")
	found := []string{header, token}
	if plain, err := base64.StdEncoding.DecodeString(token); err == nil {
		_, password, _ := strings.Cut(string(plain), ":")
		found = append(found, string(plain), password)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.secrets = append(n.secrets, found...)
	slices.SortFunc(n.secrets, func(a, b string) int { return len(b) - len(a) })
}

// answered notes the header Retry-After.
func (n *notes) answered(res *http.Response) {
	if value := res.Header.Get("Retry-After"); value != "" {
		n.set(value)
	}
}

// set takes the value of the header: seconds, or a date.
func (n *notes) set(value string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if seconds, err := strconv.Atoi(value); err == nil {
		n.wait = time.Duration(min(max(seconds, 0), int(longRetryAfter/time.Second))) * time.Second
	} else if date, err := http.ParseTime(value); err == nil {
		n.wait = max(0, time.Until(date))
	}
}
