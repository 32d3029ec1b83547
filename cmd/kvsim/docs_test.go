package main

import (
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/kvsim/kvsim/cmd/kvsim/internal/engine/world"
	"github.com/kvsim/kvsim/internal/doctext"
	"github.com/kvsim/kvsim/sim"
)

// called matches the ways in which the documentation calls the command.
const called = `go run \./cmd/kvsim|go run github\.com/kvsim/kvsim/cmd/kvsim|kvsim|\$RUNNER_TEMP/kvsim`

// makeArguments are the variables of the Makefile that hold arguments of a
// subcommand.
var makeArguments = map[string]string{"SIM": "run", "CAMPAIGN": "run", "SIM_KAFKA": "run", "MUTATE": "mutate"}

// The command must accept every command line that the documentation shows. The test also
// runs those of "run", "list", "plan", "version" and "mutate" without --all, on an engine that
// does nothing.
func TestCommandLinesOfTheDocumentationAreTaken(t *testing.T) {
	t.Parallel()
	lines := documented(t)
	if len(lines) < 40 {
		t.Fatalf("the documentation has %d command lines: are they still found?", len(lines))
	}
	for _, line := range lines {
		wrong := wrongLine(t, line.Args)
		if line.Inline && strings.HasPrefix(wrong, "flag needs an argument") {
			continue // `kvsim run --plan` names the flag
		}
		if wrong != "" {
			t.Errorf("%s: kvsim %s: %s", line.At, strings.Join(line.Args, " "), wrong)
		}
	}
}

// documented returns the uses of the command in the documentation, in the
// Makefile and in the workflows.
func documented(t *testing.T) []doctext.Command {
	t.Helper()
	const root = "../.."
	code, err := doctext.Read(root)
	if err != nil {
		t.Fatal(err)
	}
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	code = append(code, doctext.Code{File: "Makefile", Line: 1, Lang: "sh", Text: string(makefile)})
	workflows, err := filepath.Glob(filepath.Join(root, ".github/workflows/*.yml"))
	if err != nil || len(workflows) == 0 {
		t.Fatalf("found %d workflows, %v", len(workflows), err)
	}
	for _, name := range workflows {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		code = append(code, doctext.Code{File: filepath.Base(name), Line: 1, Lang: "yaml", Text: string(text)})
	}
	lines := doctext.Commands(code, called)
	assigned := regexp.MustCompile(`\b([A-Z_]+)(="([^"]*)"| \?= (-.*))`)
	for _, c := range code {
		for _, m := range assigned.FindAllStringSubmatch(c.Text, -1) {
			if sub := makeArguments[m[1]]; sub != "" && m[3]+m[4] != "" {
				lines = append(lines, doctext.Command{At: c.At(), Args: append([]string{sub}, strings.Fields(m[3]+m[4])...)})
			}
		}
	}
	return lines
}

