package kvstoretest

import (
	"bytes"
	"context"
	"iter"
	"runtime/debug"
	"sync"

	"github.com/kvsim/kvsim/kvstore"
)

// serialized returns the values with their bytes. An error is noted.
func (p *serdeProbe[T]) serialized() iter.Seq2[T, []byte] {
	return func(yield func(T, []byte) bool) {
		for _, v := range p.Values {
			if b, ok := p.serialize(v); ok && !yield(v, b) {
				return
			}
		}
	}
}

func (p *serdeProbe[T]) roundTrip() {
	for v, b := range p.serialized() {
		if got, ok := p.deserialize(b); ok && !p.equal(got, v) {
			p.errorf("Deserialize(Serialize(%v)) = %v, want an equal value", v, got)
		}
	}
}

func (p *serdeProbe[T]) neverNil() {
	for v, b := range p.serialized() {
		if b == nil {
			p.errorf("Serialize(%v) = nil, want an empty slice: nil means delete to a storage", v)
		}
	}
}

// valueStays takes what the first call wrote for the value as it was.
func (p *serdeProbe[T]) valueStays() {
	for v, b := range p.serialized() {
		before, ok := p.deserialize(bytes.Clone(b))
		if !ok {
			continue
		}
		if _, ok := p.serialize(v); ok && !p.equal(v, before) {
			p.errorf("value = %v after Serialize, want %v as before", v, before)
		}
	}
}

// outputIsFree changes bytes that Serialize returned, as their owner may.
func (p *serdeProbe[T]) outputIsFree() {
	outputs := make([][]byte, len(p.Values))
	copies := make([][]byte, len(p.Values))
	before := make([]T, len(p.Values))
	for i, v := range p.Values {
		b, ok := p.serialize(v)
		if !ok {
			return
		}
		outputs[i], copies[i] = b, bytes.Clone(b)
		if before[i], ok = p.deserialize(bytes.Clone(b)); !ok {
			return
		}
	}
	for i, b := range outputs {
		if !bytes.Equal(b, copies[i]) {
			p.errorf("bytes of %v = %s after other values were serialized, want %s as before",
				p.Values[i], quote(string(b)), quote(string(copies[i])))
		}
	}
	for _, b := range outputs {
		scribble(b)
	}
	for i, v := range p.Values {
		if !p.equal(v, before[i]) {
			p.errorf("value = %v after its bytes were changed, want %v as before", v, before[i])
			continue
		}
		b, ok := p.serialize(v)
		if !ok {
			continue
		}
		if got, ok := p.deserialize(b); ok && !p.equal(got, v) {
			p.errorf("Deserialize(Serialize(%v)) = %v after earlier bytes were changed, want an equal value", v, got)
		}
	}
}

func (p *serdeProbe[T]) refuses() {
	if len(p.Refused) == 0 {
		p.skip("SerdeSamples.Refused is empty")
	}
	for _, v := range p.Refused {
		if b, err := p.serde.Serialize(v); err == nil || b != nil {
			p.errorf("Serialize(%v) = %s, %v, want an error alone", v, quote(string(b)), err)
		}
	}
}

// deterministic tries often enough for the order of a small map to change.
func (p *serdeProbe[T]) deterministic() {
	if !p.Deterministic {
		p.skip("SerdeSamples.Deterministic is false")
	}
	const tries = 20
	for v, b := range p.serialized() {
		want := bytes.Clone(b)
		for range tries {
			same, ok := p.deserialize(bytes.Clone(want))
			if !ok {
				break
			}
			for _, w := range []T{v, same} {
				if got, ok := p.serialize(w); ok && !bytes.Equal(got, want) {
					p.errorf("Serialize(%v) = %s, and before %s", w, quote(string(got)), quote(string(want)))
				}
			}
		}
	}
}

