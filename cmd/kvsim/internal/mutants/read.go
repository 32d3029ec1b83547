package mutants

import lin "github.com/kvsim/kvsim/linearizability"

// readMutants returns bugs of reads and waits.
func readMutants() []Mutant {
	const (
		read = "kvstore/read.go"
		view = "kvstore/storage_view.go"
	)
	return []Mutant{
		{
			Name: "sync-sees-own-writes-only", Bug: "Sync waits for this client's position instead of the log's end",
			Scenario: "everything", Checks: []lin.CheckID{lin.CheckBarrier, lin.CheckPorcupineKey},
			Edits: []Edit{{read, "		end, err := c.ends.get(ctx)\n", "		_, _, end := c.tracker.Now()\n		var err error\n"}},
		},
		{
			Name: "wait-revision-off-by-one", Bug: "WaitRevision waits only until the record before that revision is visible",
			Scenario: "everything", Checks: []lin.CheckID{lin.CheckWaitRevision},
			Edits: []Edit{
				{read, "	if done > revision && !c.hiddenFromHook() {\n", "	if done >= revision && !c.hiddenFromHook() {\n"},
				{read, "c.tracker.Hope(ctx, target, term, ", "c.tracker.Hope(ctx, target-1, term, "},
			},
		},
		{
			Name: "range-at-many-positions", Bug: "a range reads each key when it comes to it, not at one point of the log",
			Scenario: "everything", Checks: []lin.CheckID{lin.CheckOnePosition, lin.CheckBatchVisible},
			Edits: []Edit{{view, "		return snap.RangeOwned(ctx, c, opts), nil\n", `		return func(yield func(Entry, error) bool) {
		for e, err := range snap.Range(ctx, c, opts) {
			time.Sleep(5 * time.Millisecond)
			if now, nerr := v.s.GetEntry(ctx, e.Key); err == nil && nerr == nil {
				e = now
			} else if err == nil {
				continue
			}
			if !yield(e, err) {
				return
			}
		}
	}, nil
`}, {view, "	\"log/slog\"\n", "	\"log/slog\"\n	\"time\"\n"}},
		},
		{
			Name: "stale-cache", Bug: "a read is answered from a cache that writes of other clients do not clear",
			Scenario: "everything", Checks: []lin.CheckID{lin.CheckMonotonicReads, lin.CheckReadYourWrites, lin.CheckBarrier, lin.CheckReadFromLog},
			Edits: []Edit{
				{view, "type recordView struct{ s RecordStorage }\n", "type recordView struct {\n	s     RecordStorage\n	cache *sync.Map\n}\n"},
				{view, "		return recordView{rs}\n", "		return recordView{rs, &sync.Map{}}\n"},
				{view, "	return v.s.GetEntry(ctx, key)\n", "	if e, ok := v.cache.Load(string(key)); ok {\n		v.cache.Delete(string(key))\n		return e.(Entry), nil\n	}\n	e, err := v.s.GetEntry(ctx, key)\n	if err == nil {\n		v.cache.Store(string(key), e)\n	}\n	return e, err\n"},
				{view, "	\"log/slog\"\n", "	\"log/slog\"\n	\"sync\"\n"},
			},
		},
		{
			Name: "entry-revision-off-by-one", Bug: "a read reports the offset after that of the record it read",
			Scenario: "steady", Checks: []lin.CheckID{lin.CheckRevision},
			Edits: []Edit{{read, "	e.Key, e.Value = bytes.Clone(key), cloneValue(e.Value)\n	return e, nil\n", "	e.Key, e.Value = bytes.Clone(key), cloneValue(e.Value)\n	e.Revision++\n	return e, nil\n"}},
		},
	}
}
