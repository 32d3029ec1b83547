package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/kvsim/kvsim/cmd/kvsim/internal/engine/world"
)

// The files of a capsule.
const (
	capsulePlan    = "plan.txt"
	capsuleHistory = "history.jsonl"
	capsuleLog     = "log.txt"
	capsuleVerdict = "verdict.txt"
	capsuleResult  = "verdict.json"
	capsuleOutput  = "output.txt"
	capsuleInfo    = "capsule.json"
	capsuleLatest  = "latest"
)

// A capsule is a directory with everything that is known about a world that failed.
type capsule struct {
	dir string
	// plan is the text of plan.txt.
	plan string
	info capsuleHeader
	// result is what verdict.json holds.
	result world.Result
}

// A capsuleHeader is the content of capsule.json: what is needed to repeat the world,
// besides its plan.
type capsuleHeader struct {
	Seed      uint64 `json:"seed"`
	Scenario  string `json:"scenario"`
	Engine    string `json:"engine"`
	Scheduler string `json:"scheduler,omitempty"`
	// Kafka is the value of --kafka, for the real engine.
	Kafka string `json:"kafka,omitempty"`
	// Command is the command line that found the failure, Replay the one that
	// repeats it.
	Command  string   `json:"command"`
	Replay   string   `json:"replay"`
	Versions versions `json:"versions"`
}

// engine returns the engine that the world ran on. A capsule alone never makes kvsim connect
// anywhere: if the world ran on Kafka, kafka is what the person names again, with --kafka.
func (h *capsuleHeader) engine(kafka string) (engineOptions, error) {
	on := engineOptions{name: h.Engine, scheduler: h.Scheduler, kafka: cmp.Or(kafka, h.Kafka)}
	if on.kafka != "" && kafka == "" {
		return on, usagef("the world of this capsule ran on --kafka %s: to run it there again, which connects to those brokers or starts containers, add --kafka %s", quoteArg(on.kafka), quoteArg(on.kafka))
	}
	err := on.validate()
	return on, err
}

// history returns the file with the history.
func (c *capsule) history() (string, error) {
	file, err := ownFile(c.dir, capsuleHistory)
	if err != nil {
		return "", usagef("capsule %s: %w", c.dir, err)
	}
	return file, nil
}

// capsuleName returns the name of a capsule's directory.
func capsuleName(at time.Time, seed uint64) string {
	return fmt.Sprintf("%s-%d", at.UTC().Format("20060102T150405Z"), seed)
}

// writeCapsule makes a capsule in out from a world that has run, and makes latest point to
// it. It moves the history and the log.
func writeCapsule(ctx context.Context, out string, at time.Time, r ran, info capsuleHeader) (string, error) {
	dir, err := makeDir(out, capsuleName(at, r.job.Seed))
	if err != nil {
		return "", fmt.Errorf("write a capsule: %w", err)
	}
	info.Replay = replayLine(dir)
	var errs []error
	write := func(name string, data []byte, err error) {
		if err == nil {
			err = writeData(filepath.Join(dir, name), private, data)
		}
		errs = append(errs, err)
	}
	writeJSON := func(name string, value any) {
		data, err := json.MarshalIndent(value, "", "  ")
		write(name, append(data, '\n'), err)
	}
	write(capsulePlan, []byte(r.job.Plan), nil)
	write(capsuleVerdict, []byte(verdictText(r.result)), nil)
	writeJSON(capsuleResult, r.result)
	writeJSON(capsuleInfo, info)
	if r.result.Output != "" {
		write(capsuleOutput, []byte(r.result.Output), nil)
	}
	for from, to := range map[string]string{r.job.History: capsuleHistory, r.job.Log: capsuleLog} {
		if from == "" {
			continue
		}
		// A world that broke early has no files.
		if err := os.Rename(from, filepath.Join(dir, to)); !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	errs = append(errs,
		writeReport(ctx, &capsule{dir: dir, plan: r.job.Plan, info: info, result: *r.result}),
		linkLatest(out, filepath.Base(dir)))
	if err := errors.Join(errs...); err != nil {
		return "", fmt.Errorf("write the capsule %s: %w", dir, err)
	}
	return dir, nil
}

// makeDir makes a new directory in out. If the name is taken, it appends a number.
func makeDir(out, name string) (string, error) {
	if err := os.MkdirAll(out, 0o777); err != nil {
		return "", err
	}
	for i := 1; ; i++ {
		dir := filepath.Join(out, name)
		if i > 1 {
			dir = fmt.Sprintf("%s.%d", dir, i)
		}
		if err := os.Mkdir(dir, 0o777); !errors.Is(err, fs.ErrExist) {
			return dir, err
		}
	}
}

// freeLatest checks that linkLatest has nothing of the user's to replace in out.
func freeLatest(out string) error {
	link := filepath.Join(out, capsuleLatest)
	info, err := os.Lstat(link)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() == fs.ModeSymlink:
		return nil
	}
	if name, ok := namedLatest(link); ok {
		if _, err := os.Stat(filepath.Join(out, name, capsulePlan)); err == nil {
			return nil
		}
	}
	return fmt.Errorf("%s is not a link to a capsule, so it stays: move it away, or name another directory", link)
}

