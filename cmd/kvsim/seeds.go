package main

import (
	"fmt"
	"strconv"
	"strings"
)

// seedRange is the value of --seed: one seed, or a range with both ends. It is
// empty until it is set.
type seedRange struct {
	from, to uint64
	set      bool
}

// Set parses "7" or "1..100".
func (r *seedRange) Set(text string) error {
	first, last, ranged := strings.Cut(text, "..")
	from, err := parseSeed(first)
	if err != nil {
		return err
	}
	to := from
	if ranged {
		if to, err = parseSeed(last); err != nil {
			return err
		}
	}
	if to < from {
		return fmt.Errorf("the range ends before it begins: write %d..%d", to, from)
	}
	*r = seedRange{from: from, to: to, set: true}
	return nil
}

func parseSeed(text string) (uint64, error) {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not a seed: use a number from 0 to 18446744073709551615, or a range such as 1..100", text)
	}
	return n, nil
}

// String is the inverse of Set.
func (r *seedRange) String() string {
	switch {
	case r == nil || !r.set:
		return ""
	case r.from == r.to:
		return strconv.FormatUint(r.from, 10)
	}
	return fmt.Sprintf("%d..%d", r.from, r.to)
}

// count is the number of seeds, which saturates.
func (r *seedRange) count() uint64 {
	if n := r.to - r.from; n != 1<<64-1 {
		return n + 1
	}
	return 1<<64 - 1
}
