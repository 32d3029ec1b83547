package kvstore

import (
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Brokers close the connection on a request that is larger than their
// socket.request.max.bytes, and so do proxies with a limit of their own. No answer says so, and
// a connection that breaks for another reason looks the same. So a batch is tried again, and
// it is in doubt. But no other write can be sent meanwhile (I15), and a batch that is too large is
// so for as long as it lives. It is given up earlier, as unknown. Otherwise a program that
// writes a value that is too large every two minutes could write nothing else.

// hangUpError says that a broker, or a proxy, closed the connection of a request instead of
// answering it.
type hangUpError struct {
	broker int32
	bytes  int // of the record batch
	taken  int // bytes of the largest one that was acknowledged to this client, 0 for none
	cause  error
}

func (e *hangUpError) Error() string {
	text := fmt.Sprintf("produce at broker %d: the connection was closed on a record batch of %d bytes (%v)", e.broker, e.bytes, e.cause)
	if e.bytes < leastLarge || e.bytes <= e.taken {
		return text
	}
	if e.taken > 0 {
		text += fmt.Sprintf("; one of %d bytes went through", e.taken)
	}
	return text + "; is it more than the brokers' socket.request.max.bytes, or than a proxy lets through?"
}

func (e *hangUpError) Unwrap() error { return e.cause }

// hungUp returns why there is no answer, if the other side closed the connection, and nil
// otherwise. kgo has an error for a connection that ends before its first answer, which
// asks whether SASL is missing: it can't be where requests for the topic and for a producer id
// were answered before.
func hungUp(err error) error {
	var first *kgo.ErrFirstReadEOF
	if errors.As(err, &first) {
		err = first.Unwrap()
	}
	if isOneOf(err, []error{io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE}) {
		return err
	}
	return nil
}

// hangUps counts the tries of a batch, one after the other, on which the connection was closed.
// Before each but the first the broker has answered whether the log has the batch: it is there,
// and takes requests that are smaller.
type hangUps struct {
	tries int
	since time.Time // of the first
}

const (
	leastLarge   = 64 << 10        // bytes of a batch; every broker and proxy takes less
	leastHangUps = 5               // tries
	hangUpsLast  = 5 * time.Second // from the first to the last of them
)

// add notes the answer to another try.
func (h *hangUps) add(a answer, now time.Time) {
	var e *hangUpError
	switch {
	case !errors.As(a.err, &e):
		*h = hangUps{}
		return
	case h.tries == 0:
		h.since = now
	}
	h.tries++
}

// tooLarge reports whether a batch of so many bytes is given up, because it will hardly go
// through and blocks other writes. Whether a try was appended is not known then.
func (h *hangUps) tooLarge(bytes int, now time.Time) bool {
	return bytes >= leastLarge && h.tries >= leastHangUps && now.Sub(h.since) >= hangUpsLast
}

// review returns the verdict on a batch of so many bytes after another answer.
func (h *hangUps) review(v verdict, a answer, bytes int, now time.Time) verdict {
	if h.add(a, now); v == verdictAgain && h.tooLarge(bytes, now) {
		return verdictUnknown
	}
	return v
}

// splits makes later groups smaller if brokers hung up on one of several writes.
func (w *writer) splits(group []*write, b *recordBatch, cause error) {
	var e *hangUpError
	if len(group) > 1 && errors.As(cause, &e) && b.size() >= leastLarge {
		w.queue.shrink(b.size()/2, w.limit().bytes)
	}
}
