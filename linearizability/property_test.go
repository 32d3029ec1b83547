package linearizability_test

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	lin "github.com/kvsim/kvsim/linearizability"
)

// smallPieces makes porcupine cut histories often.
var smallPieces = lin.Options{Porcupine: lin.PorcupineOptions{PieceOperations: 10, PieceUnknown: 2}}

func TestCheck_legal_histories_are_never_accused(t *testing.T) {
	judge := func(t interface{ Fatalf(string, ...any) }, h *lin.History) {
		if v := lin.Check(h, lin.Options{}); v.Status != lin.Held {
			t.Fatalf("a legal history is accused: %s\n%s", v, dump(h))
		}
		if v := lin.Check(h, smallPieces); v.Status != lin.Held {
			t.Fatalf("a legal history is accused in small pieces: %s\n%s", v, dump(h))
		}
	}
	t.Run("drawn", rapid.MakeCheck(func(t *rapid.T) {
		judge(t, drawn(t).run(rapid.IntRange(1, 120).Draw(t, "steps")))
	}))
	t.Run("seeded", func(t *testing.T) {
		for seed := range uint64(seeds) {
			judge(t, seeded(seed).run(300))
		}
	})
}

// seeds is the number of seeded worlds that the tests try.
const seeds = 1000

func TestHistory_survives_being_stored(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := drawn(t).run(rapid.IntRange(1, 60).Draw(t, "steps"))
		var out bytes.Buffer
		if err := lin.WriteHistory(&out, h); err != nil {
			t.Fatal(err)
		}
		got, err := lin.ReadHistory(&out)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(h, got); diff != "" {
			t.Errorf("history read back differs (-written +read):\n%s", diff)
		}
	})
}

func dump(h *lin.History) string {
	var out bytes.Buffer
	if err := lin.WriteHistory(&out, h); err != nil {
		return err.Error()
	}
	return out.String()
}
