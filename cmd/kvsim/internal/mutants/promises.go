package mutants

import lin "github.com/kvsim/kvsim/linearizability"

// promiseMutants returns bugs that show only with brokers that work, but behave unusually: they
// forget, lag, refuse and change. Some of the bugs break promises that only the simulator can
// judge, by reasons that have names of their own.
func promiseMutants() []Mutant {
	const (
		verdict = "kvstore/write_verdict.go"
		deliver = "kvstore/write_deliver.go"
		hole    = "kvstore/tail_hole.go"
	)
	return []Mutant{
		{
			Name: "resend-under-a-new-id", Bug: "a write whose answer was lost is sent again under a new producer id when the broker has forgotten the old one",
			Scenario: "producers", Checks: []lin.CheckID{lin.CheckAckedOnce, lin.CheckUnknownAtMostOnce},
			Edits: []Edit{
				{verdict, "	case gradeForgotten:\n		if t.doubt {\n			return verdictUnknown\n		}\n", "	case gradeForgotten:\n		t.doubt = false\n"},
				{deliver, "	if doubt {\n", "	if doubt && l.node < 0 {\n"},
			},
		},
		{
			Name: "lost-answer-is-no-doubt", Bug: "a try that was not answered counts as one that appended nothing",
			Scenario: "producers", Checks: []lin.CheckID{lin.CheckAckedOnce, lin.CheckUnknownAtMostOnce, lin.CheckRefusedAbsent},
			Edits: []Edit{{verdict, "	case gradeDoubtful:\n		t.doubt = true\n	}\n", "	case gradeDoubtful:\n	}\n"}},
		},
		{
			Name: "one-stale-answer-is-believed", Bug: "a client takes its topic for gone when one broker says so once",
			Scenario: "answers", Checks: []lin.CheckID{"gone-topic-was-there"},
			Edits: []Edit{
				{"kvstore/log_doubt.go", "d.rounds >= leastRounds && lasts >= after\n", "d.rounds > 0\n"},
				{"kvstore/log_metadata.go", "	return last == asBefore || last == leaderless\n", "	return last >= 0\n"},
			},
		},
		{
			Name: "hole-believed-for-good", Bug: "records that a leader withheld for a while are never read",
			Scenario: "answers", Checks: []lin.CheckID{lin.CheckReadFromLog, lin.CheckConvergence, lin.CheckOnePosition, lin.CheckHooks, lin.CheckMonotonicReads, lin.CheckReadYourWrites},
			Edits: []Edit{{hole, "	t.hole, t.silence = h, silence{}\n", "	t.pos, t.hole, t.silence = h.upTo, nil, silence{}\n"}},
		},
		{
			Name: "silence-believed-at-once", Bug: "the first answer without records is believed: the client counts records as read that it was not given",
			Scenario: "answers", Checks: []lin.CheckID{lin.CheckReadFromLog, lin.CheckBarrier, lin.CheckOnePosition, lin.CheckMonotonicReads, lin.CheckReadYourWrites, lin.CheckWriteVisible},
			Edits: []Edit{{hole, "s.count >= leastRounds && lasts >= after\n", "s.count > 0\n"}},
		},
		{
			Name: "context-ignored-by-sync", Bug: "Sync waits for the log however long it takes",
			Scenario: "outage", Checks: []lin.CheckID{"call-ends-with-its-context"},
			Edits: []Edit{{"kvstore/read.go", "func (c *Client) Sync(ctx context.Context) error {\n	if ctx == nil {\n		return fmt.Errorf(\"sync: %w\", errNoContext)\n	}\n", "func (c *Client) Sync(ctx context.Context) error {\n	ctx = context.WithoutCancel(ctx)\n"}},
		},
		{
			Name: "limit-read-once", Bug: "max.message.bytes is read only when the client opens",
			Scenario: "settings", Checks: []lin.CheckID{"size-error-tells-the-limit"},
			Edits: []Edit{{
				"kvstore/settings.go", "	is := s.now\n	if is.retention != was.retention {\n",
				"	s.now.maxMessageBytes = was.maxMessageBytes\n	is := s.now\n	if is.retention != was.retention {\n",
			}},
		},
		{
			Name: "write-lives-for-ever", Bug: "a write that its caller gave up is sent again until the brokers are back, however late",
			Scenario: "outage", Checks: []lin.CheckID{"write-ends-with-its-life"},
			Edits: []Edit{{deliver, "time.Now().Add(w.life)", "time.Now().Add(w.life + time.Hour)"}},
		},
		{
			Name: "cause-is-hidden", Bug: "a write that could not be written says only that its context ended",
			Scenario: "settings", Checks: []lin.CheckID{"failed-write-names-its-cause"},
			Edits: []Edit{{"kvstore/write_trouble.go", "	times := \"once\"\n", "	return err\n	times := \"once\"\n"}},
		},
		{
			Name: "status-hides-trouble-with-reads", Bug: "Status does not say that the log can't be read",
			Scenario: "rights", Checks: []lin.CheckID{"held-up-reading-names-its-cause"},
			Edits: []Edit{{"kvstore/tail_loop.go", "	t.track.Because(err)\n	t.health.readFailed(err)\n", "	t.track.Because(err)\n"}},
		},
		{
			Name: "status-hides-trouble-with-writes", Bug: "Status does not say that writes fail",
			Scenario: "settings", Checks: []lin.CheckID{"failed-write-names-its-cause"},
			Edits: []Edit{{"kvstore/write_trouble.go", "	w.trouble = w.trouble.met(err)\n	w.mu.Unlock()\n	w.health.writeFailed(err)\n", "	w.trouble = w.trouble.met(err)\n	w.mu.Unlock()\n"}},
		},
	}
}
