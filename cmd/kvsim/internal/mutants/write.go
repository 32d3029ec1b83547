package mutants

import lin "github.com/kvsim/kvsim/linearizability"

// writeMutants returns bugs on the way of a write into the log.
func writeMutants() []Mutant {
	const (
		write  = "kvstore/write.go"
		writer = "kvstore/write_loop.go"
		queue  = "kvstore/write_queue.go"
		batch  = "kvstore/batch.go"
		try    = "kvstore/write_try.go"
	)
	return []Mutant{
		{
			Name: "put-answers-before-visible", Bug: "a write returns when Kafka has it, before this client's reads show it",
			Scenario: "everything", Checks: []lin.CheckID{lin.CheckWriteVisible, lin.CheckReadYourWrites},
			Edits: []Edit{{"kvstore/write_outcome.go", "		w.track.Enlist(&wr.visible, res.revision+1, res.term)\n", "		wr.end(res)\n"}},
		},
		{
			Name: "put-answers-before-acknowledged", Bug: "a write returns when it is handed to Kafka",
			Scenario: "everything", Checks: []lin.CheckID{lin.CheckAckedAfterAppend, lin.CheckAckedOnce},
			Edits: []Edit{
				{writer, "	d := w.deliver(life, b)\n", "	for i, wr := range group {\n		own := *wr\n		own.visible = position.NewWaiter()\n		group[i] = &own\n		wr.end(written{revision: -1})\n	}\n	d := w.deliver(life, b)\n"},
				{write, "	if err := c.Sync(ctx); err != nil {", "	if err := ctx.Err(); err != nil {"},
			},
		},
		{
			Name: "duplicate-on-retry", Bug: "a try after a lost answer uses a new producer id, and is appended again",
			Scenario: "everything", Checks: []lin.CheckID{lin.CheckAckedOnce, lin.CheckUnknownAtMostOnce},
			Edits: []Edit{{"kvstore/write_verdict.go", "		t.doubt = true\n", "		return verdictRenew\n"}},
		},
		{
			Name: "written-twice", Bug: "a write of unknown outcome is tried again as a new one",
			Scenario: "everything", Checks: []lin.CheckID{lin.CheckUnknownAtMostOnce, lin.CheckAckedOnce},
			Edits: []Edit{{write, "	if res.outcome != nil {\n", "	if res.outcome == ErrOutcomeUnknown {\n		c.writer.submit(context.WithoutCancel(ctx), c.writer.newWrite(changes, batchSize(changes)))\n	}\n	if res.outcome != nil {\n"}},
		},
		{
			Name: "unknown-called-not-written", Bug: "a write on its way is reported as withdrawn when its context ends",
			Scenario: "everything", Checks: []lin.CheckID{lin.CheckRefusedAbsent},
			Edits: []Edit{{queue, "		return wr.group == q.group && !q.handed\n", "		return wr.group == q.group\n"}},
		},
		{
			Name: "batch-torn-in-log", Bug: "a batch is written change by change",
			Scenario: "steady", Checks: []lin.CheckID{lin.CheckBatchInLog},
			Edits: []Edit{{batch, "	return b.c.write(ctx, \"execute\", changes)\n", "	for i := range changes {\n		if revision, err = b.c.write(ctx, \"execute\", changes[i:i+1]); err != nil {\n			return revision, err\n		}\n	}\n	return revision, nil\n"}},
		},
		{
			Name: "batch-loses-last-change", Bug: "the last change of a batch is left out",
			Scenario: "steady", Checks: []lin.CheckID{lin.CheckBatchInLog, lin.CheckRevision, lin.CheckAckedOnce},
			Edits: []Edit{{batch, "	return b.c.write(ctx, \"execute\", changes)\n", "	return b.c.write(ctx, \"execute\", changes[:max(1, len(changes)-1)])\n"}},
		},
		{
			Name: "revision-off-by-one", Bug: "a write reports the offset after that of its record",
			Scenario: "steady", Checks: []lin.CheckID{lin.CheckRevision},
			Edits: []Edit{{write, "	return res.revision, nil\n", "	return res.revision + 1, nil\n"}},
		},
		{
			Name: "buffer-reused", Bug: "the client copies keys and values into one buffer, which the next write overwrites",
			Scenario: "everything", Checks: []lin.CheckID{lin.CheckLogFromWrites, lin.CheckAckedOnce, lin.CheckUnknownAtMostOnce},
			Edits: []Edit{{write, "	return putChangeIn(make([]byte, len(key)+len(value)), key, value)\n}\n", "	return putChangeIn(buffer[:len(key)+len(value)], key, value)\n}\n\nvar buffer = make([]byte, 1<<22)\n"}},
		},
		{
			Name: "wrong-partition-after-growth", Bug: "records go to any partition once the topic has several",
			Scenario: "growth", Checks: []lin.CheckID{"writes-stay-in-the-first-partition"},
			Edits: []Edit{
				{"kvstore/log_metadata.go", "	w.id, w.partitions = rt.TopicID, len(rt.Partitions)\n", "	w.id, w.partitions = rt.TopicID, len(rt.Partitions)\n	partitionsNow.Store(int32(w.partitions))\n"},
				{try, "	p.Partition = partitionNumber\n", "	p.Partition = int32(len(b.plain)) % max(1, partitionsNow.Load())\n"},
				{try, "const lastNamed = 12\n", "const lastNamed = 12\n\nvar partitionsNow atomic.Int32\n"},
				{try, "	if got.Partitions[0].Partition != partitionNumber {\n", "	if got.Partitions[0].Partition != asked.Partitions[0].Partition {\n"},
				{try, "	\"sync\"\n", "	\"sync\"\n	\"sync/atomic\"\n"},
			},
		},
		{
			Name: "empty-value-deletes", Bug: "an empty value is written as a tombstone",
			Scenario: "steady", Checks: []lin.CheckID{lin.CheckLogFromWrites, lin.CheckAckedOnce},
			Edits: []Edit{{write, "value: both[n:]}", "value: append([]byte(nil), both[n:]...)}"}},
		},
	}
}

// lookMutants returns bugs in looking for a write in doubt.
func lookMutants() []Mutant {
	return []Mutant{
		{
			Name: "failed-look-finds-nothing", Bug: "a look into the log that failed counts as one that found nothing, and the write is sent again",
			Scenario: "producers", Checks: []lin.CheckID{lin.CheckAckedOnce, lin.CheckUnknownAtMostOnce},
			Edits: []Edit{{"kvstore/write_deliver.go", "		case err != nil:\n			return answer{broker: l.node, err: fmt.Errorf(\"look whether", "		case err != nil && l.node < -1:\n			return answer{broker: l.node, err: fmt.Errorf(\"look whether"}},
		},
		{
			Name: "looks-above-the-lost-tail", Bug: "a write in doubt is looked for from where the log was read to, also when the log has lost its tail since",
			Scenario: "unclean", Checks: []lin.CheckID{lin.CheckAckedOnce, lin.CheckUnknownAtMostOnce},
			Edits: []Edit{
				{"kvstore/write_look.go", "		return max(start, min(b.from, end)), nil\n", "		return max(start, b.from), nil\n"},
				{"kvstore/write_look.go", "	if end < b.from {\n", "	if end < start {\n"},
			},
		},
	}
}
