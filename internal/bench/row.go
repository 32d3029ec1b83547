package main

import (
	"fmt"
	"slices"
)

// A row is one line of the table: what was measured, round by round, and what it
// is held against.
type row struct {
	ID        string `json:"id"`
	What      string `json:"what"`
	Yardstick string `json:"yardstick"`
	Brokers   string `json:"brokers,omitempty"` // "kfake", "kafka", empty for none
	Unit      string `json:"unit"`              // of Ours and Theirs

	// Ours and Theirs have one number a round. Theirs is empty where a row is
	// held against a fixed number; Values is then Ours, else Ours over Theirs.
	Ours   []float64 `json:"ours"`
	Theirs []float64 `json:"theirs,omitempty"`
	Values []float64 `json:"values"`

	// Limit is what the median of Values may be at most, or at least. Zero:
	// the row is reported and held against nothing.
	Limit   float64 `json:"limit,omitempty"`
	AtLeast bool    `json:"at_least,omitempty"`

	Note string `json:"note,omitempty"`
}

// add notes one round.
func (r *row) add(ours, theirs float64) {
	r.Ours = append(r.Ours, ours)
	r.Theirs = append(r.Theirs, theirs)
	r.Values = append(r.Values, ours/theirs)
}

// addValue notes one round of a row without a yardstick.
func (r *row) addValue(v float64) {
	r.Ours = append(r.Ours, v)
	r.Values = append(r.Values, v)
}

// spread is the smallest, the median and the largest of some numbers.
type spread struct{ min, median, max float64 }

// spreadOf returns the spread of values, of which there is at least one. Of an
// even number of values the median is the mean of the two in the middle.
func spreadOf(values []float64) spread {
	s := slices.Sorted(slices.Values(values))
	n := len(s)
	return spread{min: s[0], median: (s[(n-1)/2] + s[n/2]) / 2, max: s[n-1]}
}

// percentile returns the value below which the given part of the values lies. It
// sorts them.
func percentile(values []float64, part float64) float64 {
	slices.Sort(values)
	return values[min(int(part*float64(len(values))), len(values)-1)]
}

// holds reports whether the row is within its limit.
func (r *row) holds() bool {
	median := spreadOf(r.Values).median
	if r.AtLeast {
		return median >= r.Limit
	}
	return median <= r.Limit
}

// verdict is "holds", or by how much the row falls short of its limit.
func (r *row) verdict() string {
	if r.Limit == 0 {
		return "reported"
	}
	if r.holds() {
		return "holds"
	}
	median := spreadOf(r.Values).median
	if r.AtLeast {
		return fmt.Sprintf("short: %s of the limit", figure(median/r.Limit))
	}
	return fmt.Sprintf("short: %sx the limit", figure(median/r.Limit))
}

// limit returns the limit as text.
func (r *row) limit() string {
	switch {
	case r.Limit == 0:
		return "-"
	case r.AtLeast:
		return ">= " + figure(r.Limit)
	default:
		return "<= " + figure(r.Limit)
	}
}

// figure prints a number with three digits that count.
func figure(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.2f", v)
	}
}
