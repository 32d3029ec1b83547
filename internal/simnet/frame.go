package simnet

import (
	"encoding/binary"
	"slices"
)

// NoKey is the key of what is not a Kafka frame, or is the answer to none.
const NoKey int16 = -1

// maxFrame is the largest length that is believed to be a frame's.
const maxFrame = 1 << 30

// Fate says what became of a frame.
type Fate uint8

// The fates of frames.
const (
	Delivered  Fate = iota // the other end can read it
	Vanished               // swallowed by a black hole, or on a connection already dead
	LostReset              // swallowed, and the connection reset
	CutReset               // a prefix was delivered, and the connection reset
	DroppedEnd             // in flight when its connection was reset, or its reader had closed
)

// String names the fate.
func (f Fate) String() string {
	switch f {
	case Delivered:
		return "delivered"
	case Vanished:
		return "vanished"
	case LostReset:
		return "lost"
	case CutReset:
		return "cut"
	case DroppedEnd:
		return "dropped"
	}
	return "unknown fate"
}

// Frame is one frame as an observer sees it.
type Frame struct {
	Link
	Key         int16 // Key is the api key of the request, also on its answer; NoKey if not known.
	Correlation int32
	Size        int // Size is in bytes, with the length prefix.
	Fate        Fate
}

// requestHeader reads the api key and correlation id of a request frame.
func requestHeader(frame []byte) (key int16, corr int32) {
	if len(frame) < 12 {
		return NoKey, 0
	}
	return int16(binary.BigEndian.Uint16(frame[4:])), int32(binary.BigEndian.Uint32(frame[8:]))
}

func answerCorrelation(frame []byte) (int32, bool) {
	if len(frame) < 8 {
		return 0, false
	}
	return int32(binary.BigEndian.Uint32(frame[4:])), true
}

// frameLen returns the length of the first frame of b with its prefix, 0 if
// more bytes are needed to know it, or -1 if b is no frame.
func frameLen(b []byte) int {
	if len(b) < 4 {
		return 0
	}
	n := binary.BigEndian.Uint32(b)
	if n > maxFrame {
		return -1
	}
	return int(n) + 4
}

// asked is a request that awaits its answer.
type asked struct {
	corr int32
	key  int16
}

// describe fills in what a frame says about itself. Requests are remembered
// for their answers.
func (p *pair) describe(dir Direction, frame []byte) (key int16, corr int32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if dir == ToBroker {
		key, corr = requestHeader(frame)
		if key != NoKey {
			p.asked = append(p.asked, asked{corr, key})
		}
		return key, corr
	}
	corr, ok := answerCorrelation(frame)
	if !ok {
		return NoKey, 0
	}
	for i, a := range p.asked {
		if a.corr == corr {
			// A broker answers in order: what was asked before and
			// is still here (acks=0) never gets an answer.
			p.asked = append(p.asked[:0], p.asked[i+1:]...)
			return a.key, corr
		}
	}
	return NoKey, corr
}

// asks reports whether a request of one of the keys is unanswered.
func (p *pair) asks(keys []int16) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.ContainsFunc(p.asked, func(a asked) bool { return slices.Contains(keys, a.key) })
}
