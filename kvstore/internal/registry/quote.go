package registry

import (
	"errors"
	"strings"

	"github.com/twmb/franz-go/pkg/sr"

	"github.com/kvsim/kvsim/kvstore/internal/brief"
)

// hidden stands in errors for what a request logged in with.
const hidden = "[hidden]"

// quotable returns an error to show for one that came from sr: answers are quoted in part,
// and what the request logged in with is hidden, should registry or transport repeat it.
func (n *notes) quotable(err error) error {
	if err == nil {
		return nil
	}
	if answer, ok := errors.AsType[*sr.ResponseError](err); ok {
		quoted := *answer
		quoted.URL = n.hide(quoted.URL)
		quoted.Message = n.quote(quoted.Message)
		quoted.Raw = []byte(n.quote(string(quoted.Raw)))
		return &quoted
	}
	text := err.Error()
	if n.hide(text) != text {
		return errors.New(n.quote(text))
	}
	return brief.Error(err)
}

func (n *notes) quote(s string) string { return brief.Text(n.hide(s)) }

// hide leaves out what is too short to be a secret: it would be found everywhere.
func (n *notes) hide(s string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, secret := range n.secrets {
		if len(secret) > 3 {
			s = strings.ReplaceAll(s, secret, hidden)
		}
	}
	return s
}
