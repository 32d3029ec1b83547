package claims

import (
	"encoding/binary"
	"fmt"
)

// stream is one direction of a connection: frames of four bytes of size and as many bytes of
// content.
type stream struct {
	// look is called with the beginning of a frame, size bytes included, and the size of its
	// content. It returns how many bytes it has to see, until that is 0.
	look func(frame []byte, size int) (need int, err error)

	frame []byte // what look has to see of the frame under way
	need  int    // how many bytes that have to be
	skip  int    // bytes of the frame that nobody looks at
	err   error  // the first
}

const sizeBytes = 4

// within reports whether a frame has begun of which fewer than n bytes have been seen.
func (s *stream) within(n int) bool { return s.err == nil && len(s.frame) > 0 && len(s.frame) < n }

// see takes the next bytes. It keeps none of data, and returns its first error always.
func (s *stream) see(data []byte) error {
	for len(data) > 0 && s.err == nil {
		if s.skip > 0 {
			n := min(s.skip, len(data))
			s.skip, data = s.skip-n, data[n:]
			continue
		}
		s.need = max(s.need, sizeBytes)
		n := min(s.need-len(s.frame), len(data))
		s.frame, data = append(s.frame, data[:n]...), data[n:]
		if len(s.frame) == s.need {
			s.step()
		}
	}
	return s.err
}

// step looks at what there is of the frame.
func (s *stream) step() {
	size := int(int32(binary.BigEndian.Uint32(s.frame)))
	if size < 0 {
		s.err = fmt.Errorf("a frame of %d bytes", size)
		return
	}
	whole := sizeBytes + size
	if s.need, s.err = s.look(s.frame, size); s.err != nil {
		return
	}
	if s.need = min(s.need, whole); s.need > len(s.frame) {
		return
	}
	s.skip = whole - len(s.frame)
	s.frame, s.need = s.frame[:0], 0
	if cap(s.frame) > 1<<10 {
		s.frame = nil
	}
}
