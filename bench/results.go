package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/perf/benchfmt"
)

// A round is one run of the benchmarks. Numbers of one round are compared with each
// other, so that a slow minute of the machine slows both.
type round struct {
	of int // what the output said by its last line "round: N"
	nr int // how often the same benchmark came in that round before
}

// results are the numbers of an output by benchmark, unit and round. A benchmark's name
// is without "Benchmark" and without the number of processors.
type results struct {
	numbers map[[2]string]map[round]float64
	config  map[string]string // such as goos, cpu, brokers: the last of each
}

// readResults reads the outputs of go test -bench in the files. A line that can't be read,
// as the last one of a run that was stopped, is reported and left out.
func readResults(stderr io.Writer, paths ...string) (*results, error) {
	res := &results{numbers: map[[2]string]map[round]float64{}, config: map[string]string{}}
	for _, path := range paths {
		if err := res.read(path, stderr); err != nil {
			return nil, err
		}
	}
	if len(res.numbers) == 0 {
		return nil, fmt.Errorf("no results of benchmarks in %s", strings.Join(paths, ", "))
	}
	return res, nil
}

func (res *results) read(path string, stderr io.Writer) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	r := benchfmt.NewReader(f, path)
	for r.Scan() {
		switch rec := r.Result().(type) {
		case *benchfmt.Result:
			res.add(rec)
		case *benchfmt.SyntaxError:
			fmt.Fprintln(stderr, "bench:", rec)
		}
	}
	return r.Err()
}

func (res *results) add(rec *benchfmt.Result) {
	for _, c := range rec.Config {
		if c.File {
			res.config[c.Key] = string(c.Value)
		}
	}
	var at round
	_, _ = fmt.Sscan(rec.GetConfig("round"), &at.of) // 0 if the output has no such lines
	for _, v := range rec.Values {
		key := [2]string{nameOf(rec.Name), v.Unit}
		of := res.numbers[key]
		if of == nil {
			of = map[round]float64{}
			res.numbers[key] = of
		}
		for at.nr = 0; ; at.nr++ {
			if _, there := of[at]; !there {
				break
			}
		}
		of[at] = v.Value
	}
}

// nameOf is a benchmark's name without the number of processors at its end.
func nameOf(n benchfmt.Name) string {
	base, parts := n.Parts()
	if k := len(parts) - 1; k >= 0 && parts[k][0] == '-' {
		parts = parts[:k]
	}
	return string(bytes.Join(append([][]byte{base}, parts...), nil))
}
