package mutants

import lin "github.com/kvsim/kvsim/linearizability"

// rebuildMutants returns bugs of a client whose log lost records.
func rebuildMutants() []Mutant {
	const (
		tail    = "kvstore/tail_check.go"
		rebuild = "kvstore/tail_rebuild.go"
	)
	return []Mutant{
		{
			Name: "sync-trusts-any-log", Bug: "Sync takes the end of a recreated topic for the end of the log that the client reads",
			Scenario: "recreate", Checks: []lin.CheckID{lin.CheckBarrier, lin.CheckPorcupineKey},
			Edits: []Edit{
				{"kvstore/wait_end.go", "			err = c.part.sameTopic(ctx)\n", "			err = nil\n"},
				{"kvstore/wait_end.go", "err == nil && end < position {", "err == nil && end < position && false {"},
				{"kvstore/wait_end.go", "l.epoch != trusted {", "l.epoch != trusted && false {"},
			},
		},
		{
			Name: "stale-read-while-rebuilding", Bug: "reads are answered while the storage is being rebuilt",
			Scenario: "data-loss", Checks: []lin.CheckID{lin.CheckReadFromLog, lin.CheckMonotonicReads, lin.CheckReadYourWrites, lin.CheckOnePosition},
			Edits: []Edit{{rebuild, "	t.gate.Shut()\n", ""}},
		},
		{
			Name: "replays-over-live-state", Bug: "the log is reread without emptying the storage first",
			Scenario: "data-loss", Checks: []lin.CheckID{lin.CheckReadFromLog, lin.CheckConvergence, lin.CheckOnePosition, lin.CheckMonotonicReads, lin.CheckReadYourWrites},
			Edits: []Edit{
				{rebuild, "		before, err := t.view.reset(ctx, !rb.compared && t.hooks.any())\n", "		if !rb.opening {\n			return nil\n		}\n		before, err := t.view.reset(ctx, !rb.compared && t.hooks.any())\n"},
				{rebuild, "	if t.hooks.any() {\n		err :=", "	if rb.before != nil && t.hooks.any() {\n		err :="},
			},
		},
		{
			Name: "goes-on-behind-a-gap", Bug: "a client skips records that were deleted before it read them, instead of rebuilding",
			Scenario: "data-loss", Checks: []lin.CheckID{lin.CheckReadFromLog, lin.CheckConvergence, lin.CheckOnePosition, lin.CheckMonotonicReads},
			Edits: []Edit{{tail, "	case t.pos < start:\n", "	case t.pos < start:\n		t.pos = start\n		t.track.Advance(start)\n		return nil\n	case t.pos < start:\n"}},
		},
		{
			Name: "another-log-not-noticed", Bug: "a write acknowledged in a log that lost its tail is taken for visible, because the client has passed its offset before",
			Scenario: "data-loss", Checks: []lin.CheckID{lin.CheckReadYourWrites, lin.CheckWriteVisible, lin.CheckRevision, lin.CheckHooks, lin.CheckBarrier},
			Edits: []Edit{
				{"kvstore/write_outcome.go", "	case last < r.known:\n", "	case last < r.known && false:\n"},
				{"kvstore/write_confirm.go", "	case err == nil:\n		err = c.confirm(ctx, res)\n", "	case err == nil:\n"},
			},
		},
		{
			Name: "another-record-taken-for-own", Bug: "a write is taken for visible when the client passes its offset, whatever record is there",
			Scenario: "unclean", Checks: []lin.CheckID{lin.CheckReadYourWrites, lin.CheckWriteVisible, lin.CheckRevision, lin.CheckHooks, lin.CheckBarrier},
			Edits: []Edit{{"kvstore/write_confirm.go", "	case err == nil:\n		err = c.confirm(ctx, res)\n", "	case err == nil:\n"}},
		},
		{
			Name: "epoch-from-records", Bug: "the position has the epoch of the last record, although an aborted batch of a later epoch was passed, so the log looks truncated",
			Scenario: "transactions", Checks: []lin.CheckID{lin.CheckRebuild},
			Edits: []Edit{{
				"kvstore/log_decode.go", "	defer func() { out.epoch = passedEpoch(all, out.next) }()\n",
				"	defer func() {\n		if n := len(out.records); n > 0 {\n			out.epoch = out.records[n-1].LeaderEpoch\n		}\n	}()\n",
			}},
		},
		{
			Name: "no-tombstone-guard", Bug: "a client that was away for longer than tombstones are kept reads on from where it was",
			Scenario: "absence", Checks: []lin.CheckID{lin.CheckReadFromLog, lin.CheckConvergence, lin.CheckOnePosition, lin.CheckMonotonicReads, lin.CheckReadYourWrites, lin.CheckBarrier, lin.CheckWaitRevision},
			Edits: []Edit{{"kvstore/tail_guard.go", "	if away <= may {\n", "	if away <= may || away > 0 {\n"}},
		},
		{
			Name: "rebuilds-though-fresh", Bug: "a client that was idle for a moment takes itself for one that was away for longer than tombstones are kept",
			Scenario: "steady", Checks: []lin.CheckID{lin.CheckRebuild},
			Edits: []Edit{{"kvstore/tail_guard.go", "	if away <= may {\n", "	if away <= may/10 {\n"}},
		},
		{
			Name: "lost-tail-not-noticed", Bug: "a client that has read more than the log holds reads on from the end",
			Scenario: "data-loss", Checks: []lin.CheckID{lin.CheckReadFromLog, lin.CheckConvergence, lin.CheckPosition, lin.CheckReadYourWrites, lin.CheckOnePosition, lin.CheckHooks},
			Edits: []Edit{
				{"kvstore/log_epoch.go", "known, end); lost != nil {\n", "known, end); lost != nil && pos < 0 {\n"},
				{"kvstore/log_epoch.go", "	if end < pos {\n", "	if end < -1 {\n"},
				{tail, "	case at > end:\n", "	case at > end:\n		t.pos = end\n		return nil\n	case at > end:\n"},
			},
		},
	}
}
