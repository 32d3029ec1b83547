package kvrapid

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/kvsim/kvsim/kvstoretest"
	"github.com/kvsim/kvsim/sim"
)

// undrawn are the faults of plans that the machine does not draw, and why.
var undrawn = map[string]string{
	"pause":               "it does one operation at a time, so a pause of it is a stall",
	"crash":               "it closes clients and opens them again",
	"herd":                "it opens as many clients as are configured",
	"slow-storage":        "the storage is configured",
	"fail-storage":        "the storage is configured",
	"slow-hooks":          "the hooks are configured",
	"rolling-restart":     "it stops leaders and moves them",
	"revoke":              "users are configured",
	"change-password":     "users are configured",
	"alter-topic":         "what it expects depends on the topic's settings",
	"transaction":         "it writes in transactions",
	"abandon-transaction": "no client gets past it before the coordinator aborts it, after a minute",
	"slow-markers":        "the kit is configured",
	"move-coordinator":    "its transactions have ids of the kit's choice",
	"keyless":             "it writes records without a key",
	"hostile-batch":       "no client ever gets past it",
	"uncompacted-leader":  "after a lost tail the model knows only what compaction had left",
}

// Every fault that the kit has is drawn, unless there is a reason.
func TestFaultsOfPlansAreDrawn(t *testing.T) {
	t.Parallel()
	drawn := map[string]bool{}
	for _, k := range FaultKinds() {
		name, _, _ := strings.Cut(string(k), " ")
		drawn[name] = true
	}
	for _, k := range sim.FaultKinds() {
		if drawn[k.Name] == (undrawn[k.Name] != "") {
			t.Errorf("fault %q: drawn %v, and the reason not to is %q; want one of both", k.Name, drawn[k.Name], undrawn[k.Name])
		}
	}
}

// A fault prints as the kit does, except for what depends on the kit: the broker, and which kind of
// request it is when no other is possible.
func TestFaultsPrintAsTheKitDoes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		kit := kvstoretest.New(t, kvstoretest.WithBrokers(2))
		kit.Open("c1")
		for _, k := range FaultKinds() {
			for n := 1; n <= 3; n++ {
				f := Fault{Kind: k, Client: "c1", N: n, Delay: 5e6}
				done := f.Apply(kit)
				have := map[string]bool{}
				for word := range strings.FieldsSeq(done.String()) {
					have[word] = true
				}
				for word := range strings.FieldsSeq(f.String()) {
					if !have[word] {
						t.Errorf("%q is %q for the kit: it does not say %q", f, done, word)
					}
				}
				done.Undo()
			}
		}
	})
}
