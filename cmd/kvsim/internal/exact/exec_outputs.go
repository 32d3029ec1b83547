package exact

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// outputMount is the directory in which the guest writes the files that flags ask for.
const outputMount = "/out"

// outputFlags are the flags of a test binary that name a file it writes.
var outputFlags = []string{
	"blockprofile", "coverprofile", "cpuprofile", "memprofile", "mutexprofile", "trace",
}

// discardedFlags name files and directories that the go command reads for its own purposes.
// One of them is the log of what a test depends on. It would have paths of the guest, so the
// go command would not notice changed inputs. Without the log it does not cache the result.
var discardedFlags = []string{"testlogfile", "gocoverdir", "outputdir", "fuzzcachedir"}

// output is a file that the guest writes in place of a file of the host.
type output struct {
	guestPath string
	hostPath  string // as in the flag; empty if it must not be copied
	dir       bool
}

// redirectOutputs replaces the host's files in the arguments of a test binary by files of the
// guest. Their names are the same in every run, whereas the go command uses a new temporary
// directory each time.
func redirectOutputs(args []string) ([]string, []output) {
	var outputs []output
	var hostDir string
	redirected := make([]string, 0, len(args))
	for i, arg := range args {
		if arg == "--" || !strings.HasPrefix(arg, "-") {
			redirected = append(redirected, args[i:]...) // the program's own arguments
			break
		}
		name, value, ok := strings.Cut(arg, "=")
		flag := strings.TrimPrefix(strings.TrimLeft(name, "-"), "test.")
		o := output{guestPath: path.Join(outputMount, flag)}
		switch {
		case !ok || !strings.HasPrefix(strings.TrimLeft(name, "-"), "test."):
		case slices.Contains(outputFlags, flag):
			o.hostPath = value
			outputs = append(outputs, o)
			arg = name + "=" + o.guestPath
		case slices.Contains(discardedFlags, flag):
			if flag == "outputdir" {
				hostDir = value
			}
			o.dir = flag != "testlogfile"
			outputs = append(outputs, o)
			arg = name + "=" + o.guestPath
		}
		redirected = append(redirected, arg)
	}
	for i, o := range outputs {
		if o.hostPath != "" && !filepath.IsAbs(o.hostPath) {
			outputs[i].hostPath = filepath.Join(hostDir, o.hostPath)
		}
	}
	return redirected, outputs
}

// makeOutputDirs prepares the guest for the redirected flags.
func makeOutputDirs(files *memFS, outputs []output) {
	if len(outputs) == 0 {
		return
	}
	_ = files.Mkdir(outputMount, 0o777)
	for _, o := range outputs {
		if o.dir {
			_ = files.Mkdir(o.guestPath, 0o777)
		}
	}
}

// copyOutputs copies the outputs from the guest to the host. Relative paths are relative to
// dir.
func copyOutputs(files *memFS, outputs []output, dir string) error {
	var errs []error
	for _, o := range outputs {
		if o.hostPath == "" {
			continue
		}
		data, err := files.readFile(strings.TrimPrefix(o.guestPath, "/"))
		if errors.Is(err, fs.ErrNotExist) {
			continue // the test ended before it wrote the file
		}
		host := o.hostPath
		if !filepath.IsAbs(host) {
			host = filepath.Join(dir, host)
		}
		if err == nil {
			err = os.WriteFile(host, data, 0o600) // profiles may hold secrets of the program
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("copy %s: %w", path.Base(o.guestPath), err))
		}
	}
	return errors.Join(errs...)
}
