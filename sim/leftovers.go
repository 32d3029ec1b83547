package sim

import (
	"bytes"
	"context"
	"fmt"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// leftName is the name of the reason when something of a client was left after it had been closed.
const leftName = "nothing-is-left-of-a-closed-client"

// processLabel is the label of all goroutines that a client starts, in profiles of goroutines. Its
// value is unique in this program, which may run several worlds.
const processLabel = "kvsim-process"

var processes atomic.Int64

// labelled calls fn such that goroutines that it starts are known as the process's.
func (p *process) labelled(ctx context.Context, fn func(context.Context)) {
	pprof.Do(ctx, pprof.Labels(processLabel, p.label), fn)
}

// unlabelled makes the calling goroutine one of no process.
func unlabelled() { pprof.SetGoroutineLabels(context.Background()) }

// departed are the processes that have been closed, and not yet looked for.
type departed struct {
	mu  sync.Mutex
	all []departure
}

type departure struct {
	p  *process
	at time.Time
}

func (d *departed) add(p *process) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.all = append(d.all, departure{p, time.Now()})
}

// settled is how long after Close a goroutine may still be about to end: one of the network may
// sleep until a message would have arrived.
const settled = time.Second

// take returns those that departed so long ago, and forgets them.
func (d *departed) take(now time.Time) (out []departure) {
	d.mu.Lock()
	defer d.mu.Unlock()
	rest := d.all[:0]
	for _, x := range d.all {
		if now.Sub(x.at) >= settled {
			out = append(out, x)
		} else {
			rest = append(rest, x)
		}
	}
	d.all = rest
	return out
}

// judgeLeft looks for what is left of processes that were closed a while ago: goroutines, and
// connections of clients of which there was no later process.
func (w *world) judgeLeft() {
	now := time.Now()
	all := w.departed.take(now)
	if len(all) == 0 || w.env.LateTap {
		return
	}
	running := goroutines()
	for _, x := range all {
		s := x.p.slot
		tell := func(what string) {
			w.findings.add(leftName, "process %d of %s was closed at %v, and at %v there is still %s", x.p.number, s.name, x.at.Sub(w.start), now.Sub(w.start), what)
		}
		if stack, ok := running[x.p.label]; ok {
			tell("a goroutine of it: " + stack)
		}
		s.mu.Lock()
		other := s.number != x.p.number // one that may be about to close, too
		s.mu.Unlock()
		if n := w.net.Held(s.name); n > 0 && !other {
			tell(fmt.Sprintf("%d of its connections", n))
		}
	}
}

// judgeLast is judgeLeft when all clients have been closed, once they have had the time.
func (w *world) judgeLast() {
	if !w.env.LateTap {
		_ = sleep(context.Background(), settled)
		w.judgeLeft()
	}
}

// goroutines returns, for each process that has any, where one of its goroutines is.
func goroutines() map[string]string {
	var buf bytes.Buffer
	_ = pprof.Lookup("goroutine").WriteTo(&buf, 1) // into memory
	out := map[string]string{}
	mark := strconv.Quote(processLabel) + ":"
	for entry := range strings.SplitSeq(buf.String(), "\n\n") {
		_, rest, ok := strings.Cut(entry, mark)
		if !ok {
			continue
		}
		label, stack, _ := strings.Cut(rest[1:], `"`)
		out[label] = calls(stack)
	}
	return out
}

// calls returns the functions of a stack in the form of a profile, the innermost first.
func calls(stack string) string {
	var names []string
	for line := range strings.Lines(stack) {
		if f := strings.Fields(line); len(f) > 2 && f[0] == "#" {
			name, _, _ := strings.Cut(f[2], "+")
			names = append(names, name)
		}
	}
	return strings.Join(names, " < ")
}