func (p *serdeProbe[T]) inputStays() {
	inputs := append([][]byte(nil), p.Garbage...)
	for _, b := range p.serialized() {
		inputs = append(inputs, b)
	}
	for _, in := range inputs {
		given := bytes.Clone(in)
		_, _ = p.serde.Deserialize(given) // garbage gives an error
		if !bytes.Equal(given, in) {
			p.errorf("Deserialize(%s) changed its input to %s", quote(string(in)), quote(string(given)))
		}
	}
}

func (p *serdeProbe[T]) inputIsFree() {
	for v, b := range p.serialized() {
		b = bytes.Clone(b)
		got, ok := p.deserialize(b)
		if !ok {
			continue
		}
		scribble(b)
		if !p.equal(got, v) {
			p.errorf("value = %v after the bytes that it came from were changed, want %v", got, v)
		}
	}
}

func (p *serdeProbe[T]) separate() {
	for _, first := range p.Values {
		for _, second := range p.Values {
			b1, ok1 := p.serialize(first)
			b1 = bytes.Clone(b1)
			b2, ok2 := p.serialize(second)
			if !ok1 || !ok2 {
				continue
			}
			got1, ok1 := p.deserialize(b1)
			got2, ok2 := p.deserialize(b2)
			if ok1 && !p.equal(got1, first) {
				p.errorf("value = %v after %v was deserialized, want %v", got1, second, first)
			}
			if ok2 && !p.equal(got2, second) {
				p.errorf("value = %v when %v was deserialized before, want %v", got2, first, second)
			}
		}
	}
}

func (p *serdeProbe[T]) garbage() {
	if len(p.Garbage) == 0 {
		p.skip("SerdeSamples.Garbage is empty")
	}
	for _, b := range p.Garbage {
		if v, err := p.serde.Deserialize(bytes.Clone(b)); err == nil {
			p.errorf("Deserialize(%s) = %v, want an error", quote(string(b)), v)
		}
	}
}

// damaged ignores what Deserialize makes of damaged bytes, as long as it
// returns: some may well be the bytes of another value.
func (p *serdeProbe[T]) damaged() {
	const most = 128 // bytes of each value that are damaged
	p.survives(nil)
	p.survives([]byte{})
	for _, b := range p.serialized() {
		for i := range b[:min(len(b), most)] {
			p.survives(bytes.Clone(b[:i]))
			for bit := range 8 {
				damaged := bytes.Clone(b)
				damaged[i] ^= 1 << bit
				p.survives(damaged)
			}
		}
	}
}

// survives notes if Deserialize of b panics.
func (p *serdeProbe[T]) survives(b []byte) {
	defer func() {
		if v := recover(); v != nil {
			p.errorf("Deserialize(%s) panics: %v\n%s", quote(string(b)), v, debug.Stack())
		}
	}()
	_, _ = p.serde.Deserialize(b)
}

func (p *serdeProbe[T]) context() {
	serde, ok := p.serde.(kvstore.ContextDeserializer[T])
	if !ok {
		p.skip("the serde is no kvstore.ContextDeserializer")
	}
	for v, b := range p.serialized() {
		got, err := serde.DeserializeContext(context.Background(), b)
		if err != nil || !p.equal(got, v) {
			p.errorf("DeserializeContext(Serialize(%v)) = %v, %v, want an equal value", v, got, err)
		}
	}
	for _, b := range p.Garbage {
		if v, err := serde.DeserializeContext(context.Background(), b); err == nil {
			p.errorf("DeserializeContext(%s) = %v, want an error", quote(string(b)), v)
		}
	}
}

func (p *serdeProbe[T]) concurrent() {
	const goroutines, rounds = 8, 50
	start := make(chan struct{})
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			defer func() {
				if v := recover(); v != nil {
					p.errorf("panic: %v\n%s", v, debug.Stack())
				}
			}()
			<-start
			for range rounds {
				p.roundTrip()
			}
		})
	}
	close(start)
	wg.Wait()
}

// scribble changes every byte of b.
func scribble(b []byte) {
	for i := range b {
		b[i] ^= 0xff
	}
}
