package memory

const (
	// blockSize is the most bytes that a block takes, and with it what one
	// held slice keeps alive.
	blockSize = 4096

	// maxGathered is the size of the largest item that is put into a block. A
	// larger one gains nothing from it.
	maxGathered = 512
)

// gather copies the small items of slots, which are neighbours in key order,
// into as few allocations as fit, and points the slots at the copies. A range
// then reads memory from front to back, which processors are good at: scattered
// items cost it a cache miss and a miss of the address translation each.
//
// What is overwritten or deleted later stays in its block until the leaf is
// gathered again or the block's last item goes; [editor.changed] says when.
func gather(slots []slot) {
	for len(slots) > 0 {
		n, size := 0, 1 // a byte at the end: see behind
		for ; n < len(slots); n++ {
			s := slots[n].item.size()
			if s > maxGathered || size+s > blockSize {
				break
			}
			size += s
		}
		if n == 0 { // a large item
			slots = slots[1:]
			continue
		}
		copyInto(make([]byte, 0, size), slots[:n])
		slots = slots[n:]
	}
}

// gatherFor gathers the slots of a leaf and tells the index of it.
func gatherFor(x *index, slots []slot) {
	var before [maxLeaf + 1]*item
	for i, s := range slots {
		before[i] = s.item
	}
	gather(slots)
	x.move(before[:len(slots)], slots)
}

func copyInto(block []byte, slots []slot) {
	for i := range slots {
		at := len(block)
		it := slots[i].item
		block = append(block, it.raw(it.size())...)
		block[at] = block[at]&^chunked | gathered
		slots[i].item = itemAt(block, at)
	}
}
