package registry

import (
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/sr"
)

// notes gets from the transport what sr does not return. It is safe for concurrent use.
type notes struct {
	mu      sync.Mutex
	wait    time.Duration // of the header Retry-After
	secrets []string      // what the request logged in with, the longest first
	whole   bool          // the last answer was read to its end
}

type notesKey struct{}

func (n *notes) retryAfter() time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.wait
}

// sent notes what a request logs in with, whoever put that into its header.
func (n *notes) sent(req *http.Request) {
	n.read(false)
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

// read notes whether the answer has been read to its end.
func (n *notes) read(whole bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.whole = whole
}

// nonsense reports whether err, which came from sr, means that the registry's answer was read
// and could not be understood.
func (n *notes) nonsense(err error) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	var answer *sr.ResponseError
	return err != nil && n.whole && !errors.As(err, &answer)
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