// wrongLine says what is wrong with a command line of the documentation. It returns "" if
// nothing is.
func wrongLine(t *testing.T, args []string) string {
	t.Helper()
	if slices.Contains([]string{"COMMAND", "..."}, args[0]) || strings.HasPrefix(args[0], "$(") {
		return "" // kvsim COMMAND; or kvsim run $(SIM), where the variable's values are checked
	}
	if args[0] == "help" {
		args = append(args[1:], "--help")
		if len(args) == 1 || args[0] == "COMMAND" {
			return ""
		}
	}
	cmd, err := findCommand(args[0])
	if err != nil {
		return err.Error()
	}
	if slices.ContainsFunc(args, func(a string) bool { return strings.HasPrefix(a, "[") }) {
		return wrongSynopsis(cmd, args[1:])
	}
	args = slices.DeleteFunc(slices.Clone(args), func(a string) bool { return strings.HasPrefix(a, "$(") || a == "..." })
	for i, a := range args {
		args[i] = standIn(a)
	}
	fs := flag.NewFlagSet(cmd.name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	cmd.flags(testCLI(""), fs)
	if _, err := parseFlags(fs, args[1:], cmd.name == "exec"); err != nil && err != flag.ErrHelp {
		return err.Error()
	}
	return wrongRun(t, cmd.name, args, fs)
}

// standIn replaces a placeholder, which the reader has to fill in, by a value.
func standIn(arg string) string {
	switch {
	case slices.Contains([]string{"SEED", "N", "$seed"}, arg):
		return "7"
	case arg == "DURATION" || arg == "$DURATION":
		return "1s"
	case arg == "$BROKERS":
		return "3"
	}
	return arg
}

// wrongRun runs a command line if that is possible quickly and without files.
func wrongRun(t *testing.T, name string, args []string, fs *flag.FlagSet) string {
	t.Helper()
	given := map[string]string{}
	fs.Visit(func(f *flag.Flag) { given[f.Name] = f.Value.String() })
	switch name {
	case "run":
		if given["plan"] != "" {
			return ""
		}
		args = append(args, "--out", t.TempDir())
	case "mutate":
		if given["all"] != "" { // it would compile what the store imports
			return ""
		}
		args = append(args, "--list")
	case "list", "plan", "version":
		if given["plan"] != "" {
			return ""
		}
	default:
		return ""
	}
	c, _ := fakeCLI(func(seed uint64) (*world.Result, error) { return fakeResult(seed, world.Held), nil })
	c.sometimes = nil
	if got := kvsim(t, c, "", args...); got.code != exitHeld {
		return strings.TrimSpace(got.stderr)
	}
	return ""
}

// wrongSynopsis compares the summary of a command's usage with its flags. The summary must
// have all of them, and no others.
func wrongSynopsis(cmd command, args []string) string {
	fs := flag.NewFlagSet(cmd.name, flag.ContinueOnError)
	cmd.flags(new(cli), fs)
	shown := map[string]bool{}
	for _, a := range args {
		name, ok := strings.CutPrefix(strings.Trim(a, "[]"), "-")
		if !ok {
			continue
		}
		name = strings.TrimPrefix(name, "-")
		if fs.Lookup(name) == nil {
			return "there is no flag --" + name
		}
		shown[name] = true
	}
	if len(shown) == 0 {
		return ""
	}
	wrong := ""
	fs.VisitAll(func(f *flag.Flag) {
		if !shown[f.Name] {
			wrong = "the flag --" + f.Name + " is not shown"
		}
	})
	return wrong
}

// foreignFlags belong to other programs that the documentation speaks of.
var foreignFlags = map[string]bool{
	"overlay": true, "exec": true, "run": true, "race": true, "timeout": true, "v": true, "o": true, "trimpath": true, "modfile": true,
	"update": true, "coverprofile": true, "cpuprofile": true, "short": true, "flag": true, "iptables": true, "storage-driver": true,
}

// A flag that the text names alone, as in "`--keep` leaves one for each", must be a flag of
// some command.
func TestFlagsOfTheDocumentationExist(t *testing.T) {
	t.Parallel()
	code, err := doctext.Read("../..")
	if err != nil {
		t.Fatal(err)
	}
	flags := map[string]bool{}
	for _, cmd := range commands() {
		fs := flag.NewFlagSet(cmd.name, flag.ContinueOnError)
		cmd.flags(new(cli), fs)
		fs.VisitAll(func(f *flag.Flag) { flags[f.Name] = true })
	}
	// The command that holds the output of make bench against the limits.
	declared := regexp.MustCompile(`fs\.\w+\((?:&[\w.]+, )?"([a-z-]+)"`)
	sources, err := filepath.Glob("../../bench/*.go")
	for _, name := range sources {
		text, readErr := os.ReadFile(name)
		for _, m := range declared.FindAllStringSubmatch(string(text), -1) {
			flags[m[1]] = true
		}
		err = errors.Join(err, readErr)
	}
	if err != nil {
		t.Fatal(err)
	}
	alone := regexp.MustCompile(`^--?([a-z][a-z-]*)`)
	found := 0
	for _, c := range code {
		m := alone.FindStringSubmatch(c.Text)
		if !c.Inline || m == nil || strings.HasPrefix(c.Text, "-rapid.") {
			continue
		}
		found++
		if !flags[m[1]] && !foreignFlags[m[1]] {
			t.Errorf("%s: `%s` is no flag of kvsim, nor one of foreignFlags", c.At(), c.Text)
		}
	}
	if found < 20 {
		t.Errorf("the text names %d flags: are they still found?", found)
	}
}

// A flag that nobody describes is found by nobody.
func TestEachFlagIsInTheDocumentation(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("../../docs/*.md")
	var text []byte
	for _, name := range pages {
		page, readErr := os.ReadFile(name)
		text, err = append(text, page...), errors.Join(err, readErr)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, cmd := range commands() {
		fs := flag.NewFlagSet(cmd.name, flag.ContinueOnError)
		cmd.flags(new(cli), fs)
		fs.VisitAll(func(f *flag.Flag) {
			if described := regexp.MustCompile(`[ \x60\[(]--?` + f.Name + `\b[^-]`); !described.Match(text) {
				t.Errorf("no page of docs says anything of kvsim %s --%s", cmd.name, f.Name)
			}
		})
	}
}

func TestEachWrongCommandLineIsReported(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ line, want string }{
		{"run --seed 1..50 --scenario everything", ""},
		{"run --for 10m --scenario lag", ""},
		{"run --engine real --kafka testcontainers --brokers-count 3", ""},
		{"replay CAPSULE", ""},
		{"replay SEED", ""},
		{"exec --seed $seed --", ""},
		{"mutate --campaigns 1 tombstone-lost", ""},
		{"bench --engine virtual --seeds 10 --twice --jobs 0", ""},
		{"walk", `there is no command "walk"`},
		{"exec --overlay", "flag provided but not defined: -overlay"},
		{"run --seeds 7", "flag provided but not defined: -seeds"},
		{"run --seed x", "invalid value"},
		{"run --scenario evrything", "evrything"},
		{"run --for 10", "invalid value"},
		{"run --jobs 2 --engine real", "one after the other"},
		{"list --scenarios", "flag provided but not defined"},
		{"mutate --campaigns 1 tombstone-lots", "tombstone-lots"},
		{"run [--sead N]", "there is no flag --sead"},
		{"run [--seed N|A..B]", "is not shown"},
	} {
		got := wrongLine(t, strings.Fields(tc.line))
		if (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
			t.Errorf("wrongLine(%q) = %q, want %q", tc.line, got, tc.want)
		}
	}
}

// The table of docs/real-kafka.md says of each fault what it does there, or that it is left out.
func TestRealKafkaSaysWhatEachFaultDoes(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/real-kafka.md")
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{}
	for line := range strings.Lines(string(page)) {
		if cells := strings.Split(line, "|"); len(cells) == 4 {
			for name := range strings.SplitSeq(cells[1], ",") {
				named[strings.TrimSpace(name)] = true
			}
		}
	}
	for _, k := range sim.FaultKinds() {
		if !named[k.Name] {
			t.Errorf("docs/real-kafka.md says nothing of the fault %s", k.Name)
		}
	}
}
