package registry

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/twmb/franz-go/pkg/sr"
)

// call makes one request, bounded by ctx and the timeout. The error is nil, matches
// ErrMismatch when the registry spoke about the schema, or ErrUnavailable. It does not wait
// for a transport that ignores its context.
func call[T any](ctx context.Context, cfg *Config, ask func(context.Context) (T, error)) (answer T, retryAfter time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, cfg.Timeout)
	defer cancel()
	type result struct {
		answer T
		err    error
	}
	seen := &notes{}
	ch := make(chan result, 1)
	go func() {
		var res result
		res.err = cfg.Guard(func() (err error) {
			res.answer, err = ask(context.WithValue(ctx, notesKey{}, seen))
			return err
		})
		ch <- res
	}()
	select {
	case res := <-ch:
		if !cfg.Panicked(res.err) {
			res.err = seen.quotable(res.err)
			if seen.nonsense(res.err) {
				res.err = fmt.Errorf("%w: %w", errNonsense, res.err)
			}
		}
		return res.answer, seen.retryAfter(), sorted(res.err)
	case <-ctx.Done():
		return answer, 0, noAnswer(ctx)
	}
}

// insistOn repeats ask while another try may help: until ctx ends, or, where ctx
// has no deadline, for as long as one answer may take.
func insistOn[T any](ctx context.Context, cfg *Config, ask func(context.Context) (T, error)) (T, error) {
	if _, bounded := ctx.Deadline(); !bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, cfg.Timeout)
		defer cancel()
	}
	for tries := 1; ; tries++ {
		answer, retryAfter, err := call(ctx, cfg, ask)
		if err == nil || !passing(cfg, err) || ctx.Err() != nil {
			return answer, tried(err, tries)
		}
		pause := pauseAfter(tries, retryAfter)
		if deadline, _ := ctx.Deadline(); time.Until(deadline) <= pause {
			return answer, tried(fmt.Errorf("%w; no time is left for another try after %v", err, pause), tries)
		}
		if sleep(ctx, pause); ctx.Err() != nil {
			return answer, tried(fmt.Errorf("%w: %w", err, context.Cause(ctx)), tries)
		}
	}
}

// errNonsense marks an answer that was read and not understood. Another try won't change it.
var errNonsense = errors.New("the answer is not what a registry answers")

func tried(err error, tries int) error {
	if err == nil || tries == 1 {
		return err
	}
	return fmt.Errorf("%w (tried %d times)", err, tries)
}

// passing reports whether an error of the registry may be temporary.
func passing(cfg *Config, err error) bool {
	var (
		answer      *sr.ResponseError
		certificate *tls.CertificateVerificationError
		syntax      *json.SyntaxError
	)
	switch {
	case !errors.Is(err, ErrUnavailable), errors.As(err, &certificate), errors.As(err, &syntax), errors.Is(err, errNonsense), cfg.Panicked(err):
		return false
	case errors.As(err, &answer):
		return answer.StatusCode == http.StatusTooManyRequests || answer.StatusCode == http.StatusRequestTimeout || answer.StatusCode >= 500
	}
	return true
}

// sleep waits for d or the end of ctx.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// sorted classifies a failed request: did the registry answer about the schema, or could it
// not be asked properly? Its own errors have codes of five digits, such as 40403; a plain
// 404 rather means a wrong address.
func sorted(err error) error {
	if err == nil {
		return nil
	}
	var answer *sr.ResponseError
	switch {
	case errors.Is(err, errTooLong):
		return fmt.Errorf("%w: %w", ErrMismatch, err)
	case !errors.As(err, &answer):
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	verdict := ErrUnavailable
	switch {
	case answer.StatusCode == http.StatusConflict,
		answer.StatusCode == http.StatusNotFound && answer.ErrorCode > 10000,
		answer.StatusCode == http.StatusUnprocessableEntity:
		verdict = ErrMismatch
	}
	return fmt.Errorf("%w: registry answers with status %d: %w", verdict, answer.StatusCode, err)
}

// noAnswer is the error of a caller that waited until ctx ended.
func noAnswer(ctx context.Context) error {
	return fmt.Errorf("%w: no answer: %w", ErrUnavailable, context.Cause(ctx))
}
