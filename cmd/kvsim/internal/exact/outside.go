package exact

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// outside is everything that one running guest can learn of the world around it: clock, random bytes,
// schedule, and the number of steps left. The host functions find it in the context of the
// call. Only the goroutine that runs the guest uses it.
type outside struct {
	ctx   context.Context
	clock clock
	files *memFS
	bytes *rand.ChaCha8 // random_get
	picks *rand.PCG     // used for the schedule only

	maxSteps uint64
	granted  uint64            // steps given to the guest so far
	fuel     api.MutableGlobal // what the guest has left of them
	memory   api.Memory

	picked   uint64 // scheduling decisions
	choices  uint64 // decisions between more than one goroutine
	schedule uint64 // FNV-1a over every choice
	stopped  error  // why the host stopped the guest, if it did
}

// fuelChunk is how many steps a guest executes between two looks at its context, which
// takes one to thirty milliseconds. It does not change what a guest does. It also bounds
// how long a guest can delay the host's garbage collector, which can't interrupt machine
// code that is not Go's.
const fuelChunk = 1 << 20

// The domains make the random streams of one seed different from each other.
const (
	domainBytes    = 0x6b7673696d2f7261 // "kvsim/ra"
	domainSchedule = 0x6b7673696d2f7363 // "kvsim/sc"
)

const (
	fnvOffset = 14695981039346656037
	fnvPrime  = 1099511628211
)

func newOutside(ctx context.Context, opts RunOptions) (*outside, error) {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], opts.Seed)
	binary.LittleEndian.PutUint64(key[8:], domainBytes)
	w := &outside{
		ctx:      ctx,
		clock:    clock{start: opts.Start, limit: opts.MaxElapsed},
		bytes:    rand.NewChaCha8(key),
		picks:    rand.NewPCG(opts.Seed, domainSchedule),
		maxSteps: opts.MaxSteps,
		granted:  1, // the meter starts at one, so the first step asks for more
		schedule: fnvOffset,
	}
	w.clock.over = func() { w.stop(w.over(ErrTooLong)) }
	var err error
	w.files, err = newMemFS(&w.clock, opts.Mounts)
	return w, err
}

type outsideKey struct{}

func outsideOf(ctx context.Context) *outside { return ctx.Value(outsideKey{}).(*outside) }

// stop ends the guest. It unwinds through the guest's frames and does not
// return.
func (w *outside) stop(err error) {
	w.stopped = err
	panic(err)
}

// steps returns how many steps the guest has executed.
func (w *outside) steps() uint64 {
	if w.fuel == nil {
		return 0
	}
	return w.granted - min(w.granted, w.fuel.Get())
}

// over is the error of a guest that is beyond one of its bounds.
func (w *outside) over(bound error) error {
	return &BoundError{Err: bound, Steps: w.steps(), Elapsed: w.clock.now}
}

// refill gives the guest its next steps.
func (w *outside) refill(mod api.Module) {
	if w.fuel == nil {
		w.fuel = mod.ExportedGlobal(fuelExport).(api.MutableGlobal)
		w.memory = mod.Memory()
	}
	if err := w.ctx.Err(); err != nil {
		w.stop(fmt.Errorf("run guest: %w", context.Cause(w.ctx)))
	}
	if w.granted >= w.maxSteps {
		w.stop(w.over(ErrTooManySteps))
	}
	chunk := min(fuelChunk, w.maxSteps-w.granted)
	w.granted += chunk
	w.fuel.Set(chunk)
}

// pick chooses one of n runnable goroutines.
func (w *outside) pick(n uint32) uint32 {
	w.picked++
	if n < 2 {
		return 0
	}
	w.choices++
	// Lemire's multiplication; the bias is below n / 2^32.
	i := uint32(w.picks.Uint64() >> 32 * uint64(n) >> 32)
	w.schedule = (w.schedule ^ uint64(n)) * fnvPrime
	w.schedule = (w.schedule ^ uint64(i)) * fnvPrime
	return i
}

// WASI error numbers.
const (
	errnoSuccess = 0
	errnoFault   = 21
)

// exportWASI replaces the functions of WASI that the engine answers differently.
func exportWASI(b wazero.HostModuleBuilder) {
	i32 := api.ValueTypeI32
	b.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(randomGet), []api.ValueType{i32, i32}, []api.ValueType{i32}).
		Export("random_get")
}

// randomGet fills memory from the random stream of the seed. If the meter calls it, it refills the
// meter instead.
func randomGet(ctx context.Context, mod api.Module, stack []uint64) {
	w := outsideOf(ctx)
	addr, size := uint32(stack[0]), uint32(stack[1])
	if addr == refillAddr {
		w.refill(mod)
		stack[0] = errnoSuccess
		return
	}
	buf, ok := mod.Memory().Read(addr, size)
	if !ok {
		stack[0] = errnoFault
		return
	}
	_, _ = w.bytes.Read(buf) // never fails
	stack[0] = errnoSuccess
}

// exportScheduler defines what the overlay of package runtime imports.
func exportScheduler(b wazero.HostModuleBuilder) {
	i32 := []api.ValueType{api.ValueTypeI32}
	pick := func(ctx context.Context, stack []uint64) {
		stack[0] = uint64(outsideOf(ctx).pick(uint32(stack[0])))
	}
	b.NewFunctionBuilder().WithGoFunction(api.GoFunc(pick), i32, i32).Export("schedule")
}
