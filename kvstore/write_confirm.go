package kvstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
)

// confirm makes sure that the record which was applied at a write's revision is
// the write's. Compaction may have removed it before this client came to it,
// which is as good: then the log has to be the one that was read, and to have
// had the write.
func (c *Client) confirm(ctx context.Context, res written) error {
	if c.recent.has(res.revision, res.producer) {
		return nil
	}
	for failures := 1; ; failures++ {
		pos, epoch := c.tracker.read()
		err := c.part.holds(ctx, pos, epoch)
		if err == nil {
			err = c.part.keeps(ctx, res.revision, res.epoch)
		}
		if err == nil {
			err = c.part.sameTopic(ctx)
		}
		switch term, _, _ := c.tracker.now(); {
		case term != res.term: // it was seen in a log that is being read anew
			return errRolledBack
		case err == nil:
			return nil
		case errors.Is(err, ErrDataLoss), errors.Is(err, ErrTopicRecreated):
			c.part.suspect()
			return err
		case ctx.Err() != nil:
			return c.tracker.waitError(ctx, res.revision+1)
		}
		if dead := c.tracker.deadBy(); dead != nil {
			return dead
		}
		sleep(ctx, c.backoff(failures))
	}
}

// keeps asks whether the log still has what the leader of an epoch acknowledged at an
// offset. A client that had not read so far does not learn of its loss by reading:
//
//	log before   a=1 | b=1 (acknowledged at 1)    the client has read up to "|"
//	log after    a=1 | c=1                        it reads on, and passes 1
//
// If not it fails with a *lostError. Where leaders have no epochs it can't tell.
func (p *partition) keeps(ctx context.Context, offset int64, epoch int32) error {
	l, err := p.lead(ctx)
	if err != nil || epoch < 0 || l.epoch == epoch { // a leader keeps what it has
		return err
	}
	known, end, err := p.epochEnd(ctx, l, epoch)
	switch {
	case errors.Is(err, kerr.UnsupportedVersion):
		return nil
	case err != nil:
		return err
	case known >= 0 && end <= offset:
		return &lostError{end, fmt.Sprintf("%v: leader epoch %d ends at offset %d, the write was acknowledged at offset %d in epoch %d", ErrDataLoss, known, end, offset, epoch)}
	}
	return nil
}
