package lines

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/kvsim/kvsim/cmd/kvsim/internal/engine/world"
)

func TestStreamIsTakenApartHoweverItIsCut(t *testing.T) {
	t.Parallel()
	var stream bytes.Buffer
	mux := NewMux(&stream)
	history, log := mux.Writer(History), mux.Writer(Log)
	var wantHistory, wantLog bytes.Buffer
	for i := range 100 {
		fmt.Fprintf(history, "event %d\n", i)
		fmt.Fprintf(&wantHistory, "event %d\n", i)
		fmt.Fprintf(log, "line %d\nand %d\n", i, i)
		fmt.Fprintf(&wantLog, "line %d\nand %d\n", i, i)
	}
	if err := mux.Answer(&world.Result{Seed: 7, Hash: "x"}, nil); err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	var gotHistory, gotLog bytes.Buffer
	demux := &Demux{History: &gotHistory, Log: &gotLog}
	for data := stream.Bytes(); len(data) > 0; {
		n := min(1+rng.IntN(30), len(data))
		if _, err := demux.Write(data[:n]); err != nil {
			t.Fatal(err)
		}
		data = data[n:]
	}
	if gotHistory.String() != wantHistory.String() || gotLog.String() != wantLog.String() {
		t.Errorf("history =\n%s\nlog =\n%s", &gotHistory, &gotLog)
	}
	if res, err := demux.Answer(); err != nil || res.Seed != 7 || res.Hash != "x" {
		t.Errorf("Answer = %+v, %v", res, err)
	}
}

func TestErrorsCrossTheStream(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		err  error
		plan bool
	}{
		{fmt.Errorf("%w: line 3", world.ErrPlan), true},
		{errors.New("no disk"), false},
	} {
		demux := new(Demux)
		if err := NewMux(demux).Answer(nil, tc.err); err != nil {
			t.Fatal(err)
		}
		_, err := demux.Answer()
		if err == nil || err.Error() != tc.err.Error() || errors.Is(err, world.ErrPlan) != tc.plan {
			t.Errorf("Answer = %v, want %v", err, tc.err)
		}
	}
}

func TestStreamWithoutAnAnswerIsAnError(t *testing.T) {
	t.Parallel()
	demux := new(Demux)
	fmt.Fprint(NewMux(demux).Writer(History), "event\n")
	if _, err := demux.Answer(); !errors.Is(err, ErrNoAnswer) {
		t.Errorf("Answer = %v, want %v", err, ErrNoAnswer)
	}
	if _, err := demux.Write([]byte("what is this\n")); err == nil {
		t.Error("a line of no known kind is not an error")
	}
}
