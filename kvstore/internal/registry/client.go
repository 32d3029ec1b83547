package registry

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/twmb/franz-go/pkg/sr"
)

// mostAnswer is how many bytes an answer of the registry may have, decompressed: a schema of
// mostSchema bytes, and what JSON needs to escape it.
const mostAnswer = 4 << 20

// listening returns a client like cl that takes notes of each answer (type notes), reads no
// more than mostAnswer bytes of it, and has no user and no password in its addresses: sr and
// net/http put addresses into errors and logs. They are sent as net/http would.
func listening(cl *sr.Client) (*sr.Client, error) {
	inner, ok := cl.OptValue(sr.HTTPClient).(*http.Client)
	if !ok || inner == nil {
		return nil, errors.New("the registry client has no HTTP client")
	}
	given, _ := cl.OptValue(sr.URLs).([]string)
	addrs, logins, err := splitLogins(given)
	if err != nil {
		return nil, err
	}
	outer := *inner
	outer.Transport = transport{inner: inner.Transport, logins: logins}
	// The transport already has what DialTLSConfig said.
	opts := append(append([]sr.ClientOpt(nil), cl.Opts()...), sr.URLs(addrs...), sr.HTTPClient(&outer), sr.DialTLSConfig(nil))
	return sr.NewClient(opts...)
}

// splitLogins takes users and passwords out of addresses. The logins are by origin.
func splitLogins(given []string) (addrs []string, logins map[string]*url.Userinfo, err error) {
	logins = map[string]*url.Userinfo{}
	for i, addr := range given {
		u, err := url.Parse(addr)
		switch {
		case err == nil && !strings.Contains(u.Path+u.RawQuery+u.Fragment, "@"):
		case strings.Contains(addr, "@"):
			// What is wrong with it is likely to be in the password, so nothing of it is shown.
			return nil, nil, fmt.Errorf("address %d of the registry is no URL: in its user and password all but letters and digits have to be percent-encoded", i+1)
		default:
			return nil, nil, fmt.Errorf("address %d of the registry: %w", i+1, err)
		}
		if u.User != nil {
			logins[origin(u)] = u.User
			u.User = nil
		}
		addrs = append(addrs, u.String())
	}
	return addrs, logins, nil
}

func origin(u *url.URL) string { return u.Scheme + "://" + u.Host }

// transport is what requests to the registry go through.
type transport struct {
	inner  http.RoundTripper // nil for the default one
	logins map[string]*url.Userinfo
}

// RoundTrip is part of http.RoundTripper.
func (t transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if login := t.logins[origin(req.URL)]; login != nil && req.Header.Get("Authorization") == "" {
		password, _ := login.Password()
		req = req.Clone(req.Context())
		req.SetBasicAuth(login.Username(), password)
	}
	n, _ := req.Context().Value(notesKey{}).(*notes)
	if n != nil {
		n.sent(req)
	}
	inner := t.inner
	if inner == nil {
		inner = http.DefaultTransport
	}
	res, err := inner.RoundTrip(req)
	if err != nil && n != nil {
		err = n.quotable(err)
	}
	if res == nil {
		return nil, err
	}
	if n != nil {
		n.answered(res)
	}
	if res.Body != nil {
		res.Body = &bounded{ReadCloser: res.Body, left: mostAnswer, notes: n}
	}
	return res, err
}

// errTooLong is the error of reading an answer that has more than mostAnswer bytes.
var errTooLong = fmt.Errorf("the answer has more than %d bytes", mostAnswer)

// bounded is the body of an answer, which it reads up to a limit.
type bounded struct {
	io.ReadCloser
	left  int
	notes *notes // nil for none
}

// Read is part of io.Reader.
func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left+1)])
	if b.left -= n; b.left < 0 {
		return 0, errTooLong
	}
	if err == io.EOF && b.notes != nil {
		b.notes.read(true)
	}
	return n, err
}
