package sim

import (
	"math"
	"math/rand/v2"
	"sort"
	"time"

	"github.com/kvsim/kvsim/internal/simnet"
)

// stream returns the generator of one purpose. D1: each purpose has its own, so that what
// is drawn for one never changes what another draws: a plan with one fault fewer has the
// same workload.
func stream(seed uint64, purpose string, n ...int) *rand.Rand {
	return simnet.Stream(seed, "%s/%v", purpose, n)
}

// exponential draws a duration with the given mean, at most 8 times as long.
func exponential(r *rand.Rand, mean time.Duration) time.Duration {
	x := min(r.ExpFloat64(), 8)
	return time.Duration(x*float64(mean)) + time.Duration(r.Int64N(1000))
}

// rounds draws whole rounds of lanes, less than d: a timer of whole rounds stays in the
// lane of the goroutine that set it.
func rounds(r *rand.Rand, d time.Duration) time.Duration {
	return time.Duration(r.Int64N(int64(d/simnet.Round))) * simnet.Round
}

// zipf chooses numbers below n, the weight of number i being (i+1)^-s. s may be
// 0, which math/rand's generator does not allow.
type zipf struct {
	sums []float64
}

func newZipf(n int, s float64) *zipf {
	z := &zipf{sums: make([]float64, n)}
	sum := 0.0
	for i := range n {
		sum += math.Pow(float64(i+1), -s)
		z.sums[i] = sum
	}
	return z
}

func (z *zipf) draw(r *rand.Rand) int {
	x := r.Float64() * z.sums[len(z.sums)-1]
	return min(sort.SearchFloat64s(z.sums, x), len(z.sums)-1)
}

type weighted struct {
	kind   opKind
	name   string // in a plan
	weight int
}

// choose draws one by weight.
func choose(r *rand.Rand, all []weighted) opKind {
	sum := 0
	for _, w := range all {
		sum += max(0, w.weight)
	}
	n := r.IntN(sum)
	for _, w := range all {
		if n -= max(0, w.weight); n < 0 {
			return w.kind
		}
	}
	return all[0].kind
}
