package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
)

// A point is what was measured at one number of keys.
type point struct {
	Keys int `json:"keys"`
	opened
}

// steepest is by how much a quantity may outgrow n log n from one size to the
// next, ten times as large: caches get too small on the way, once each.
const steepest = 1.5

// openings is how often a size is measured, which are the rounds of the rows.
const openings = minRounds

// growth measures at 10^4 keys and at each power of ten up to most.
func (b *bench) growth(ctx context.Context, c *cluster, most int) error {
	if !b.wants("growth") {
		return nil
	}
	var jobs []openJob
	for n := 10_000; n <= most; n *= 10 {
		topic, err := c.topic(ctx, "growth")
		if err != nil {
			return err
		}
		if err := c.fill(ctx, topic, n); err != nil {
			return err
		}
		jobs = append(jobs, openJob{c.addrs, topic, n})
	}
	runs := make([][]opened, len(jobs))
	for range openings { // of all sizes in turn: a slow minute of the machine meets them all
		for i, job := range jobs {
			got, err := job.child(ctx, childOpen)
			if err != nil {
				return err
			}
			runs[i] = append(runs[i], got)
		}
	}
	var points []point
	for i, job := range jobs {
		points = append(points, point{job.Keys, middle(runs[i])})
		if _, err := c.admin.DeleteTopics(ctx, job.Topic); err != nil {
			return err
		}
	}
	b.report.Growth = points
	if len(points) < 2 {
		return nil // nothing has grown
	}
	for _, q := range quantities {
		b.row(q.steepest(jobs, runs, c.kind))
	}
	return nil
}

// steepest returns the row of a quantity: the rounds of its steepest step from one size
// to the next, which is the one with the largest median.
func (q quantity) steepest(jobs []openJob, runs [][]opened, brokers string) row {
	var worst row
	for i := 1; i < len(jobs); i++ {
		step := row{
			ID: "growth-" + q.name, What: fmt.Sprintf("%s, growth from %d keys to %d", q.what, jobs[i-1].Keys, jobs[i].Keys),
			Yardstick: q.bound, Brokers: brokers, Unit: "times", Limit: steepest,
		}
		for k, o := range runs[i] {
			was, is := point{jobs[i-1].Keys, runs[i-1][k]}, point{jobs[i].Keys, o}
			step.add(q.of(is)/q.of(was), q.may(is.Keys)/q.may(was.Keys))
		}
		if i == 1 || step.decisive() > worst.decisive() {
			worst = step
		}
	}
	return worst
}

// middle takes the median of each number.
func middle(runs []opened) opened {
	of := func(f func(opened) float64) float64 {
		var all []float64
		for _, r := range runs {
			all = append(all, f(r))
		}
		return spreadOf(all).median
	}
	return opened{
		Seconds:   of(func(o opened) float64 { return o.Seconds }),
		CPU:       of(func(o opened) float64 { return o.CPU }),
		Peak:      of(func(o opened) float64 { return o.Peak }),
		PeakRange: of(func(o opened) float64 { return o.PeakRange }),
		Live:      of(func(o opened) float64 { return o.Live }),
		FirstGet:  of(func(o opened) float64 { return o.FirstGet }),
		First:     of(func(o opened) float64 { return o.First }),
		Range:     of(func(o opened) float64 { return o.Range }),
		Scan:      of(func(o opened) float64 { return o.Scan }),
		Get:       of(func(o opened) float64 { return o.Get }),
	}
}

// A quantity grows with the number of keys, and may not grow faster than its
// bound.
type quantity struct {
	name, what, unit, bound, colour string
	of                              func(point) float64
	may                             func(keys int) float64
}

func linear(n int) float64      { return float64(n) }
func logarithmic(n int) float64 { return math.Log(float64(n)) }
func linearLog(n int) float64   { return linear(n) * logarithmic(n) }

var quantities = []quantity{
	{"bootstrap", "bootstrap", "s", "n log n", "#1b6ca8", func(p point) float64 { return p.Seconds }, linearLog},
	{"memory", "live heap", "MB", "n log n", "#b3462c", func(p point) float64 { return p.Live / 1e6 }, linearLog},
	{"scan", "Range of all keys", "ms", "n log n", "#3f7d20", func(p point) float64 { return p.Scan * float64(p.Keys) / 1e6 }, linearLog},
	{"range", "Range of 1,000 keys", "us", "log n", "#7a4fa3", func(p point) float64 { return p.Range }, logarithmic},
}

