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

	// Unfit is how many of the rounds the machine was not fit for, see inPiecesWhen.
	Unfit int `json:"unfit,omitempty"`

	Note string `json:"note,omitempty"`
}

// add notes one round.
func (r *row) add(ours, theirs float64) {
	r.addRound(ours, theirs, ours/theirs)
}

// addRound notes one round of several pieces: the medians of both sides, and that of
// what the pieces gave.
func (r *row) addRound(ours, theirs, value float64) {
	r.Ours = append(r.Ours, ours)
	r.Theirs = append(r.Theirs, theirs)
	r.Values = append(r.Values, value)
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
// Test", 1946) about at its usual 5 %. Near the limit it is enough that a round at the
// limit would be no outlier among the others, see fences; and where there are few rounds,
// or the best one decides, that it is near. Rounds that the machine was not fit for say
// nothing, so with a quarter of them the row is close as well.
func (r *row) close() bool {
	off := math.Abs(r.decisive()/r.Limit - 1)
	switch {
	case r.Best:
		return off < closeByClock
	case len(r.Values) < minRounds:
		return off < closeBy
	case 4*r.against() >= len(r.Values) || 4*r.Unfit >= len(r.Values):
		return true
	}
	low, high := fences(r.Values)
	return off < closeBy && low < r.Limit && r.Limit < high
}

// fences are the bounds beyond which a value is an outlier, one and a half times the
// distance of the quartiles away from them (Tukey, "Exploratory Data Analysis", 1977).
func fences(values []float64) (low, high float64) {
	s := slices.Sorted(slices.Values(values))
	n := len(s)
	half := (n + 1) / 2 // with the median, where that is one of the values
	q1, q3 := spreadOf(s[:half]).median, spreadOf(s[n-half:]).median
	return q1 - 1.5*(q3-q1), q3 + 1.5*(q3-q1)
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
