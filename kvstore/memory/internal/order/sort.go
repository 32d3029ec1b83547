package order

import (
	"bytes"
	"cmp"
	"runtime"
	"slices"
	"sync"
)

// hint gives slots their hints, behind the prefix that all keys share.
func hint(slots []Slot) {
	// Most often what a few keys share is what all share. Where it is not, the
	// hints have to be taken again.
	prefix := slots[0].Item.Key()
	for _, s := range slots[:min(len(slots), 1000)] {
		prefix = prefix[:sharedPrefix(prefix, s.Item.Key())]
	}
	for sound := false; !sound; {
		var mu sync.Mutex
		shared := len(prefix)
		each(len(slots), alone, func(from, to int) {
			least := hintBehind(slots[from:to], prefix)
			mu.Lock()
			defer mu.Unlock()
			shared = min(shared, least)
		})
		sound = shared == len(prefix)
		prefix = prefix[:shared]
	}
}

// hintBehind gives slots hints behind the prefix and returns how much of it the keys
// share.
func hintBehind(slots []Slot, prefix []byte) (shared int) {
	shared = len(prefix)
	for i := range slots {
		key := slots[i].Item.Key()
		if !bytes.HasPrefix(key, prefix[:shared]) {
			shared = sharedPrefix(key, prefix)
		}
		slots[i].hint = hintOf(key, uint32(len(prefix)))
	}
	return shared
}

// each calls do with parts of 0..n that make up the whole, at the same time when
// there are several times least to do.
func each(n, least int, do func(from, to int)) {
	workers := min(runtime.GOMAXPROCS(0), 1+n/least)
	var wg sync.WaitGroup
	for w := 1; w < workers; w++ {
		wg.Go(func() { do(n*w/workers, n*(w+1)/workers) })
	}
	do(0, n/workers)
	wg.Wait()
}

// order sorts slots, whose hints are of one skip, by key. With processors to
// spare it divides them in place into parts, all items of one below all of the
// next, and sorts those at the same time.
func order(slots []Slot, processors int) {
	if processors < 2 || len(slots) < 2*alone {
		slices.SortFunc(slots, compareSlots)
		return
	}
	middle := divideAt(slots, sampledMedian(slots))
	var wg sync.WaitGroup
	wg.Go(func() { order(slots[:middle], processors/2) })
	order(slots[middle:], processors-processors/2)
	wg.Wait()
}

// sampledMedian returns about the middle one of slots.
func sampledMedian(slots []Slot) Slot {
	var sample [127]Slot
	for i := range sample {
		sample[i] = slots[len(slots)/len(sample)*i]
	}
	slices.SortFunc(sample[:], compareSlots)
	return sample[len(sample)/2]
}

// divideAt moves what is below the pivot to the front and returns how much it is.
func divideAt(slots []Slot, pivot Slot) int {
	i, j := 0, len(slots)
	for {
		for i < j && compareSlots(slots[i], pivot) < 0 {
			i++
		}
		for i < j && compareSlots(slots[j-1], pivot) >= 0 {
			j--
		}
		if i >= j {
			return i
		}
		slots[i], slots[j-1] = slots[j-1], slots[i]
	}
}

func compareSlots(a, b Slot) int {
	if a.hint != b.hint {
		return cmp.Compare(a.hint, b.hint)
	}
	return bytes.Compare(a.Item.Key(), b.Item.Key())
}
