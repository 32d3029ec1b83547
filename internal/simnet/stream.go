package simnet

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
)

// Stream returns the generator of one purpose, which is printed as fmt.Sprintf does.
// Each purpose has its own, so that what is drawn for one never changes what another
// draws.
func Stream(seed uint64, purpose string, args ...any) *rand.Rand {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d/", seed)
	fmt.Fprintf(h, purpose, args...)
	sum := h.Sum64()
	return rand.New(rand.NewPCG(mix(sum), mix(sum^seed)))
}

// mix is the finaliser of splitmix64 (Steele, Lea, Flood 2014): FNV alone
// leaves neighbouring inputs correlated in their high bits.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb
	return x ^ (x >> 31)
}
