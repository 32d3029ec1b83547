package exact

import (
	_ "embed"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// supportedGo is the Go release for which the patches were written. They also work with
// others if each fits exactly once.
const supportedGo = "go1.26"

// schedulerSource is the file that the overlay adds to package runtime.
//
//go:embed runtime_wasip1.go.txt
var schedulerSource string

// patch replaces one passage of a source file, which must occur exactly once.
type patch struct {
	purpose string
	old     string
	new     string
}

// schedulerPatches change runtime/proc.go. Stock Go on wasm has one processor,
// no runnext slot (there is no sysmon) and a first-in first-out run queue, so
// the order of runnable goroutines never depends on any seed.
var schedulerPatches = []patch{
	{
		// Gosched, or a full local queue, puts goroutines into the global queue,
		// which is used only when the local one is empty. Without this patch, a
		// goroutine that yields could never overtake another one.
		purpose: "put goroutines that yielded among those to pick from",
		old: "	// local runq\n" +
			"	if gp, inheritTime := runqget(pp); gp != nil {\n" +
			"		return gp, inheritTime, false\n" +
			"	}\n" +
			"\n" +
			"	// global runq\n",
		new: "	kvsimGather(pp)\n" +
			"\n" +
			"	// local runq\n" +
			"	if gp, inheritTime := runqget(pp); gp != nil {\n" +
			"		return gp, inheritTime, false\n" +
			"	}\n" +
			"\n" +
			"	// global runq\n",
	},
	{
		purpose: "pick a runnable goroutine at random",
		old: "		gp := pp.runq[h%uint32(len(pp.runq))].ptr()\n" +
			"		if atomic.CasRel(&pp.runqhead, h, h+1) { // cas-release, commits consume\n" +
			"			return gp, false\n" +
			"		}\n",
		new: "		kvsimPick(pp, h, t)\n" +
			"		gp := pp.runq[h%uint32(len(pp.runq))].ptr()\n" +
			"		if atomic.CasRel(&pp.runqhead, h, h+1) { // cas-release, commits consume\n" +
			"			return gp, false\n" +
			"		}\n",
	},
}

// applyPatches returns source with every patch applied, or a *PatchError for
// the first one that does not fit exactly once.
func applyPatches(source, file, goVersion string, patches []patch) (string, error) {
	for _, p := range patches {
		if n := strings.Count(source, p.old); n != 1 {
			return "", &PatchError{GoVersion: goVersion, File: file, Purpose: p.purpose, Want: p.old, Found: n}
		}
		source = strings.Replace(source, p.old, p.new, 1)
	}
	return source, nil
}

// overlay has the files that "go build -overlay" replaces, with their content.
type overlay struct {
	replaced map[string]string // path under GOROOT to content
}

// schedulerOverlay makes the overlay that randomises the scheduler of the Go in goroot, which
// it only reads.
func schedulerOverlay(goroot, goVersion string) (overlay, error) {
	file := filepath.Join(goroot, "src", "runtime", "proc.go")
	source, err := os.ReadFile(file)
	if err != nil {
		return overlay{}, fmt.Errorf("read the Go scheduler: %w", err)
	}
	patched, err := applyPatches(string(source), file, goVersion, schedulerPatches)
	if err != nil {
		return overlay{}, err
	}
	added := filepath.Join(goroot, "src", "runtime", "kvsim_wasip1.go")
	if _, err := os.Stat(added); err == nil {
		return overlay{}, fmt.Errorf("the random scheduler would replace %s, which is already there", added)
	}
	return overlay{replaced: map[string]string{file: patched, added: schedulerSource}}, nil
}

// paths lists the replaced files in a fixed order.
func (o overlay) paths() []string { return slices.Sorted(maps.Keys(o.replaced)) }
