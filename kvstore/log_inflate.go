package kvstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kvsim/kvsim/kvstore/internal/inflate"
)

// defaultInflated is what kgo.MaxDecompressBatchBytes changes. franz-go's own default, 1 GiB, is
// what a small machine has.
const defaultInflated = 128 << 20

// DecompressError says that a record batch in the log decompresses to more than this client
// accepts. Anyone who may write to the topic can have put it there. The client does not
// skip it: it goes on once compaction, retention or DeleteRecords has removed the batch, or
// when it is opened again with a larger limit.
type DecompressError struct {
	// Offset is the offset of the first record of the batch.
	Offset int64

	// Limit is how many bytes a batch may decompress to, as set by
	// kgo.MaxDecompressBatchBytes.
	Limit int
}

// Error gives the numbers and says what to do.
func (e *DecompressError) Error() string {
	if e == nil {
		return noError
	}
	return fmt.Sprintf("the record batch at offset %d decompresses to more than %d bytes: if it is meant to, open the client with a larger kgo.MaxDecompressBatchBytes", e.Offset, e.Limit)
}

// errEnough ends a fetch before a compressed batch, because the batches before it take
// enough memory.
var errEnough = errors.New("decompressed enough at a time")

// inflater decompresses the batches of one fetch, in their order. kgo ends the fetch at the
// first error, and does not return it if there are records before it.
type inflater struct {
	*decoder
	raw   []byte // starting with the batch that kgo gets to next
	next  int64  // no record of it lies below this offset
	total int    // how many bytes came of the batches before
	found defect
}

// Decompress is part of kgo.Decompressor. What a batch claims is checked before kgo makes room
// for it.
func (f *inflater) Decompress(src []byte, codec kgo.CompressionCodecType) ([]byte, error) {
	if len(src) == 0 {
		return nil, nil // compaction has emptied the batch
	}
	s := f.batch(src)
	out, err := f.checked(s, src, codec)
	if err != nil {
		f.found = f.found.or(defect{max(s.first, f.next), err})
		return nil, err
	}
	return out, nil
}

// foreignWindow reports whether a decompressor of the user's says that a frame claims more memory
// than the limit, whatever comes of it. That of franz-go does, and has no name for the error.
func (f *inflater) foreignWindow(err error) bool {
	_, own := f.codec.(*inflate.Decompressor)
	return err != nil && !own && strings.Contains(err.Error(), "window size exceeded")
}

// batch returns the batch whose content is src, and moves past it. Of a message of an old
// format it does not know the first offset.
func (f *inflater) batch(src []byte) span {
	size, next := 0, f.next
	for s := range spans(f.raw) {
		size += len(s.raw)
		if n := len(s.raw) - len(src); n >= 0 && len(src) > 0 && &s.raw[n] == &src[0] {
			if s.claim < 0 {
				s.first = next
			}
			f.raw, f.next = f.raw[size:], next
			return s
		}
		next = max(next, s.last+1)
	}
	return span{first: f.next, claim: -1}
}

func (f *inflater) checked(s span, src []byte, codec kgo.CompressionCodecType) ([]byte, error) {
	if err := f.refusal.of(s); err != nil {
		return nil, err
	}
	if f.total > f.most/2 {
		return nil, errEnough
	}
	out, err := f.inflate(src, codec)
	f.total += len(out)
	switch {
	case errors.Is(err, kgo.ErrMaxDecompress) || len(out) > f.most || f.foreignWindow(err):
		err = &DecompressError{Offset: s.first, Limit: f.most}
		f.refusal.note(s, err)
		return nil, err
	case err != nil && codec > kgo.CodecZstd:
		return nil, fmt.Errorf("%w: codec %d, at offset %d: %w", errForeign, codec, s.first, err)
	case err != nil:
		return nil, fmt.Errorf("decompress: %w", err)
	case s.claim < 0:
		return out, nil
	}
	return out, inspect(out, s.claim, s.last-s.first)
}

// inflate calls the decompressor, which may be the user's. A panic of it is an error.
func (f *inflater) inflate(src []byte, codec kgo.CompressionCodecType) (out []byte, err error) {
	panicked := guarded("kgo.WithDecompressor", func() error {
		out, err = f.codec.Decompress(src, codec)
		return nil
	})
	if panicked != nil {
		return nil, panicked
	}
	return out, err
}

// refusal remembers the last batch that was too large, so that it is not decompressed again
// at each try. It is safe for concurrent use.
type refusal struct {
	mu   sync.Mutex
	what batchMark
	err  error
}

// batchMark distinguishes a batch from another one that may later be at its place.
type batchMark struct {
	first int64
	size  int
	crc   uint32
}

func markOf(s span) batchMark {
	return batchMark{s.first, len(s.raw), binary.BigEndian.Uint32(s.raw[headerCRC:])}
}

func (r *refusal) note(s span, err error) {
	if s.claim < 0 {
		return // it has no such header
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.what, r.err = markOf(s), err
}

// of returns what is wrong with a batch, nil when nothing is known about it.
func (r *refusal) of(s span) error {
	if s.claim < 0 {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil || r.what != markOf(s) {
		return nil
	}
	return r.err
}
