package kvstoretest

import "strconv"

// Compact compacts the log now, up to the first open transaction. It keeps the last record of
// each key, except for tombstones that have been in the log for the topic's delete.retention.ms,
// and all records younger than the topic's min.compaction.lag.ms. To have the last record
// compacted too, it appends a transaction marker, which takes one offset. Hits is the number of
// records that were removed.
func (k *Kit) Compact() *Effect {
	k.t.Helper()
	return k.change("compact", func(text string) (*Effect, error) {
		before := len(k.Log())
		if err := k.cluster.Compact(); err != nil {
			return nil, err
		}
		if err := k.history.compacted(); err != nil {
			return nil, err
		}
		return k.done(text, max(0, before-k.written())), nil
	})
}

// UncompactedLeader makes a broker the leader of the topic, like [Kit.MoveLeader], that has not
// compacted its copy of the log: each replica in Kafka does that for itself. The records and
// tombstones that compaction had removed are in the log again, until the next [Kit.Compact] or
// [Kit.CompactedLeader]. What was lost with the end of the log, or deleted from its start, does not
// come back. Hits is the number of records that came back.
func (k *Kit) UncompactedLeader(to int) *Effect {
	k.t.Helper()
	return k.leadsWith("uncompacted-leader", "UncompactedLeader", to, func() (err error) {
		if _, err = k.cluster.LeadUncompacted(k.cfg.topic, 0, int32(to)); err == nil {
			err = k.history.uncompacted()
		}
		return err
	})
}

// CompactedLeader makes a broker the leader of the topic, like [Kit.MoveLeader], that has compacted
// its copy of the log as the leader before [Kit.UncompactedLeader] had: what came back is gone again,
// tombstones too, however recently a client read what they delete. Hits is the number of records
// that are gone, 0 if the log was compacted since.
func (k *Kit) CompactedLeader(to int) *Effect {
	k.t.Helper()
	return k.leadsWith("compacted-leader", "CompactedLeader", to, func() (err error) {
		if err = k.cluster.LeadCompacted(k.cfg.topic, 0, int32(to)); err == nil {
			err = k.history.compacted()
		}
		return err
	})
}

// leadsWith makes a broker lead that has another copy of the log, by a call of the kit. Hits is by
// how many records the copies differ.
func (k *Kit) leadsWith(kind, call string, to int, lead func() error) *Effect {
	k.t.Helper()
	text := line(kind, "broker", strconv.Itoa(to))
	if !k.exists(call, to) {
		return k.inert(text)
	}
	return k.change(text, func(text string) (*Effect, error) {
		before := k.written()
		if err := lead(); err != nil {
			return nil, err
		}
		after := k.written()
		return k.done(text, max(after-before, before-after)), nil
	})
}

// written returns how many records the log has, without markers.
func (k *Kit) written() (n int) {
	k.t.Helper()
	for _, r := range k.Log() {
		if r.Kind != KindCommit && r.Kind != KindAbort {
			n++
		}
	}
	return n
}

// DeleteRecords deletes the records below an offset, as Kafka's DeleteRecords request does; -1
// means all of them. Hits is the number of records that were deleted.
func (k *Kit) DeleteRecords(before int64) *Effect {
	k.t.Helper()
	text := line("delete-records", "before", strconv.FormatInt(before, 10))
	end := k.End()
	if before < -1 || before > end {
		k.misuse("DeleteRecords(%d): the log ends at %d; -1 deletes all", before, end)
		return k.inert(text)
	}
	return k.change(text, func(text string) (*Effect, error) {
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

// LoseTail removes the last records of the log, as an unclean leader election does: they were
// acknowledged and are lost, and their offsets are used again. Record batches are lost whole.
// Open transactions stay open, without the lost records. A transaction that lost its marker, but
// not all of its records, is aborted; Kafka would leave it open. Hits is the
// number of records that were lost.
func (k *Kit) LoseTail(records int) *Effect {
	k.t.Helper()
	text := line("lose-tail", "records", records)
	if records < 1 {
		k.misuse("LoseTail(%d): the number of records has to be 1 or more", records)
		return k.inert(text)
	}
	return k.change(text, func(text string) (*Effect, error) {
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

// RecreateTopic deletes the topic and creates it again, empty and with another id. An open client
// then fails with kvstore.ErrTopicRecreated; close it and open another one.
func (k *Kit) RecreateTopic() *Effect {
	k.t.Helper()
	return k.change("recreate-topic", func(text string) (*Effect, error) {
		if err := k.cluster.RecreateTopic(k.cfg.topic); err != nil {
			return nil, err
		}
		if err := k.history.recreated(); err != nil {
			return nil, err
		}
		return k.done(text, 1), nil
	})
}

// GrowPartitions gives the topic more partitions, so that it has as many as given. The store goes
// on with partition 0, and clients hear of the others with their next metadata.
func (k *Kit) GrowPartitions(partitions int) *Effect {
	k.t.Helper()
	return k.change(line("grow-partitions", "partitions", partitions), func(text string) (*Effect, error) {
		if err := k.cluster.AddPartitions(k.cfg.topic, int32(partitions)); err != nil {
			return nil, err
		}
		return k.done(text, 1), nil
	})
}

// change calls fn, which changes the log. Meanwhile nobody else changes it, and no return of an
// operation is recorded. Otherwise the history could have an operation that saw the change before
// the change itself.
func (k *Kit) change(text string, fn func(text string) (*Effect, error)) *Effect {
	k.t.Helper()
	k.logOp <- struct{}{}
	defer func() { <-k.logOp }()
	k.valve.Shut()
	defer k.valve.Open()
	f, err := fn(text)
	if err != nil {
		k.fatal("%s: %v", text, err)
		return k.inert(text)
	}
	return f
}
