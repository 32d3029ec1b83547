package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kvsim/kvsim/cmd/kvsim/internal/engine/world"
	"github.com/kvsim/kvsim/sim"
)

// writeWorld prints what one world did, and which faults took effect. If all is set, it also prints
// the whole verdict.
func writeWorld(w io.Writer, x ran, all bool) {
	r, p := x.result, x.plan
	fmt.Fprintf(w, "seed %d of %s: %s, %s\n", r.Seed, nameOf(p.Scenario), plural(p.World.Clients, "client"), plural(p.World.Brokers, "broker"))
	if r.Operations.Total > 0 {
		fmt.Fprintf(w, "  did        %s\n", operationsText(r.Operations, r.Records))
	}
	if r.Simulated > 0 {
		fmt.Fprintf(w, "  simulated  %v in %v, %s\n", roundTime(r.Simulated), roundTime(r.Wall), speedText(r.Simulated, r.Wall))
	}
	hit := 0
	for _, f := range r.Faults {
		if f.Hits > 0 {
			hit++
		}
	}
	fmt.Fprintf(w, "  faults     %d planned, %d took effect\n", len(p.Faults), hit)
	for _, f := range r.Faults {
		fmt.Fprintf(w, "    %6s  %s\n", hitsText(f), f.Text)
	}
	for _, a := range r.Availability {
		if a.Down > 0 {
			fmt.Fprintf(w, "  %-9s  down %s\n", a.Client, downText(a.Down, a.Explained))
		}
	}
	if all && r.Verdict != "" {
		fmt.Fprintf(w, "  verdict    %s\n", indent(strings.TrimSpace(r.Verdict), "    "))
	}
}

// writeEnd prints the verdict about a single world, and how to repeat it.
func writeEnd(w io.Writer, t *tally, capsule string) {
	fmt.Fprintf(w, "  verdict    %s\n", t.Status)
	for _, f := range t.Failures {
		fmt.Fprintf(w, "    %s: %s\n", f.Reason, indent(f.Text, "    "))
		if capsule != "" {
			fmt.Fprintf(w, "  capsule    %s\n", capsule)
		}
		fmt.Fprintf(w, "  replay     %s\n", f.Replay)
	}
	if len(t.Failures) == 0 && capsule != "" {
		fmt.Fprintf(w, "  capsule    %s\n", capsule)
	}
}

// writeCampaign prints what many worlds did.
func writeCampaign(w io.Writer, t *tally) {
	fmt.Fprintf(w, "%s of %s, seeds %d to %d, %s engine, %d at a time\n",
		plural(t.Worlds, "world"), nameOf(t.Scenario), t.First, t.Last, t.Engine, t.Jobs)
	fmt.Fprintf(w, "  outcome    %s held, %s violated, %s inconclusive, %s of the harness\n",
		count(t.Held), count(t.Violations), count(t.Inconclusive), plural(t.Broken, "failure"))
	fmt.Fprintf(w, "  did        %s\n", operationsText(t.Operations, t.Records))
	fmt.Fprintf(w, "  simulated  %v in %v, %s, %s seeds an hour\n",
		roundTime(t.Simulated), roundTime(t.Elapsed), speedText(t.Simulated, t.Elapsed), count(int(t.perHour())))
	if t.Down > 0 {
		fmt.Fprintf(w, "  clients    down %s\n", downText(t.Down, t.Explained))
	}
	if len(t.Faults) > 0 {
		fmt.Fprintf(w, "  faults %43s %9s %9s\n", "planned", "effective", "hits")
		for _, f := range t.Faults {
			fmt.Fprintf(w, "    %-38s %8s %9s %9s\n", f.Kind, count(f.Planned), count(f.Effective), count(f.Hits))
		}
	}
	if seen := slices.DeleteFunc(slices.Clone(t.seen()), isForm); len(seen) > 0 {
		fmt.Fprintf(w, "  sometimes %50s %9s\n", "worlds", "times")
		for _, s := range seen {
			fmt.Fprintf(w, "    %-48s %8s %9s\n", s.Name, count(s.Worlds), count(s.Times))
		}
	}
	writeForms(w, t)
	writeAnswers(w, t)
	if len(t.Failures) > 0 {
		fmt.Fprintln(w, "  failures")
		for _, f := range t.Failures {
			fmt.Fprintf(w, "    %s: %s: %s, smallest seed %d\n      %s\n      %s\n",
				f.Status, f.Reason, plural(f.Worlds, "world"), f.Smallest, indent(f.Text, "      "), f.Replay)
		}
	}
	if names := t.never(); len(names) > 0 {
		fmt.Fprintf(w, "  never      %s: a campaign of %d seeds or more has to see each of them\n", strings.Join(names, ", "), sometimesSeeds)
	}
	if t.Interrupted {
		fmt.Fprintf(w, "  verdict    interrupted, so far %s\n", t.Status)
		return
	}
	fmt.Fprintf(w, "  verdict    %s\n", t.Status)
}

