package kvstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// epochEnd asks a leader for the latest leader epoch up to the given one that the
// log has, and for the offset where it ended. Both are -1 when the leader knows
// none.
func (p *partition) epochEnd(ctx context.Context, l leader, epoch int32) (known int32, end int64, err error) {
	req := kmsg.NewPtrOffsetForLeaderEpochRequest()
	req.ReplicaID = -1
	t := kmsg.NewOffsetForLeaderEpochRequestTopic()
	t.Topic = p.topic
	rp := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
	rp.Partition, rp.CurrentLeaderEpoch, rp.LeaderEpoch = partitionNumber, l.epoch, epoch
	t.Partitions = append(t.Partitions, rp)
	req.Topics = append(req.Topics, t)

	err = p.ask(ctx, l, req, func(r kmsg.Response) (int16, error) {
		for _, rt := range r.(*kmsg.OffsetForLeaderEpochResponse).Topics {
			for _, got := range rt.Partitions {
				if rt.Topic != p.topic || got.Partition != partitionNumber {
					continue
				}
				if r.GetVersion() < 3 && got.ErrorCode == kerr.ClusterAuthorizationFailed.Code {
					// Before Kafka 2.3 this took a right that only brokers have.
					return kerr.UnsupportedVersion.Code, nil
				}
				if known, end = got.LeaderEpoch, got.EndOffset; got.ErrorCode == 0 && known >= 0 && (end < 0 || known > epoch) {
					return 0, fmt.Errorf("answered that leader epoch %d ends at offset %d, asked for epoch %d", known, end, epoch)
				}
				return got.ErrorCode, nil
			}
		}
		return 0, errNoPartition
	})
	return known, end, err
}

// lostError says that the log no longer has what was read of it.
type lostError struct {
	end int64 // up to here at most it is the same
	msg string
}

func (e *lostError) Error() string { return e.msg }

func (e *lostError) Unwrap() error { return ErrDataLoss }

// holds asks whether the log still has what was read up to pos, where the last
// batch was of the given leader epoch, -1 for none. If not it fails with a
// *lostError. This is the check of KIP-320.
func (p *partition) holds(ctx context.Context, pos int64, epoch int32) error {
	if epoch >= 0 {
		l, err := p.lead(ctx)
		if err != nil {
			return err
		}
		known, end, err := p.epochEnd(ctx, l, epoch)
		switch {
		case errors.Is(err, kerr.UnsupportedVersion):
		case err != nil:
			return err
		default:
			if err := cmp.Or(epochLost(pos, epoch, l.epoch, known, end), p.deleted(ctx, l, pos, known, end)); err != nil {
				return err
			}
		}
	}
	end, err := p.listOffset(ctx, atLatest)
	if err != nil {
		return err
	}
	if end < pos {
		return &lostError{end, fmt.Sprintf("%v: the log ends at offset %d, this client had read up to %d", ErrDataLoss, end, pos)}
	}
	return nil
}

// deleted asks whether the log begins at pos, where a leader says that an epoch it knows only
// from that ended. Then it fails with a *lostError.
//
// Of epochs that ended at the start of the log or below, a leader says that they ended there
// (endsAtStart). So the log may have lost what was read, got other records in its place, and had
// those deleted up to pos.
func (p *partition) deleted(ctx context.Context, l leader, pos int64, known int32, end int64) error {
	if known < 0 || end != pos {
		return nil
	}
	start, err := p.listOffset(ctx, atEarliest)
	if err != nil || !endsAtStart(l, start, known, end) {
		return err
	}
	return &lostError{pos, fmt.Sprintf("%v: the log begins at offset %d, up to which this client had read, and no longer shows where leader epoch %d ended", ErrDataLoss, start, known)}
}

// endsAtStart reports whether all that a leader says of an epoch is that it ended where the log
// begins now. That is all that Kafka remembers (LeaderEpochFileCache.truncateFromStart,
// endOffsetFor): the log may have departed anywhere below from one that had the epoch.
func endsAtStart(l leader, start int64, known int32, end int64) bool {
	return end <= start && known != l.epoch
}

// reaches asks whether the log still has what the log of a leader of an epoch (-1 where
// leaders have none) had up to pos, although nothing there was read. If not it fails with a
// *lostError.
//
// Unlike in holds, the epoch of the batches there is not known. A leader may have answered
// before it had a batch of its own epoch, so that later ones know nothing of that. Nor does it
// matter whether the epoch ended where the log begins: pos is ahead of the client, which reads
// from the start then.
func (p *partition) reaches(ctx context.Context, pos int64, epoch int32) error {
	if epoch >= 0 {
		l, err := p.lead(ctx)
		if err != nil {
			return err
		}
		known, end, err := p.epochEnd(ctx, l, epoch)
		switch {
		case errors.Is(err, kerr.UnsupportedVersion):
		case err != nil:
			return err
		case known >= 0 && end >= pos:
			return nil
		case known >= 0:
			return &lostError{end, fmt.Sprintf("%v: leader epoch %d ends at offset %d, and the log went up to %d under epoch %d", ErrDataLoss, known, end, pos, epoch)}
		}
	}
	return p.holds(ctx, pos, -1)
}

// epochLost judges the answer to the question where epoch ended, that of the last batch
// below pos: by a leader of epoch leads (-1 where leaders have none) that knows the epoch
// known, which ended at end. It returns nil when nothing was lost.
func epochLost(pos int64, epoch, leads, known int32, end int64) error {
	switch {
	case known < 0 && leads >= 0 && leads < epoch:
		// A log whose leaders have not got that far is another one: a topic recreated on a
		// cluster without topic ids, which has grown since.
		return &lostError{pos, fmt.Sprintf("%v: the leader is of epoch %d, this client had read up to offset %d, of epoch %d", ErrDataLoss, leads, pos, epoch)}
	case known < 0:
		return nil // the leader has no list of epochs
	case known < epoch:
		// The batch of epoch that was read is not there, whatever else is: a broker that
		// missed it was elected and has other records in its place.
		return &lostError{min(end, pos), fmt.Sprintf("%v: the log has nothing of leader epoch %d, of which this client had read up to offset %d; before it comes epoch %d, up to offset %d", ErrDataLoss, epoch, pos, known, end)}
	case end < pos:
		return &lostError{end, fmt.Sprintf("%v: leader epoch %d ends at offset %d, this client had read up to %d", ErrDataLoss, known, end, pos)}
	}
	return nil
}
