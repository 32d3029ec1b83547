package linearizability

import "sort"

// openTxns are the open transactions of a log while its events are read. What is asked most
// is where the first of them begins, since readers get no further.
//
// Invariant: starts is ascending by offset.
type openTxns struct {
	of     map[string]*txnStart
	starts []*txnStart
}

// A txnStart is an offset at which open transactions begin. After records were deleted from
// the start of the log, it may be that of several.
type txnStart struct {
	off    int64
	open   int       // how many transactions are open
	gone   bool      // the log lost them
	merged *txnStart // where they begin since a deletion, or nil
}

// find returns where transactions that began at s begin now.
func (s *txnStart) find() *txnStart {
	for s.merged != nil {
		if next := s.merged; next.merged != nil {
			s.merged = next.merged
		}
		s = s.merged
	}
	return s
}

// begin notes a record of a transaction.
func (o *openTxns) begin(txn string, off int64) {
	if s := o.of[txn]; s != nil && !s.find().gone {
		return
	}
	s := &txnStart{off: off, open: 1}
	o.of[txn] = s
	i := len(o.starts)
	for i > 0 && o.starts[i-1].off > off {
		i--
	}
	o.starts = append(o.starts, nil)
	copy(o.starts[i+1:], o.starts[i:])
	o.starts[i] = s
}

// end notes that a transaction has ended.
func (o *openTxns) end(txn string) {
	if s := o.of[txn]; s != nil {
		s.find().open--
		delete(o.of, txn)
	}
}

// lose notes that the log lost what is at cut and above.
func (o *openTxns) lose(cut int64) {
	for n := len(o.starts); n > 0 && o.starts[n-1].off >= cut; n-- {
		o.starts[n-1].gone = true
		o.starts = o.starts[:n-1]
	}
}

// all returns the starts of the transactions that are open.
func (o *openTxns) all() (open []*txnStart) {
	for _, s := range o.starts {
		if s.open > 0 {
			open = append(open, s)
		}
	}
	return open
}

// trim notes that the log now begins at an offset.
func (o *openTxns) trim(off int64) {
	n := sort.Search(len(o.starts), func(i int) bool { return o.starts[i].off >= off })
	if n == 0 {
		return
	}
	all := &txnStart{off: off}
	for _, s := range o.starts[:n] {
		all.open += s.open
		s.merged = all
	}
	o.starts = o.starts[n-1:]
	o.starts[0] = all
}

// stable returns how far readers get in a log that has an end: the end, or the start of the
// first open transaction.
func (o *openTxns) stable(end int64) int64 {
	for len(o.starts) > 0 && o.starts[0].open == 0 {
		o.starts = o.starts[1:]
	}
	if len(o.starts) > 0 {
		end = min(end, o.starts[0].off)
	}
	return end
}
