package mutants

import lin "github.com/kvsim/kvsim/linearizability"

// hostileMutants returns bugs that show only with brokers, or other writers, that do what clients do
// not expect: a client then believes, allocates, or asks too much.
func hostileMutants() []Mutant {
	const (
		inflate = "kvstore/log_inflate.go"
		brake   = "kvstore/tail_brake.go"
	)
	return []Mutant{
		{
			Name: "decompresses-without-a-limit", Bug: "a batch is taken however much it decompresses to",
			Scenario: "hostile", Checks: []lin.CheckID{"stops-before-a-hostile-batch"},
			Edits: []Edit{{inflate, "len(out) > f.most ||", "len(out) > f.most+1<<30 ||"}},
		},
		{
			Name: "decompresses-at-each-try", Bug: "a batch that decompresses to too much is decompressed again at each try",
			Scenario: "hostile", Checks: []lin.CheckID{"hostile-batch-is-decompressed-once"},
			Edits: []Edit{{inflate, "		f.refusal.note(s, err)\n", ""}},
		},
		{
			Name: "believes-what-a-batch-claims", Bug: "room is made for as many records as a batch claims, and those that are not there are passed over",
			Scenario: "hostile", Checks: []lin.CheckID{"stops-before-a-hostile-batch"},
			Edits: []Edit{
				{"kvstore/log_decode_order.go", "s.claim >= 0 && !s.packed:", "s.claim >= 0 && !s.packed && s.claim < 1<<10:"},
				{"kvstore/log_decode.go", "decoded[0] != s.claim {", "decoded[0] > s.claim {"},
			},
		},
		{
			Name: "hides-what-it-can-not-take", Bug: "the error of a batch that decompresses to too much says neither where it is nor what to do",
			Scenario: "hostile", Checks: []lin.CheckID{"hostile-batch-is-named"},
			Edits: []Edit{{inflate, "	return fmt.Sprintf(\"the record batch at offset %d decompresses to more than %d bytes: if it is meant to, open the client with a larger kgo.MaxDecompressBatchBytes\", e.Offset, e.Limit)\n", "	return \"a record batch is too large\"\n"}},
		},
		{
			Name: "no-brake", Bug: "a client asks again at once, however often that brings nothing",
			Scenario: "hostile", Checks: []lin.CheckID{"few-requests-without-progress"},
			Edits: []Edit{{brake, "	sleep(ctx, wait)\n", ""}},
		},
		{
			Name: "quota-taken-for-silence", Bug: "a leader that a quota keeps from being asked is taken for one that does not answer",
			Scenario: "quotas", Checks: []lin.CheckID{"quota-costs-no-other-requests"},
			Edits: []Edit{{"kvstore/log_moved.go", "mayTake(req) + via.quota.holds(l.node)", "mayTake(req)"}},
		},
	}
}