// isForm reports whether one of the sometimes is a form of a call or a client.
func isForm(s *sometimesTally) bool { return slices.Contains(sim.FormNames(), s.Name) }

// writeForms prints how many of the forms of calls and clients were met. Those that a campaign has to meet
// and never did are among the others that never happened.
func writeForms(w io.Writer, t *tally) {
	all, met := 0, 0
	for _, s := range t.Sometimes {
		if isForm(s) {
			all++
			met += min(1, s.Times)
		}
	}
	if met > 0 {
		fmt.Fprintf(w, "  forms      %s of %s forms of calls and clients\n", count(met), count(all))
	}
}

// writeAnswers prints how much of the table of what brokers may answer was met, and what was not.
func writeAnswers(w io.Writer, t *tally) {
	unseen, all := t.unseen()
	if all == 0 {
		return
	}
	fmt.Fprintf(w, "  answers    %s of %s error codes that brokers may answer to a request reached a client\n", count(all-len(unseen)), count(all))
	for _, name := range unseen {
		fmt.Fprintf(w, "    never    %s\n", name)
	}
}

func operationsText(o world.Operations, records int) string {
	return fmt.Sprintf("%s (%s ok, %s failed, %s unknown), %s, %s",
		plural(o.Total, "operation"), count(o.OK), count(o.Failed), count(o.Unknown), plural(o.Acknowledged, "acknowledged write"), plural(records, "log record"))
}

func hitsText(f world.FaultResult) string {
	switch {
	case !f.Injected:
		return "never"
	case f.Hits == 0:
		return "no hit"
	}
	return count(f.Hits)
}

// downText says how long clients did not serve writes, and how much of that the plan explains.
func downText(down, explained time.Duration) string {
	if explained == down {
		return fmt.Sprintf("%v, all of it explained", roundTime(down))
	}
	return fmt.Sprintf("%v, %v of it explained", roundTime(down), roundTime(explained))
}

func speedText(simulated, wall time.Duration) string {
	if wall <= 0 {
		return "0x"
	}
	return strconv.Itoa(int(simulated.Seconds()/wall.Seconds())) + "x"
}

// roundTime rounds d to about three digits.
func roundTime(d time.Duration) time.Duration {
	switch {
	case d >= 10*time.Second:
		return d.Round(100 * time.Millisecond)
	case d >= time.Second:
		return d.Round(10 * time.Millisecond)
	}
	return d.Round(time.Millisecond)
}

// count prints a number with commas.
func count(n int) string {
	s := strconv.Itoa(n)
	start := 0
	if n < 0 {
		start = 1
	}
	for i := len(s) - 3; i > start; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return count(n) + " " + what + "s"
}

func nameOf(scenario string) string {
	if scenario == "" {
		return "a plan"
	}
	return scenario
}

// indent puts prefix before every line but the first.
func indent(text, prefix string) string {
	return strings.ReplaceAll(text, "\n", "\n"+prefix)
}
