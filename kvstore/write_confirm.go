package kvstore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
)

// confirm makes sure that the record which was applied at a write's revision is
// the write's (I20). Compaction may have removed it before this client came to it,
// which is as good: then the log has to be the one that was read, and to have
// had the write.
func (c *Client) confirm(ctx context.Context, res written) error {
	if c.recent.has(res.revision, res.producer) {
		return nil
	}
	var why Problem
	for failures := 1; ; failures++ {
		pos, epoch := c.tracker.read()
		err := c.part.holds(ctx, pos, epoch)
		if err == nil {
			err = c.writer.stands(ctx, res)
		}
		if err == nil {
			err = c.part.sameTopic(ctx)
		}
		switch term, _, _ := c.tracker.now(); {
		case term != res.term: // it was seen in a log that is being read anew
			return errRolledBack
		case err == nil:
			return nil
		case errors.Is(err, ErrDataLoss), errors.Is(err, ErrTopicRecreated), errors.Is(err, ErrTopicDeleted):
			c.part.suspect()
			return err
		case ctx.Err() != nil:
			return c.tracker.waitErrorFor(ctx, res.revision+1, why)
		}
		why = why.met(err)
		if dead := c.tracker.deadBy(); dead != nil {
			return dead
		}
		sleep(ctx, c.backoff(failures))
	}
}

// stands looks at the log for what lies at the offset of an acknowledged write. A
// client that had not read so far does not learn of its loss by reading (I20).
//
// It fails with a *lostError when another batch lies there. When none does,
// compaction has removed what did: the write, unless it was lost before.
func (w *writer) stands(ctx context.Context, res written) error {
	l, err := w.part.lead(ctx)
	if err != nil {
		return err
	}
	raw, _, err := w.peek(ctx, l, res.revision, 1) // a broker answers a whole batch, if there is one
	switch {
	case errors.Is(err, kerr.OffsetOutOfRange):
		return nil // this client has read on from there: the log's begin was deleted
	case err != nil:
		w.part.forget(l)
		return err
	case len(raw) < batchOverhead:
		return nil
	}
	if first := int64(binary.BigEndian.Uint64(raw)); first > res.revision || sentAs(raw, res.who) {
		return nil
	}
	return &lostError{res.revision, fmt.Sprintf("%v: the record at offset %d is not the write's that was acknowledged there", ErrDataLoss, res.revision)}
}
