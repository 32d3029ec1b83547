package linearizability

import (
	"cmp"
	"context"
	"runtime"
	"slices"
	"sort"
	"sync"

	"github.com/anishathalye/porcupine"
)

// mostOperations bounds the size of a piece, so that its numbers fit into the 16 bits
// that a sessionState has for them.
const mostOperations = 10_000

// withDefaults fills in the defaults, for a history of the given number of operations.
func (o PorcupineOptions) withDefaults(operations int) PorcupineOptions {
	o.Workers = cmp.Or(o.Workers, runtime.GOMAXPROCS(0))
	o.PieceOperations = cmp.Or(o.PieceOperations, 300)
	o.PieceOperations = min(o.PieceOperations, mostOperations)
	o.PieceUnknown = cmp.Or(o.PieceUnknown, 10)
	o.MaxSteps = cmp.Or(o.MaxSteps, 200_000)
	o.TotalSteps = cmp.Or(o.TotalSteps, 5_000_000+20*operations)
	return o
}

// A task is a piece that porcupine judges by one of the two models.
type task struct {
	*piece

	check  CheckID
	result porcupine.CheckResult
	steps  int   // how many steps it took
	op     int32 // the operation that cannot be explained, or -1
}

// checkPorcupine lets porcupine judge the history of each key.
func (j *judge) checkPorcupine() {
	j.keys = j.keyHistories()
	if len(j.keys) == 0 {
		j.without(CheckPorcupineKey, "no get returned")
		j.without(CheckPorcupineSession, "no get returned")
		return
	}
	opts := j.opts.Porcupine.withDefaults(len(j.h.Ops))
	var tasks []*task
	add := func(check CheckID, pieces []*piece) {
		for _, p := range pieces {
			if p.reads() {
				tasks = append(tasks, &task{piece: p, check: check, op: -1})
			}
		}
	}
	barriers := false
	for _, k := range j.keys {
		if j.unfit(k.key) {
			j.unfitKeys++
			continue
		}
		if j.runs(CheckPorcupineKey) && slices.ContainsFunc(k.ops, func(o keyOp) bool { return o.barrier }) {
			barriers = true
			add(CheckPorcupineKey, k.split(opts, true))
		}
		if j.runs(CheckPorcupineSession) && !j.opts.Linearizable {
			add(CheckPorcupineSession, k.split(opts, false))
		}
	}
	j.notePorcupine(barriers)
	j.budget = budget{ctx: j.ctx, total: opts.TotalSteps, left: opts.TotalSteps}
	j.runTasks(tasks, opts)
	tasks = j.again(tasks, opts)
	for _, t := range tasks {
		j.judged(t.check)
		switch t.result {
		case porcupine.Unknown:
			j.results[t.check].Undecided++
		case porcupine.Illegal:
			j.illegal = append(j.illegal, t)
			j.porcupineFound = append(j.porcupineFound, j.explainPiece(t))
		case porcupine.Ok:
		}
	}
	j.tasks = tasks
}

// again judges keys with an undecided piece again, up to twice, each time in smaller
// pieces. These show fewer violations, but more of them can be decided.
func (j *judge) again(tasks []*task, opts PorcupineOptions) []*task {
	for range 2 {
		type model struct {
			h     *keyHistory
			check CheckID
		}
		var undecided []model
		is := map[model]bool{}
		for _, t := range tasks {
			if m := (model{t.h, t.check}); t.result == porcupine.Unknown && !is[m] {
				undecided = append(undecided, m)
				is[m] = true
			}
		}
		if len(undecided) == 0 || j.budget.spent() {
			break
		}
		// A piece that was found illegal stays illegal.
		tasks = slices.DeleteFunc(tasks, func(t *task) bool {
			return t.result != porcupine.Illegal && is[model{t.h, t.check}]
		})
		opts.PieceOperations = max(opts.PieceOperations/3, 8)
		var more []*task
		for _, m := range undecided {
			for _, p := range m.h.split(opts, m.check == CheckPorcupineKey) {
				if p.reads() {
					more = append(more, &task{piece: p, check: m.check, op: -1})
				}
			}
		}
		j.runTasks(more, opts)
		tasks = append(tasks, more...)
	}
	return tasks
}

// reads reports whether the piece has a read, and so something to judge.
func (p *piece) reads() bool {
	return slices.ContainsFunc(p.ops, func(o keyOp) bool { return o.kind == keyRead })
}

