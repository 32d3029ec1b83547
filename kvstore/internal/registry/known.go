package registry

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/kvsim/kvsim/kvstore/internal/brief"
)

// knownSchema is what is kept of a schema: where it has the message that is wanted, and, for
// errors, the beginning of what else it has. That is some KiB, however large the schema is.
// It does not change once it is made.
type knownSchema struct {
	fits    [][]int           // indexes of the message that is wanted
	others  map[string]string // names of messages by their index as text
	whole   bool              // others has all other messages
	listing string            // of the schema
}

// mostOthers is how many bytes of names are kept of a schema for errors.
const mostOthers = 4 << 10

// known returns what to keep of s, of which the message want is wanted.
func (s *protoSchema) known(want protoreflect.FullName) *knownSchema {
	k := &knownSchema{others: map[string]string{}, whole: true, listing: s.listing()}
	left := mostOthers
	for _, compiled := range []bool{false, true} {
		if index, ok := s.find(want, compiled); ok && !k.has(index) {
			if name, _ := s.at(index); name == want {
				k.fits = append(k.fits, index)
			}
		}
		s.roots.walk(nil, protoreflect.FullName(s.pkg), compiled, func(index []int, name protoreflect.FullName) bool {
			at, short := indexText(index), brief.Text(name)
			if _, ok := k.others[at]; ok || name == want {
				return true
			}
			if left -= len(at) + len(short); left < 0 {
				k.whole = false
				return false
			}
			k.others[at] = short
			return true
		})
	}
	return k
}

func (k *knownSchema) has(index []int) bool {
	return slices.ContainsFunc(k.fits, func(fit []int) bool { return slices.Equal(fit, index) })
}

// check returns nil if the message want, for which k was made, is at index.
func (k *knownSchema) check(index []int, want protoreflect.FullName) error {
	if k.has(index) {
		return nil
	}
	at := indexText(index)
	name, ok := k.others[at]
	switch {
	case ok:
		return fmt.Errorf("%w: message at index %s is %s, want %s", ErrMismatch, at, name, want)
	case k.whole:
		return fmt.Errorf("%w: no message at index %s, want %s: it has %s", ErrMismatch, at, want, k.listing)
	}
	return fmt.Errorf("%w: the message at index %s, if any, is not %s: it has %s", ErrMismatch, at, want, k.listing)
}

// indexText returns the beginning of a message index as text.
func indexText(index []int) string {
	if len(index) > mostNested {
		return brief.Text(fmt.Sprint(index[:mostNested])) + "..."
	}
	return brief.Text(fmt.Sprint(index))
}
