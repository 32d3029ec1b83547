package mutants

import lin "github.com/kvsim/kvsim/linearizability"

// tailMutants returns bugs on the way of a record from the log to reads and hooks.
func tailMutants() []Mutant {
	const (
		tail  = "kvstore/tail_apply.go"
		room  = "kvstore/log_records.go"
		view  = "kvstore/storage_view.go"
		order = "kvstore/memory/order.go"

		imports = "	\"log/slog\"\n" // the last one of view
	)
	return []Mutant{
		{
			Name: "tombstone-lost", Bug: "tombstones are skipped",
			Scenario: "steady", Checks: []lin.CheckID{lin.CheckReadYourWrites, lin.CheckReadFromLog, lin.CheckConvergence, lin.CheckMonotonicReads},
			Edits: []Edit{{room, "		if len(k.Key) == 0 {\n", "		if k.Value == nil {\n			continue\n		}\n		if len(k.Key) == 0 {\n"}},
		},
		{
			Name: "order-behind", Bug: "a range misses the last write in the order of the keys",
			Scenario: "steady", Checks: []lin.CheckID{lin.CheckReadYourWrites, lin.CheckMonotonicReads, lin.CheckOnePosition, lin.CheckReadFromLog, lin.CheckConvergence},
			Edits: []Edit{{order, "t.last.number >= seen", "t.last.number+1 >= seen"}},
		},
		{
			Name: "delete-takes-prefix", Bug: "a delete removes every key that starts with the deleted one",
			Scenario: "steady", Checks: []lin.CheckID{lin.CheckReadFromLog, lin.CheckReadYourWrites, lin.CheckConvergence, lin.CheckMonotonicReads, lin.CheckOnePosition},
			Edits: []Edit{{view, "	return v.s.ApplyRecords(ctx, records)\n", `	var all []Record
	for _, r := range records {
		all = append(all, r)
		if !r.Delete {
			continue
		}
		if err := v.s.ApplyRecords(ctx, all); err != nil {
			return err
		}
		all = all[:0]
		for kv, err := range v.s.Range(ctx, Prefix(string(r.Key)), QueryOptions{}) {
			if err != nil {
				return err
			}
			all = append(all, Record{Key: kv.Key, Delete: true, Revision: r.Revision})
		}
	}
	return v.s.ApplyRecords(ctx, all)
`}},
		},
		{
			Name: "applied-in-wrong-order", Bug: "the records of one fetch are applied last to first",
			Scenario: "everything", Checks: []lin.CheckID{lin.CheckReadFromLog, lin.CheckPerKeyOrder, lin.CheckConvergence, lin.CheckReadYourWrites, lin.CheckMonotonicReads},
			Edits: []Edit{{view, "	return v.s.ApplyRecords(ctx, records)\n", "	records = slices.Clone(records)\n	slices.Reverse(records)\n	return v.s.ApplyRecords(ctx, records)\n"}, {view, imports, imports + "	\"slices\"\n"}},
		},
		{
			Name: "batch-torn-visible", Bug: "the records of one record batch become visible one after the other",
			Scenario: "storage", Checks: []lin.CheckID{lin.CheckBatchVisible, lin.CheckOnePosition},
			Edits: []Edit{{view, "	return v.s.ApplyRecords(ctx, records)\n", "	for i := range records {\n		if err := v.s.ApplyRecords(ctx, records[i:i+1]); err != nil {\n			return err\n		}\n		time.Sleep(2 * time.Millisecond)\n	}\n	return nil\n"}, {view, imports, imports + "	\"time\"\n"}},
		},
		{
			Name: "visible-before-applied", Bug: "waiters are released when records are fetched, before they are in the storage",
			Scenario: "everything", Checks: []lin.CheckID{lin.CheckReadYourWrites, lin.CheckBarrier, lin.CheckWaitRevision, lin.CheckHooks, lin.CheckOpen},
			Edits: []Edit{{tail, "	records := f.changes\n", "	records := f.changes\n	t.track.Advance(f.next)\n"}},
		},
	}
}

// followMutants returns bugs of hooks and of the position.
func followMutants() []Mutant {
	const (
		tail      = "kvstore/tail_apply.go"
		rebuild   = "kvstore/tail_rebuild.go"
		partition = "kvstore/log_fetch.go"
		kafkaopts = "kvstore/kafkaopts.go"
	)
	return []Mutant{
		{
			Name: "hooks-skipped", Bug: "of several records in one fetch, only the first one's hook is called",
			Scenario: "everything", Checks: []lin.CheckID{lin.CheckHooks},
			Edits: []Edit{{tail, "		for _, r := range records {\n			t.tell(r)\n", "		for i, r := range records {\n			if i > 0 {\n				continue\n			}\n			t.tell(r)\n"}},
		},
		{
			Name: "hooks-reordered", Bug: "the hooks for one fetch are called last to first",
			Scenario: "everything", Checks: []lin.CheckID{lin.CheckHooks},
			Edits: []Edit{{tail, "		for _, r := range records {\n			t.tell(r)\n", "		for i := range records {\n			r := records[len(records)-1-i]\n			t.tell(r)\n"}},
		},
		{
			Name: "hooks-after-return", Bug: "a write returns before the hooks that it caused",
			Scenario: "everything", Checks: []lin.CheckID{lin.CheckHooks},
			Edits: []Edit{{tail, "	t.track.Show(t.pos, t.epoch)\n", "	t.track.Advance(t.pos)\n"}},
		},
		{
			Name: "uncommitted-visible", Bug: "records of open and aborted transactions are read",
			Scenario: "everything", Checks: []lin.CheckID{lin.CheckCommittedOnly, lin.CheckReadFromLog, lin.CheckNoFuture},
			Edits: []Edit{
				{partition, "	req.IsolationLevel = readCommitted\n", "	req.IsolationLevel = 0\n"},
				{kafkaopts, "		IsolationLevel:       kgo.ReadCommitted(),\n", "		IsolationLevel:       kgo.ReadUncommitted(),\n"},
			},
		},
		{
			Name: "position-from-records", Bug: "the position is taken from the last record, so it never gets past a tail without records",
			Scenario: "transactions", Checks: []lin.CheckID{lin.CheckOpen, "liveness"},
			Edits: []Edit{
				{tail, "	t.pos = f.next\n", "	if len(records) > 0 {\n		t.pos = records[len(records)-1].Revision + 1\n	} else {\n		sleep(ctx, 10*time.Millisecond)\n	}\n"},
				{tail, "	\"fmt\"\n", "	\"fmt\"\n	\"time\"\n"},
				{"kvstore/tail_check.go", "	if at < f.stable {\n", "	if f.next < f.stable {\n"},
				{rebuild, "	if pos < max(enough, rb.floor) {\n", "	if f.stable < enough {\n"},
			},
		},
		{
			Name: "bootstrap-returns-early", Bug: "NewClient returns before the log has been read",
			Scenario: "everything", Checks: []lin.CheckID{lin.CheckOpen},
			Edits: []Edit{{rebuild, "	t.health.setTarget(end)\n", "	t.health.setTarget(end)\n	t.opened()\n"}},
		},
		{
			Name: "skips-a-fetch-that-failed", Bug: "a storage error is logged and the records are not tried again",
			Scenario: "everything", Checks: []lin.CheckID{lin.CheckReadYourWrites, lin.CheckReadFromLog, lin.CheckConvergence, lin.CheckMonotonicReads},
			Edits: []Edit{{tail, "		t.stall(fmt.Errorf(\"storage: %w\", err))\n", "		t.stall(fmt.Errorf(\"storage: %w\", err))\n		return nil\n"}},
		},
	}
}