// notePorcupine says why a model judges nothing.
func (j *judge) notePorcupine(barriers bool) {
	switch {
	case j.unfitKeys == len(j.keys):
		why := "the log lost or hides records of each key, and porcupine knows no log"
		j.without(CheckPorcupineKey, why)
		j.without(CheckPorcupineSession, why)
	case j.opts.Linearizable:
		j.without(CheckPorcupineSession, "all reads are judged as linearizable")
	}
	if !barriers {
		j.without(CheckPorcupineKey, "no get was a barrier or came right after one")
	}
}

// unfit reports whether porcupine, which knows operations only, can't judge a key:
// records of it were lost with the log's tail or deleted from its start, or no
// operation of the history wrote them.
func (j *judge) unfit(key string) bool {
	if j.x == nil {
		return false
	}
	k, ok := j.x.keyID[key]
	if !ok {
		return false
	}
	if j.unfitKey == nil {
		j.unfitKey = make([]bool, len(j.x.keys))
		for i := range j.x.records {
			r := &j.x.records[i]
			if r.key < 0 {
				continue
			}
			if r.died != never || j.h.Log[r.event].Foreign || j.x.trimmed(int32(i)) {
				j.unfitKey[r.key] = true
			}
		}
	}
	return j.unfitKey[k]
}

// runTasks runs the tasks on a bounded number of workers, as far as the budget goes.
// It looks at the budget between batches of a fixed size, so that the result does not
// depend on the number of workers.
func (j *judge) runTasks(tasks []*task, opts PorcupineOptions) {
	for batch := range slices.Chunk(tasks, batchTasks) {
		if j.budget.spent() {
			for _, t := range batch {
				t.result = porcupine.Unknown
			}
			continue
		}
		next := make(chan *task)
		var wg sync.WaitGroup
		for range min(opts.Workers, len(batch)) {
			wg.Go(func() {
				for t := range next {
					t.run(j.ctx, opts)
				}
			})
		}
		for _, t := range batch {
			next <- t
		}
		close(next)
		wg.Wait()
		for _, t := range batch {
			j.budget.left -= t.steps
		}
	}
}

// run judges the piece and, if it is illegal, finds the offending operation.
func (t *task) run(ctx context.Context, opts PorcupineOptions) {
	if narrow := t.narrowed(); narrow != nil {
		steps := &stepCounter{ctx: ctx, left: opts.MaxSteps / 8}
		t.result = t.decide(narrow, opts, steps)
		if t.steps += opts.MaxSteps/8 - steps.left; t.result == porcupine.Ok {
			return
		}
	}
	steps := &stepCounter{ctx: ctx, left: opts.MaxSteps}
	t.result = t.decide(t.piece, opts, steps)
	t.steps += opts.MaxSteps - steps.left
	if t.result == porcupine.Illegal {
		t.offender(ctx, opts)
	}
}

// decide runs porcupine on a piece.
func (t *task) decide(p *piece, opts PorcupineOptions, steps *stepCounter) porcupine.CheckResult {
	model, ops := t.model(p, steps)
	result := porcupine.CheckOperationsTimeout(model, ops, opts.Timeout)
	if steps.exhausted() {
		return porcupine.Unknown
	}
	return result
}

func (t *task) model(p *piece, steps *stepCounter) (porcupine.Model, []porcupine.Operation) {
	if t.check == CheckPorcupineKey {
		return p.register(steps)
	}
	return p.session(steps)
}

// offender finds the first read, in order of return, that makes the piece illegal: the
// reads before it can be explained together, but not with it. The whole search has as many
// steps as the piece had. If they run out, it may return a later read.
func (t *task) offender(ctx context.Context, opts PorcupineOptions) {
	var reads []int64
	for _, o := range t.ops {
		if o.kind == keyRead {
			reads = append(reads, o.ret)
		}
	}
	slices.Sort(reads)
	steps := &stepCounter{ctx: ctx, left: opts.MaxSteps}
	n := sort.Search(len(reads), func(i int) bool {
		return t.decide(t.until(reads[i]), opts, steps) == porcupine.Illegal
	})
	t.steps += opts.MaxSteps - steps.left
	last := reads[min(n, len(reads)-1)]
	for _, o := range t.ops {
		if o.kind == keyRead && o.ret == last {
			t.op = o.op
		}
	}
}

// until returns the piece without the reads that returned later than ret.
func (t *task) until(ret int64) *piece {
	p := *t.piece
	p.ops = slices.DeleteFunc(slices.Clone(t.ops), func(o keyOp) bool { return o.kind == keyRead && o.ret > ret })
	return &p
}
