package main

import (
	"fmt"
	"math"
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

	// Best: the best round decides, not the median. So it is where the only yardstick
	// is the clock: whatever else the machine does can only slow a round down.
	Best bool `json:"best,omitempty"`

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

// decisive returns the value that the verdict rests on.
func (r *row) decisive() float64 {
	s := spreadOf(r.Values)
	switch {
	case !r.Best:
		return s.median
	case r.AtLeast:
		return s.max
	default:
		return s.min
	}
}

// within reports whether a value is within the row's limit.
func (r *row) within(v float64) bool {
	if r.AtLeast {
		return v >= r.Limit
	}
	return v <= r.Limit
}

// against returns how many rounds are on the other side of the limit than what decides.
func (r *row) against() int {
	n, holds := 0, r.within(r.decisive())
	for _, v := range r.Values {
		if r.within(v) != holds {
			n++
		}
	}
	return n
}

// closeBy is how near its limit, as a part of that, a row may be close although most rounds
// agree: by about so much the medians of runs of one commit differ.
const closeBy = 0.1

// closeByClock is that for a row where the best round decides: with no yardstick but the
// clock, the best rounds of one commit came to 258 and to 340 of virtual-speed within
// half an hour on one machine.
const closeByClock = 0.2

// close reports whether another run may come to the other side of the limit. That is
// when a quarter or more of the rounds are there: the limit is then among what the true
// median of this run may be, by the sign test (Dixon and Mood, "The Statistical Sign
// Test", 1946) about at its usual 5 %. Near the limit a tenth of them is enough, and
// where there are few rounds, or the best one decides, none.
func (r *row) close() bool {
	off := math.Abs(r.decisive()/r.Limit - 1)
	if r.Best {
		return off < closeByClock
	}
	near := off < closeBy
	if len(r.Values) < minRounds {
		return near
	}
	part := 4
	if near {
		part = 10
	}
	return part*r.against() >= len(r.Values)
}

const closeVerdict = "close"

// verdict is "holds", or by how much the row falls short of its limit, or that it is too
// close to say which.
func (r *row) verdict() string {
	if r.Limit == 0 {
		return "reported"
	}
	part := figure(r.decisive()/r.Limit) + "x the limit"
	if r.AtLeast {
		part = figure(r.decisive()/r.Limit) + " of the limit"
	}
	switch {
	case r.close():
		return closeVerdict + ": " + part
	case r.within(r.decisive()):
		return "holds"
	default:
		return "short: " + part
	}
}

// mostRounds is how many times as many rounds a row may get while its rounds fall
// on both sides of its limit.
const mostRounds = 3

// wantsMore reports whether a row that is to have so many rounds needs another.
func (r *row) wantsMore(rounds int) bool {
	n := len(r.Values)
	return n < rounds || n < mostRounds*rounds && r.Limit != 0 && !r.Best && r.against() > 0
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
