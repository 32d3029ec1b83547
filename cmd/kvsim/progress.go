package main

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// A progress reports from time to time how far a long run has got.
type progress struct {
	mu      sync.Mutex
	done    int
	failed  int
	total   uint64
	started time.Time
	now     func() time.Time
	w       io.Writer

	quit    chan struct{}
	stopped chan struct{}
}

// reportProgress starts to report on stderr.
func (r *runner) reportProgress(total uint64) *progress {
	p := &progress{
		total: total, started: r.started, now: r.cli.now, w: r.stderr,
		quit: make(chan struct{}), stopped: make(chan struct{}),
	}
	ticks, stop := r.cli.ticks(progressEvery)
	go func() {
		defer close(p.stopped)
		defer stop()
		for {
			select {
			case <-ticks:
				p.print()
			case <-p.quit:
				return
			}
		}
	}()
	return p
}

// step notes the state of the run.
func (p *progress) step(t *tally) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done, p.failed = t.Worlds, t.Worlds-t.Held
}

func (p *progress) print() {
	p.mu.Lock()
	defer p.mu.Unlock()
	elapsed := p.now().Sub(p.started)
	of := ""
	if p.total > 0 {
		of = fmt.Sprintf(" of %s", count(int(p.total)))
	}
	fmt.Fprintf(p.w, "%v: %s%s worlds, %s did not hold, %s seeds an hour\n",
		elapsed.Round(time.Second), count(p.done), of, count(p.failed), count(int(float64(p.done)/max(elapsed.Hours(), 1e-9))))
}

// stop ends the reports.
func (p *progress) stop() {
	close(p.quit)
	<-p.stopped
}
