package registry

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/sr"

	"github.com/kvsim/kvsim/kvstore/internal/brief"
)

// endless is a body without an end. It counts what is read of it.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	e.read += len(p)
	return len(p), nil
}

func (e *endless) Close() error { return nil }

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

const ownSchema = `syntax = "proto3"; package acme; message User {}`

// asking opens a registry behind a transport.
func asking(t *testing.T, answer roundTrip) error {
	t.Helper()
	cl, err := sr.NewClient(sr.URLs("http://registry"), sr.HTTPClient(&http.Client{Transport: answer}))
	if err != nil {
		t.Fatal(err)
	}
	_, err = New(&Config{
		Client: cl, Subject: "s", Schema: ownSchema, Context: t.Context(), Timeout: time.Minute,
		Guard: func(fn func() error) error { return fn() }, Panicked: func(error) bool { return false },
	}, "acme.User")
	return err
}

// No more is read of an answer than a schema can have, whatever its status, and it is not
// asked for again.
func TestAnswersOfTheRegistryAreBounded(t *testing.T) {
	for _, status := range []int{http.StatusOK, http.StatusInternalServerError} {
		body, asked := &endless{}, 0
		err := asking(t, func(*http.Request) (*http.Response, error) {
			asked++
			return &http.Response{StatusCode: status, Body: body, ContentLength: 1 << 60}, nil
		})
		if !errors.Is(err, ErrMismatch) || !strings.Contains(err.Error(), "4194304") {
			t.Errorf("status %d without an end: %v, want %v with the limit", status, err, ErrMismatch)
		}
		if asked != 1 || body.read > mostAnswer+1<<16 {
			t.Errorf("status %d: asked %d times, read %d bytes", status, asked, body.read)
		}
	}
}

// An error has the beginning of what the registry answered.
func TestErrorsQuoteAnswersInPart(t *testing.T) {
	err := asking(t, func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusNotFound, Body: io.NopCloser(strings.NewReader(strings.Repeat("a page ", 1<<16)))}, nil
	})
	if err == nil || len(err.Error()) > 2*brief.Most || !strings.Contains(err.Error(), "a page a page") {
		t.Errorf("error of %d bytes: %.100v", len(err.Error()), err)
	}
}

// FuzzAnswers opens a registry that answers anything, and looks an id up.
func FuzzAnswers(f *testing.F) {
	f.Add(uint16(200), `{"id":1}`, uint16(200), `{"schema":"syntax = \"proto3\"; package acme; message User {}","schemaType":"PROTOBUF"}`)
	f.Add(uint16(200), `{"id":-1}`, uint16(404), `{"error_code":40403,"message":"no"}`)
	f.Add(uint16(200), `{"id":1e18}`, uint16(200), `{"schema":"CgFhIgMKAUE=","schemaType":"PROTOBUF","references":[{}]}`)
	f.Add(uint16(409), "no", uint16(200), "null")
	f.Fuzz(func(t *testing.T, status1 uint16, body1 string, status2 uint16, body2 string) {
		asked := 0
		err := asking(t, func(*http.Request) (*http.Response, error) {
			asked++
			status, body := status1, body1
			if asked > 1 {
				status, body = status2, body2
			}
			if status = 200 + status%300; status == 408 || status == 429 {
				status = 400 // it would be asked again, after a pause
			}
			return &http.Response{StatusCode: int(status), Body: io.NopCloser(strings.NewReader(body))}, nil
		})
		if err != nil && !errors.Is(err, ErrMismatch) && !errors.Is(err, ErrUnavailable) {
			t.Errorf("New = %v, which has no name", err)
		}
		if asked > 2 {
			t.Errorf("it was asked %d times", asked)
		}
	})
}
