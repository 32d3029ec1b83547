package world

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// uuid prints as franz-go's topic ids do.
type uuid [16]byte

func (u uuid) String() string { return fmt.Sprintf("%x", u[:]) }

func TestLogNamesRandomIDsInTheOrderInWhichTheyTurnUp(t *testing.T) {
	logged := func(named bool, producers [2]int64, topics [2]uuid) string {
		var out strings.Builder
		l := newLogger(&out, named)
		l = slog.New(l.Handler().WithAttrs([]slog.Attr{slog.String("client", "c1")}))
		l.Info("init", "id", producers[0])
		l.Info("failed", "producer_id", producers[0], "id", producers[1], "partition", 0)
		l.Info("init", "id", int64(-1))
		l.Info("recreated", "old_id", topics[0], "new_id", topics[1])
		l.Info("recreated", "err", "topic", "id", topics[1].String())
		var lines strings.Builder
		for line := range strings.Lines(out.String()) {
			_, rest, _ := strings.Cut(line, " ")
			lines.WriteString(rest)
		}
		return lines.String()
	}
	one := logged(true, [2]int64{7, 8}, [2]uuid{{1}, {2}})
	want := `level=INFO msg=init client=c1 id=producer-1
level=INFO msg=failed client=c1 producer_id=producer-1 id=producer-2 partition=0
level=INFO msg=init client=c1 id=-1
level=INFO msg=recreated client=c1 old_id=topic-1 new_id=topic-2
level=INFO msg=recreated client=c1 err=topic id=topic-2
`
	if one != want {
		t.Errorf("log =\n%swant\n%s", one, want)
	}
	if other := logged(true, [2]int64{1 << 60, 9}, [2]uuid{{3}, {1}}); other != one {
		t.Errorf("log with other ids =\n%swant\n%s", other, one)
	}
	if plain := logged(false, [2]int64{7, 8}, [2]uuid{{1}, {2}}); !strings.Contains(plain, "id=7") || !strings.Contains(plain, "old_id=01000") {
		t.Errorf("log without names =\n%s", plain)
	}
}
