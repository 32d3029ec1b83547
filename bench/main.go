package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"runtime/pprof"
	"slices"
	"strings"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	if kind := os.Getenv(childEnv); kind != "" {
		err = runChild(ctx, kind, os.Stdin, os.Stdout)
	} else {
		err = run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	}
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop was called
	}
}

// bench is one run.
type bench struct {
	report *report
	rounds int
	keys   int
	only   []*regexp.Regexp
	piece  time.Duration // of what is measured by counting for a while
	stderr io.Writer

	simulator *simulator // nil: without its rows
}

// wants reports whether one of the rows, or groups of rows, is to be measured.
func (b *bench) wants(ids ...string) bool {
	if len(b.only) == 0 {
		return true
	}
	return slices.ContainsFunc(ids, func(id string) bool {
		return slices.ContainsFunc(b.only, func(re *regexp.Regexp) bool { return re.MatchString(id) })
	})
}

// choose takes the -only flag. A row's name has to match as a whole.
func (b *bench) choose(only string) error {
	if only == "" {
		return nil
	}
	for x := range strings.SplitSeq(only, ",") {
		re, err := regexp.Compile("^(?:" + x + ")$")
		if err != nil {
			return fmt.Errorf("-only %s: %w", only, err)
		}
		b.only = append(b.only, re)
	}
	return nil
}

// row adds a row to the report. Its values are added to what is returned.
func (b *bench) row(r row) *row {
	fmt.Fprintln(b.stderr, "bench:", r.ID, r.Brokers)
	b.report.Rows = append(b.report.Rows, &r)
	return &r
}

const (
	minRounds    = 5
	defaultPiece = 200 * time.Millisecond
)

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.SetOutput(stderr)
	rounds := fs.Int("rounds", 7, "rounds of each row, 5 or more")
	keys := fs.Int("keys", 1_000_000, "keys that the store holds in the rows about reads, memory and bootstrap")
	most := fs.Int("growth", 1_000_000, "the largest number of keys for growth; 10000000 needs about 8 GB and a minute more")
	only := fs.String("only", "", "the `rows` to measure: names or regular expressions, with commas between them (default: all)")
	out := fs.String("out", "", "write the report to this `file`, as JSON")
	svg := fs.String("plot", "", "draw the growth into this `file`, as SVG")
	kvsim := fs.String("kvsim", "", "the kvsim `command` whose bench gives the simulator's rows (default: without them)")
	profile := fs.String("profile", "", "write a CPU profile of this process to this `file`; openings run in other processes")
	page := fs.String("markdown", "", "measure nothing: print the rows of this `file` that -out wrote as a table for the documentation")
	diff := fs.String("compare", "", "measure nothing: compare two reports, `old,new`")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if fs.NArg() > 0 {
		return fmt.Errorf("unknown argument %q: flags only, see -help", fs.Arg(0))
	}
	if *diff != "" {
		return compareFiles(stdout, *diff)
	}
	if *page != "" {
		r, err := load(*page)
		if err != nil {
			return err
		}
		return r.markdown(stdout)
	}
	if *rounds < minRounds || *keys < 10_000 || *most < 100_000 {
		return fmt.Errorf("-rounds %d, -keys %d, -growth %d: the least is %d, 10000 and 100000", *rounds, *keys, *most, minRounds)
	}
	b := &bench{report: newReport(*rounds, *keys), rounds: *rounds, keys: *keys, piece: defaultPiece, stderr: stderr}
	if err := b.choose(*only); err != nil {
		return err
	}
	if *kvsim != "" && b.wants("simulator") {
		b.simulator = newSimulator(*kvsim)
	}
	err := profiled(*profile, func() error { return b.all(ctx, *most) })
	if err == nil && len(b.report.Rows) == 0 {
		return fmt.Errorf("-only %s names no row", *only)
	}
	// What was measured before something failed is worth its minutes.
	return errors.Join(err, b.write(stdout, *out, *svg))
}

// write shows the report, and stores it and the plot in the files that have a
// name.
func (b *bench) write(stdout io.Writer, out, svg string) error {
	b.report.dropEmpty()
	if err := b.report.table(stdout); err != nil {
		return err
	}
	printGrowth(stdout, b.report.Growth)
	if svg != "" && len(b.report.Growth) > 0 {
		if err := savePlot(svg, b.report.Growth); err != nil {
			return err
		}
	}
	if out != "" {
		return b.report.save(out)
	}
	return nil
}

// profiled runs do, with a CPU profile if path names a file.
func profiled(path string, do func() error) error {
	if path == "" {
		return do()
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return errors.Join(err, f.Close())
	}
	err = do()
	pprof.StopCPUProfile()
	return errors.Join(err, f.Close())
}

func compareFiles(w io.Writer, names string) error {
	from, to, ok := strings.Cut(names, ",")
	if !ok {
		return fmt.Errorf("-compare %s: want two files with a comma between them", names)
	}
	before, err := load(from)
	if err != nil {
		return err
	}
	after, err := load(to)
	if err != nil {
		return err
	}
	return compare(w, before, after)
}

// all measures everything: on kfake, on real brokers where there are some, and
// what needs no brokers.
func (b *bench) all(ctx context.Context, most int) error {
	addrs, stop, err := startBroker()
	if err != nil {
		return err
	}
	defer stop()
	if err := b.on(ctx, "kfake", addrs, func(c *cluster, big string) error {
		if err := b.reads(ctx, c, big); err != nil {
			return err
		}
		if err := b.pause(ctx); err != nil {
			return err
		}
		return errors.Join(b.growth(ctx, c, most), b.pause(ctx))
	}); err != nil {
		return err
	}
	if addrs := os.Getenv("KVSIM_KAFKA_BROKERS"); addrs != "" {
		if err := b.on(ctx, "kafka", strings.Split(addrs, ","), nil); err != nil {
			return err
		}
	}
	if err := b.judges(ctx); err != nil {
		return err
	}
	return b.endSimulator(ctx)
}

// bigRows are those that need a topic with all keys.
var bigRows = slices.Concat(openingRows, readRows, []string{"put-held", "growth"})

// on measures the rows that need brokers, then calls more with the name of the
// topic that holds all keys.
func (b *bench) on(ctx context.Context, kind string, addrs []string, more func(c *cluster, big string) error) (err error) {
	c, err := newCluster(kind, addrs)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close(context.WithoutCancel(ctx))) }()
	if err := b.puts(ctx, c); err != nil {
		return err
	}
	if err := b.pause(ctx); err != nil {
		return err
	}
	if err := b.firstPut(ctx, c); err != nil {
		return err
	}
	if !b.wants(bigRows...) {
		return nil
	}
	big, err := c.topic(ctx, "big")
	if err != nil {
		return err
	}
	if err := c.fill(ctx, big, b.keys); err != nil {
		return err
	}
	if err := b.opening(ctx, c, big); err != nil {
		return err
	}
	if err := b.pause(ctx); err != nil {
		return err
	}
	if err := b.putsHeld(ctx, c, big); err != nil {
		return err
	}
	if err := b.pause(ctx); err != nil {
		return err
	}
	if more == nil {
		return nil
	}
	return more(c, big)
}
