package sim

import "github.com/kvsim/kvsim/internal/recordlog"

// above returns the lowest offset, from off up, at which a cut parts none.
func above(off int64, all []recordlog.Transaction) int64 {
	for i := 0; i < len(all); i++ {
		if all[i].Parted(off) {
			off, i = all[i].Marker+1, -1
		}
	}
	return off
}

// below returns the highest offset, from off down, at which a cut parts none.
func below(off int64, all []recordlog.Transaction) int64 {
	for i := 0; i < len(all); i++ {
		if all[i].Parted(off) {
			off, i = all[i].First, -1
		}
	}
	return off
}

// ended returns the transactions that have ended.
func (t *tap) ended() []recordlog.Transaction {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.txns.Decided()
}
