package kvstoretest

import "strconv"

// Compact compacts the log now, up to the first open transaction: of each key only
// the last record stays, and no tombstone that has been in the log for the topic's
// delete.retention.ms. A topic with a min.compaction.lag.ms keeps what is younger.
// Compact appends a transaction marker, which takes one offset, so that the last
// record counts too. Hits is the number of records that are gone.
func (k *Kit) Compact() *Fault {
	k.t.Helper()
	return k.change("compact", func(text string) (*Fault, error) {
		before := len(k.Log())
		if err := k.cluster.Compact(); err != nil {
			return nil, err
		}
		if err := k.history.compacted(); err != nil {
			return nil, err
		}
		after := 0
		for _, r := range k.Log() {
			if r.Kind != KindCommit && r.Kind != KindAbort {
				after++
			}
		}
		return k.done(text, max(0, before-after)), nil
	})
}

// DeleteRecords deletes the records below an offset, as Kafka's DeleteRecords
// request does; -1 means all of them. Hits is the number of records that are
// gone.
func (k *Kit) DeleteRecords(before int64) *Fault {
	k.t.Helper()
	text := line("delete-records", "before", strconv.FormatInt(before, 10))
	end := k.End()
	if before < -1 || before > end {
		k.misuse("DeleteRecords(%d): the log ends at %d; -1 deletes all", before, end)
		return k.inert(text)
	}
	return k.change(text, func(text string) (*Fault, error) {
		count := len(k.Log())
		info, err := k.cluster.Partition(k.cfg.topic, 0)
		if err != nil {
			return nil, err
		}
		if before >= 0 && before <= info.LogStartOffset {
			return k.done(text, 0), nil
		}
		if err := k.cluster.DeleteRecords(k.cfg.topic, 0, before); err != nil {
			return nil, err
		}
		if info, err = k.cluster.Partition(k.cfg.topic, 0); err != nil {
			return nil, err
		}
		if err := k.history.trimmed(info.LogStartOffset); err != nil {
			return nil, err
		}
		return k.done(text, max(0, count-len(k.Log()))), nil
	})
}

// LoseTail takes the last records of the log away, as an unclean leader election does:
// they were acknowledged and are gone, and their offsets are used again. A record batch
// is lost as a whole. Open transactions stay open, without what they lost. Hits is the
// number of records that are gone.
func (k *Kit) LoseTail(records int) *Fault {
	k.t.Helper()
	text := line("lose-tail", "records", records)
	if records < 1 {
		k.misuse("LoseTail(%d): the number of records has to be 1 or more", records)
		return k.inert(text)
	}
	return k.change(text, func(text string) (*Fault, error) {
		info, err := k.cluster.Partition(k.cfg.topic, 0)
		if err != nil {
			return nil, err
		}
		from := max(info.LogStartOffset, info.HighWatermark-int64(records))
		lost, err := k.cluster.LoseTail(k.cfg.topic, 0, from)
		if err != nil {
			return nil, err
		}
		if len(lost) > 0 {
			from = lost[0].FirstOffset
			if err := k.history.truncated(from); err != nil {
				return nil, err
			}
		}
		k.mu.Lock()
		k.cut++
		k.mu.Unlock()
		return k.done(text, len(logOf(lost))), nil
	})
}

// RecreateTopic deletes the topic and creates it again, empty and with another
// id. A client that is open fails from then on with kvstore.ErrTopicRecreated:
// close it and open another one.
func (k *Kit) RecreateTopic() *Fault {
	k.t.Helper()
	return k.change("recreate-topic", func(text string) (*Fault, error) {
		if err := k.cluster.RecreateTopic(k.cfg.topic); err != nil {
			return nil, err
		}
		if err := k.history.recreated(); err != nil {
			return nil, err
		}
		return k.done(text, 1), nil
	})
}

// change lets fn change the log, while nobody else does and no operation is
// recorded to return: what an operation saw of the change would otherwise be in
// the history before the change itself.
func (k *Kit) change(text string, fn func(text string) (*Fault, error)) *Fault {
	k.t.Helper()
	k.logOp <- struct{}{}
	defer func() { <-k.logOp }()
	k.gate.Shut()
	defer k.gate.Lift()
	f, err := fn(text)
	if err != nil {
		k.fatal("%s: %v", text, err)
		return k.inert(text)
	}
	return f
}