// Sizes of the plot, in pixels.
const (
	plotLeft, plotTop   = 70, 20
	plotWide, plotHigh  = 480, 300
	plotRight, plotFoot = 190, 50
)

// plot draws the growth as an SVG with two logarithmic axes. Each quantity is
// drawn as a multiple of itself at the smallest size, so that they share an axis;
// the grey line is n log n.
func plot(w io.Writer, points []point) error {
	if len(points) < 2 {
		return fmt.Errorf("a plot needs 2 sizes, there are %d", len(points))
	}
	first, last := points[0].Keys, points[len(points)-1].Keys
	decades := math.Log10(float64(last) / float64(first))
	x := func(keys int) float64 {
		return plotLeft + plotWide*math.Log10(float64(keys)/float64(first))/decades
	}
	high := math.Log10(linearLog(last)/linearLog(first)) * 1.05
	y := func(times float64) float64 {
		return plotTop + plotHigh*(1-math.Log10(max(times, 0.5))/high)
	}
	var s strings.Builder
	fmt.Fprintf(&s, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" font-size=\"12\">\n",
		plotLeft+plotWide+plotRight, plotTop+plotHigh+plotFoot)
	s.WriteString("<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n")
	for times := 1.0; math.Log10(times) < high; times *= 10 {
		fmt.Fprintf(&s, "<line x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#ddd\"/><text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.0fx</text>\n",
			plotLeft, plotLeft+plotWide, y(times), y(times), plotLeft-8, y(times)+4, times)
	}
	for _, p := range points {
		fmt.Fprintf(&s, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">10^%.0f</text>\n", x(p.Keys), plotTop+plotHigh+20, math.Log10(float64(p.Keys)))
	}
	fmt.Fprintf(&s, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">keys</text>\n", plotLeft+plotWide/2, plotTop+plotHigh+40)
	line := func(colour, dash, label string, at func(point) float64) {
		var dots []string
		for _, p := range points {
			dots = append(dots, fmt.Sprintf("%.1f,%.1f", x(p.Keys), y(at(p))))
		}
		fmt.Fprintf(&s, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"2\" stroke-dasharray=\"%s\" points=\"%s\"/>\n", colour, dash, strings.Join(dots, " "))
		fmt.Fprintf(&s, "<text x=\"%d\" y=\"%.1f\" fill=\"%s\">%s</text>\n", plotLeft+plotWide+8, y(at(points[len(points)-1]))+4, colour, label)
	}
	line("#999", "6 4", "", func(p point) float64 { return linearLog(p.Keys) / linearLog(first) })
	legend := plotTop + 14
	for _, q := range quantities {
		line(q.colour, "", "", func(p point) float64 { return q.of(p) / q.of(points[0]) })
		fmt.Fprintf(&s, "<text x=\"%d\" y=\"%d\" fill=\"%s\">%s</text>\n", plotLeft+plotWide+16, legend, q.colour, q.what)
		legend += 18
	}
	fmt.Fprintf(&s, "<text x=\"%d\" y=\"%d\" fill=\"#777\">n log n (dashed)</text>\n</svg>\n", plotLeft+plotWide+16, legend)
	_, err := io.WriteString(w, s.String())
	return err
}

// savePlot writes the plot to a file.
func savePlot(path string, points []point) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := plot(f, points); err != nil {
		_ = f.Close() // the error of the plot is the one that counts
		return err
	}
	return f.Close()
}

// printGrowth prints the numbers behind the plot.
func printGrowth(w io.Writer, points []point) {
	if len(points) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%10s %12s %14s %14s %14s %14s %10s\n", "keys", "bootstrap s", "live B/key", "peak B/key", "Range 1000 us", "scan ns/key", "Get ns")
	for _, p := range points {
		n := float64(p.Keys)
		fmt.Fprintf(w, "%10d %12.3f %14.0f %14.0f %14.1f %14.1f %10.0f\n", p.Keys, p.Seconds, p.Live/n, p.Peak/n, p.Range, p.Scan, p.Get)
	}
}
