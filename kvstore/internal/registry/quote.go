package registry

import (
	"errors"
	"strings"

	"github.com/twmb/franz-go/pkg/sr"
)

// mostQuoted is how many bytes of an answer, a schema or an index an error quotes.
const mostQuoted = 1000

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
	switch {
	case n.hide(text) != text:
		return errors.New(n.quote(text))
	case len(text) > mostQuoted:
		return &longError{text: quoted(text), cause: err}
	}
	return err
}

// longError shows only the beginning of its cause's text.
type longError struct {
	text  string
	cause error
}

func (e *longError) Error() string { return e.text }

func (e *longError) Unwrap() error { return e.cause }

func (n *notes) quote(s string) string { return quoted(n.hide(s)) }

// quoted returns the beginning of s, which it does not keep alive if that is not all.
func quoted[S ~string](from S) string {
	s := string(from)
	if len(s) <= mostQuoted {
		return s
	}
	return strings.ToValidUTF8(s[:mostQuoted], "") + "..."
}

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
