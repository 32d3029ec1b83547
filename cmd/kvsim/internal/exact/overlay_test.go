package exact

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPatchesFitTheInstalledGo(t *testing.T) {
	tool, err := goTool(t.Context(), BuildOptions{Go: "go"})
	if err != nil {
		t.Fatal(err)
	}
	o, err := schedulerOverlay(tool.GOROOT, tool.GOVERSION)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(o.paths()); n != 2 {
		t.Errorf("the overlay replaces %d files, want proc.go and an added one", n)
	}
	for path, content := range o.replaced {
		if !strings.Contains(content, "kvsimPick(pp") {
			t.Errorf("%s does not name the pick", path)
		}
	}
}

// fakeGoroot returns a GOROOT with the given proc.go.
func fakeGoroot(t *testing.T, proc string) string {
	t.Helper()
	goroot := t.TempDir()
	dir := filepath.Join(goroot, "src", "runtime")
	if err := os.MkdirAll(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "proc.go"), []byte(proc), 0o666); err != nil {
		t.Fatal(err)
	}
	return goroot
}

func TestPatchThatDoesNotFitOnceFailsLoudly(t *testing.T) {
	fits := "package runtime\n" + schedulerPatches[0].old + schedulerPatches[1].old
	for name, test := range map[string]struct {
		proc    string
		found   int
		purpose string
	}{
		"empty":            {proc: "package runtime\n", found: 0, purpose: schedulerPatches[0].purpose},
		"second missing":   {proc: schedulerPatches[0].old, found: 0, purpose: schedulerPatches[1].purpose},
		"second twice":     {proc: fits + schedulerPatches[1].old, found: 2, purpose: schedulerPatches[1].purpose},
		"first is renamed": {proc: strings.ReplaceAll(fits, "inheritTime", "inherit"), found: 0, purpose: schedulerPatches[0].purpose},
	} {
		_, err := schedulerOverlay(fakeGoroot(t, test.proc), "go1.99.1")
		var patch *PatchError
		if !errors.As(err, &patch) {
			t.Errorf("%s: schedulerOverlay = %v, want a PatchError", name, err)
			continue
		}
		if patch.Found != test.found || patch.Purpose != test.purpose || patch.Want == "" {
			t.Errorf("%s: %+v, want %d found to %s", name, patch, test.found, test.purpose)
		}
		for _, want := range []string{"go1.99.1", patch.Want, "--scheduler=stock", "proc.go"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: the message lacks %q:\n%v", name, want, err)
			}
		}
	}
	if _, err := schedulerOverlay(fakeGoroot(t, fits), "go1.99.1"); err != nil {
		t.Errorf("with both passages there once: %v", err)
	}
	if _, err := schedulerOverlay(t.TempDir(), "go1.99.1"); err == nil {
		t.Error("without a proc.go there was no error")
	}
}

func TestOverlayNeverReplacesAFileOfGo(t *testing.T) {
	goroot := fakeGoroot(t, schedulerPatches[0].old+schedulerPatches[1].old)
	taken := filepath.Join(goroot, "src", "runtime", "kvsim_wasip1.go")
	if err := os.WriteFile(taken, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := schedulerOverlay(goroot, "go1.99.1"); err == nil || !strings.Contains(err.Error(), taken) {
		t.Errorf("schedulerOverlay = %v, want an error that names %s", err, taken)
	}
}
