package simnet

import (
	"encoding/binary"
	"slices"
)

// NoKey is the api key of a unit that is no Kafka frame, or of an answer without a
// known request.
const NoKey int16 = -1

// maxFrame is the largest length that is taken for that of a frame.
const maxFrame = 1 << 30

// Fate says what happened to a frame.
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
	Key         int16 // Key is the api key of the request, for its answer too; NoKey if not known.
	Correlation int32
	Size        int // Size is in bytes, with the length prefix.
	Fate        Fate
}

// requestHeader reads the api key, the version and the correlation id of a request frame.
func requestHeader(frame []byte) (key, version int16, corr int32) {
	if len(frame) < 12 {
		return NoKey, 0, 0
	}
	return int16(binary.BigEndian.Uint16(frame[4:])), int16(binary.BigEndian.Uint16(frame[6:])), int32(binary.BigEndian.Uint32(frame[8:]))
}

func answerCorrelation(frame []byte) (int32, bool) {
	if len(frame) < 8 {
		return 0, false
	}
	return int32(binary.BigEndian.Uint32(frame[4:])), true
}

// frameLen returns the length of the first frame in b, including the length prefix. It
// returns 0 if more bytes are needed to know it, and -1 if b does not start with a frame.
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
	vers int16

	instead []byte    // the answer, if it is not to be the broker's
	by      []*Effect // what gave it
}

// describe returns what a frame asks, or answers. It remembers requests, to recognise their
// answers.
func (p *pair) describe(dir Direction, frame []byte) asked {
	p.mu.Lock()
	defer p.mu.Unlock()
	if dir == ToBroker {
		key, version, corr := requestHeader(frame)
		a := asked{corr: corr, key: key, vers: version}
		if key != NoKey {
			p.asked = append(p.asked, a)
		}
		return a
	}
	corr, ok := answerCorrelation(frame)
	if !ok {
		return asked{key: NoKey}
	}
	for i, a := range p.asked {
		if a.corr == corr {
			// A broker answers in order. Requests that were sent before
			// this one and are still here (acks=0) never get an answer.
			p.asked = append(p.asked[:0], p.asked[i+1:]...)
			return a
		}
	}
	return asked{key: NoKey, corr: corr}
}

// answer notes the answer to a request that the broker does not get.
func (p *pair) answer(corr int32, frame []byte, by []*Effect) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.asked {
		if a := &p.asked[i]; a.corr == corr {
			a.instead, a.by = frame, by
			return
		}
	}
}

// placeholder is a request that every broker answers at any time, for its api versions, in the
// version that has no fields.
func placeholder(corr int32) []byte {
	const apiVersions, noClientID = 18, 0xffff
	b := binary.BigEndian.AppendUint32(nil, 10)
	b = binary.BigEndian.AppendUint16(b, apiVersions)
	b = binary.BigEndian.AppendUint16(b, 0)
	b = binary.BigEndian.AppendUint32(b, uint32(corr))
	return binary.BigEndian.AppendUint16(b, noClientID)
}

// asks reports whether a request of one of the keys is unanswered.
func (p *pair) asks(keys []int16) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.ContainsFunc(p.asked, func(a asked) bool { return slices.Contains(keys, a.key) })
}
