package memory

import (
	"bytes"
	"cmp"
	"runtime"
	"slices"
	"sync"

	"github.com/kvsim/kvsim/kvstore/memory/internal/chunk"
	"github.com/kvsim/kvsim/kvstore/memory/internal/index"
	"github.com/kvsim/kvsim/kvstore/memory/internal/item"
)

const (
	// fullLeaf and fullInner are how full a tree is built: some room is left,
	// or the next inserts would divide every node.
	fullLeaf  = 56
	fullInner = 28

	// alone is the number of items for which it is not worth it to start
	// another goroutine.
	alone = 8192
)

// build makes a tree of slots, which have no hints yet, in one go: it sorts them and
// fills leaves from left to right, with gathered items, of which x is told. It takes
// time n log n for n items, most of it shared among the processors.
func build(x *index.Index, slots []slot) *node {
	if len(slots) == 0 {
		return &node{}
	}
	hint(slots)
	order(slots, runtime.GOMAXPROCS(0))
	level := leaves(x, slots)
	for height := uint8(1); len(level) > 1; height++ {
		level = parents(level, height)
	}
	return level[0].node
}

// hint gives slots their hints, behind the prefix that all keys share.
func hint(slots []slot) {
	// Most often what a few keys share is what all share. Where it is not, the
	// hints have to be taken again.
	prefix := slots[0].item.Key()
	for _, s := range slots[:min(len(slots), 1000)] {
		prefix = prefix[:sharedPrefix(prefix, s.item.Key())]
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
func hintBehind(slots []slot, prefix []byte) (shared int) {
	shared = len(prefix)
	for i := range slots {
		key := slots[i].item.Key()
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
func order(slots []slot, processors int) {
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
func sampledMedian(slots []slot) slot {
	var sample [127]slot
	for i := range sample {
		sample[i] = slots[len(slots)/len(sample)*i]
	}
	slices.SortFunc(sample[:], compareSlots)
	return sample[len(sample)/2]
}

// divideAt moves what is below the pivot to the front and returns how much it is.
func divideAt(slots []slot, pivot slot) int {
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

func compareSlots(a, b slot) int {
	if a.hint != b.hint {
		return cmp.Compare(a.hint, b.hint)
	}
	return bytes.Compare(a.item.Key(), b.item.Key())
}

// built is a node with the first and last key below it.
type built struct {
	node        *node
	first, last *item.Item
}

func leaves(x *index.Index, slots []slot) []built {
	level := make([]built, (len(slots)+fullLeaf-1)/fullLeaf)
	each(len(level), alone/fullLeaf, func(from, to int) {
		blocks := chunk.Blocks{Shared: true}
		defer func() { x.Join(blocks.Chunks()) }()
		for i := from; i < to; i++ {
			part := slots[i*fullLeaf : min((i+1)*fullLeaf, len(slots))]
			gather(x, part, &blocks)
			n := &node{}
			n.setSlots(part)
			level[i] = built{n, part[0].item, part[len(part)-1].item}
		}
	})
	return level
}

func parents(level []built, height uint8) []built {
	var up []built
	for part := range slices.Chunk(level, fullInner) {
		n := &node{height: height, children: make([]*node, len(part))}
		separators := make([]slot, len(part)-1)
		for i, c := range part {
			n.children[i] = c.node
			if i > 0 {
				separators[i-1].item = separate(part[i-1].last.Key(), c.first.Key())
			}
		}
		n.setSlots(separators)
		up = append(up, built{n, part[0].first, part[len(part)-1].last})
	}
	return up
}
