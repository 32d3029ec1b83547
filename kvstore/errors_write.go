package kvstore

import (
	"errors"
	"fmt"
)

// WriteError is the error of a write that failed, or whose outcome is not known.
type WriteError struct {
	// Op is "put", "delete" or "execute".
	Op string

	// Key is the key written; nil for a batch of several keys.
	Key []byte

	// Outcome is ErrNotWritten, ErrRefused or ErrOutcomeUnknown.
	Outcome error

	// Revision is the offset that Kafka acknowledged. It is -1 when there was
	// no acknowledgement, and when the log lost the write afterwards, since
	// the offset may be another record's by now.
	Revision int64

	// Cause says why: a context's error, a broker's error and so on.
	Cause error
}

// Error gives operation, key, outcome and cause.
func (e *WriteError) Error() string {
	if e == nil {
		return noError
	}
	what := e.Op
	if e.Key != nil {
		what = fmt.Sprintf("%s %s", e.Op, quoteKey(e.Key))
	}
	outcome := fmt.Sprint(e.Outcome)
	if e.acknowledged() {
		outcome = fmt.Sprintf("%v at revision %d", ErrNotVisible, e.Revision)
	}
	return fmt.Sprintf("%s: %s: %v", what, outcome, e.Cause)
}

// Unwrap makes errors.Is match the outcome and the cause, and ErrNotVisible
// when Revision is known.
func (e *WriteError) Unwrap() []error {
	if e == nil {
		return nil
	}
	errs := []error{e.Outcome, e.Cause}
	if e.acknowledged() {
		errs = append(errs, ErrNotVisible)
	}
	return errs
}

// acknowledged reports whether the error is that of a write whose revision is known. A
// WriteError that is not filled in is not.
func (e *WriteError) acknowledged() bool {
	return e.Revision >= 0 && errors.Is(e.Outcome, ErrOutcomeUnknown)
}

// A SizeError says how large a write is and what the limit is. That of a [Batch] matches
// ErrBatchTooLarge, and that of any write of one record ErrValueTooLarge.
type SizeError struct {
	// Records is the number of records in the write.
	Records int

	// Bytes is the uncompressed size of the record batch that it needs.
	Bytes int

	// Limit is the largest record batch that may be written, in bytes; 0 when the broker
	// refused the write by a limit that this client does not know.
	Limit int

	// LimitedBy says what sets the limit: the topic's max.message.bytes, or
	// something lower, such as kgo.ProducerBatchMaxBytes.
	LimitedBy string

	batch bool // it is that of a batch
}

// ofBatch makes a SizeError in err that of a batch.
func ofBatch(err error) error {
	if e, ok := errors.AsType[*SizeError](err); ok && e.Records == 1 {
		e.batch = true // those of several records are anyway
	}
	return err
}

func newSizeError(changes []change, limit byteLimit) *SizeError {
	return &SizeError{Records: len(changes), Bytes: batchSize(changes), Limit: limit.bytes, LimitedBy: limit.by}
}

// Error gives the numbers and says what to do.
func (e *SizeError) Error() string {
	if e == nil {
		return noError
	}
	limit := "the broker's limit is not known"
	if e.LimitedBy != "" || e.Limit != 0 {
		limit = fmt.Sprintf("the limit is %d", e.Limit)
	}
	if e.LimitedBy != "" {
		limit += " (" + e.LimitedBy + ")"
	}
	if e.Records == 1 {
		return fmt.Sprintf("%v: the record takes %d bytes, %s", ErrValueTooLarge, e.Bytes, limit)
	}
	return fmt.Sprintf("%v: %d records take %d bytes in one record batch, %s; use smaller batches", ErrBatchTooLarge, e.Records, e.Bytes, limit)
}

// Is matches the sentinels for the kind of write.
func (e *SizeError) Is(target error) bool {
	switch {
	case e == nil:
		return false
	case e.Records == 1 && target == ErrValueTooLarge:
		return true
	}
	return (e.Records != 1 || e.batch) && target == ErrBatchTooLarge
}