// namedLatest returns the name of the directory that a latest contains which is a file.
func namedLatest(file string) (name string, ok bool) {
	data, err := readFile(file, 200)
	name, ok = strings.CutSuffix(string(data), "\n")
	return name, err == nil && ok && name == filepath.Base(name)
}

// linkLatest makes out/latest a link to a directory in out. If links are not possible, it is
// a file that contains the name.
func linkLatest(out, name string) error {
	if err := freeLatest(out); err != nil {
		return err
	}
	link := filepath.Join(out, capsuleLatest)
	if err := os.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if os.Symlink(name, link) == nil {
		return nil
	}
	return os.WriteFile(link, []byte(name+"\n"), 0o666)
}

// replayLine returns the command line that runs a capsule again. What capsule.json says is for
// those who read it there: it may come from anyone.
func replayLine(dir string) string {
	if to, err := os.Readlink(dir); err == nil && filepath.Base(dir) == capsuleLatest && filepath.Base(to) == to {
		dir = filepath.Join(filepath.Dir(dir), to) // soon it is another one
	}
	return "kvsim replay " + quoteArg(dir)
}

// verdictText returns the verdict for people, however the world ended.
func verdictText(r *world.Result) string {
	var text strings.Builder
	text.WriteString(r.Status.String() + "\n")
	for _, reason := range r.Reasons {
		text.WriteString(reason.Text + "\n")
	}
	if r.Verdict != "" {
		text.WriteString("\n" + r.Verdict)
	}
	return text.String()
}

// readCapsule reads what writeCapsule wrote.
func readCapsule(dir string) (*capsule, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return nil, usagef("there is no capsule %s: name a directory that a failing run left, such as kvsim-out/latest", dir)
	}
	if !info.IsDir() {
		name, ok := namedLatest(dir)
		if !ok || filepath.Base(dir) != capsuleLatest {
			return nil, usagef("%s is not a capsule, which is a directory: to run a plan use kvsim run --plan %s", dir, dir)
		}
		dir = filepath.Join(filepath.Dir(dir), name)
	}
	return capsuleOf(dir, func(name string, most int64) ([]byte, error) { return readOwn(dir, name, most) })
}

// capsuleOf makes a capsule of its files.
func capsuleOf(dir string, read func(name string, most int64) ([]byte, error)) (*capsule, error) {
	c := &capsule{dir: dir}
	plan, err := read(capsulePlan, mostPlan)
	if err != nil {
		return nil, usagef("%s is not a capsule: %w", dir, err)
	}
	c.plan = string(plan)
	for name, into := range map[string]any{capsuleInfo: &c.info, capsuleResult: &c.result} {
		data, err := read(name, mostResult)
		if err == nil {
			err = json.Unmarshal(data, into)
		}
		if err != nil {
			return nil, usagef("capsule %s: %s: %w", dir, name, err)
		}
	}
	return c, nil
}
