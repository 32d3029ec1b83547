package memory

import (
	"bytes"
	"cmp"
	"runtime"
	"slices"
	"sync"
)

const (
	// fullLeaf and fullInner are how full a tree is built: some room is left,
	// or the next inserts would divide every node.
	fullLeaf  = 56
	fullInner = 28

	// alone is the number of items below which it is not worth it to share
	// the work among processors.
	alone = 8192
)

// build makes a tree of all items of x, in one go: it sorts them and fills
// leaves from left to right, with gathered items, of which x is told. It takes
// time n log n for n items, most of it shared among the processors.
//
// The index may be read meanwhile: it is given copies of items that it has.
func build(x *index) *node {
	slots := sorted(unsorted(x))
	if len(slots) == 0 {
		return &node{}
	}
	level := leaves(x, slots)
	for height := uint8(1); len(level) > 1; height++ {
		level = parents(level, height)
	}
	return level[0].node
}

// unsorted returns the items of x in no order, with hints behind the prefix that
// all keys share.
func unsorted(x *index) []slot {
	slots := make([]slot, 0, x.len())
	skip := 0
	for s := range x.all {
		for it := range s.items() {
			if len(slots) == 0 {
				skip = len(it.key())
			} else {
				skip = sharedPrefix(it.key()[:min(skip, len(it.key()))], slots[0].item.key())
			}
			slots = append(slots, slot{item: it})
		}
	}
	each(len(slots), func(from, to int) {
		for i := from; i < to; i++ {
			slots[i].hint = hintOf(slots[i].item.key(), uint32(skip))
		}
	})
	return slots
}

// each calls do with parts of 0..n that make up the whole, at the same time when
// there is enough to do.
func each(n int, do func(from, to int)) {
	workers := min(runtime.GOMAXPROCS(0), 1+n/alone)
	var wg sync.WaitGroup
	for w := 1; w < workers; w++ {
		wg.Go(func() { do(n*w/workers, n*(w+1)/workers) })
	}
	do(0, n/workers)
	wg.Wait()
}

// sorted returns slots, whose hints are of one skip, in the order of their keys.
func sorted(slots []slot) []slot {
	if len(slots) < 2*alone || runtime.GOMAXPROCS(0) == 1 {
		slices.SortFunc(slots, compareSlots)
		return slots
	}
	middle := len(slots) / 2
	each2(
		func() { slices.SortFunc(slots[:middle], compareSlots) },
		func() { slices.SortFunc(slots[middle:], compareSlots) },
	)
	return merged(slots[:middle], slots[middle:])
}

func each2(a, b func()) {
	var wg sync.WaitGroup
	wg.Go(a)
	b()
	wg.Wait()
}

func merged(a, b []slot) []slot {
	out := make([]slot, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		if compareSlots(a[0], b[0]) < 0 {
			out, a = append(out, a[0]), a[1:]
		} else {
			out, b = append(out, b[0]), b[1:]
		}
	}
	return append(append(out, a...), b...)
}

func compareSlots(a, b slot) int {
	if a.hint != b.hint {
		return cmp.Compare(a.hint, b.hint)
	}
	return bytes.Compare(a.item.key(), b.item.key())
}

// built is a node with the first and last key below it.
type built struct {
	node        *node
	first, last *item
}

func leaves(x *index, slots []slot) []built {
	level := make([]built, (len(slots)+fullLeaf-1)/fullLeaf)
	each(len(level), func(from, to int) {
		for i := from; i < to; i++ {
			part := slots[i*fullLeaf : min((i+1)*fullLeaf, len(slots))]
			gather(part)
			for _, s := range part {
				x.put(s.item)
			}
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
				separators[i-1].item = separate(part[i-1].last.key(), c.first.key())
			}
		}
		n.setSlots(separators)
		up = append(up, built{n, part[0].first, part[len(part)-1].last})
	}
	return up
}
