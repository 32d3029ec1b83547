package mutation

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
)

// A Choice says which mutants to take. The zero value takes all.
type Choice struct {
	// Only chooses those whose key it matches.
	Only *regexp.Regexp
	// Sample is how many are drawn, 0 for all, and Seed what the draw depends on. Of two
	// samples with one seed, the larger one has all of the smaller one.
	Sample int
	Seed   uint64
	// Of Shards parts, only part Shard is taken, from 1. 0 stands for a single part.
	Shard, Shards int
}

// Of returns the chosen ones of mutants: all of them in their order, a sample in the order in
// which it is drawn, so that what is done first of it is a sample, too.
func (c Choice) Of(mutants []*Mutant) []*Mutant {
	var chosen []*Mutant
	for _, m := range mutants {
		if c.Only == nil || c.Only.MatchString(m.Key()) {
			chosen = append(chosen, m)
		}
	}
	if c.Sample > 0 && c.Sample < len(chosen) {
		draws := map[*Mutant]uint64{}
		for _, m := range chosen {
			draws[m] = m.draw(c.Seed)
		}
		sorted := slices.SortedFunc(slices.Values(chosen), func(a, b *Mutant) int { return cmp.Compare(draws[a], draws[b]) })
		chosen = sorted[:c.Sample]
	}
	if c.Shards > 1 {
		chosen = slices.DeleteFunc(chosen, func(m *Mutant) bool { return int(m.draw(^uint64(0))%uint64(c.Shards)) != c.Shard-1 })
	}
	return chosen
}

// ParseShard reads a part such as 2/8.
func ParseShard(text string) (shard, shards int, err error) {
	n, err := fmt.Sscanf(text, "%d/%d", &shard, &shards)
	if n != 2 || err != nil || shard < 1 || shard > shards || fmt.Sprintf("%d/%d", shard, shards) != text {
		return 0, 0, fmt.Errorf("shard %q: write 2/8 for the second of eight parts", text)
	}
	return shard, shards, nil
}
