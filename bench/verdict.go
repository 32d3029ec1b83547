package main

import (
	"math"

	"golang.org/x/perf/benchmath"
)

// confidence of the intervals, as benchstat has it.
const confidence = 0.95

// A verdict says how a row came out.
type verdict string

const (
	holds    verdict = "holds"    // the whole interval is within the limit
	closeBy  verdict = "close"    // the limit is in the interval: another run may come to the other side
	short    verdict = "short"    // the whole interval is beyond the limit
	reported verdict = "reported" // there is no limit
)

// An outcome is a row with what was measured.
type outcome struct {
	*row
	values map[round]float64 // in the rounds that count
	rounds int               // in how many rounds both numbers were measured

	store, beside, value benchmath.Summary
	sample               *benchmath.Sample // of the values
}

// outcomes returns those of the rows that were measured, in the order of the table.
func (res *results) outcomes(rows []row) []*outcome {
	var all []*outcome
	byName := map[string]*outcome{}
	for i := range rows {
		o := &outcome{row: &rows[i], values: map[round]float64{}}
		if res.measure(o, byName[rows[i].needs]) {
			all = append(all, o)
			byName[o.name] = o
		}
	}
	return all
}

// measure fills in the values and reports whether there is at least one. needs is the
// outcome of the row that tells which rounds count; nil: it was not measured.
func (res *results) measure(o, needs *outcome) bool {
	var store, beside, values []float64
	theirs := res.numbers[[2]string{o.row.beside, o.unit}]
	for at, x := range res.numbers[[2]string{o.row.store, o.unit}] {
		y, there := theirs[at]
		if o.row.beside == "" {
			y, there = o.number, true
		}
		if !there {
			continue
		}
		o.rounds++
		if o.needs != "" && !needs.within(at, o.when) {
			continue
		}
		v := x
		if o.compares() {
			v = x / y
		}
		o.values[at] = v
		store, beside, values = append(store, x), append(beside, y), append(values, v)
	}
	if o.rounds == 0 {
		return false
	}
	o.store, o.beside = summary(store), summary(beside)
	o.sample = benchmath.NewSample(values, &benchmath.DefaultThresholds)
	o.value = summary(values)
	return true
}

// summary has the median and its interval, which is infinite while there are too few
// values to say anything with that confidence.
func summary(values []float64) benchmath.Summary {
	if len(values) == 0 {
		return benchmath.Summary{Center: math.NaN(), Lo: math.Inf(-1), Hi: math.Inf(1)}
	}
	return benchmath.AssumeNothing.Summary(benchmath.NewSample(values, &benchmath.DefaultThresholds), confidence)
}

// verdict holds the interval against the limit.
func (o *outcome) verdict() verdict {
	lo, hi := o.limit.allows(o.value.Lo), o.limit.allows(o.value.Hi)
	switch {
	case o.limit.op == "":
		return reported
	case lo && hi:
		return holds
	case lo || hi:
		return closeBy
	default:
		return short
	}
}

// within reports whether the row's value in a round is known and within b.
func (o *outcome) within(at round, b bound) bool {
	if o == nil {
		return false
	}
	v, known := o.values[at]
	return known && b.allows(v)
}
