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

// outputMount is where the guest writes the files that flags ask for.
const outputMount = "/out"

// outputFlags are the flags of a test binary that name a file it writes.
var outputFlags = []string{
	"blockprofile", "coverprofile", "cpuprofile", "memprofile", "mutexprofile", "trace",
}

// discardedFlags name files and directories that the go command reads for its
// own purposes. The log of what a test depends on would name paths of the
// guest, and the go command would take a changed input for an unchanged one:
// without the log it does not cache the result.
var discardedFlags = []string{"testlogfile", "gocoverdir", "outputdir", "fuzzcachedir"}

// output is one file that the guest writes in the place of the host.
type output struct {
	guestPath string
	hostPath  string // as in the flag; empty when it is not to be copied
	dir       bool
}

// redirectOutputs replaces, in the arguments of a test binary, the host's files
// by files of the guest. Those names are the same in every run, where the go
// command's are of a new temporary directory each time.
func redirectOutputs(args []string) ([]string, []output) {
	var outputs []output
	var hostDir string
	redirected := make([]string, 0, len(args))
	for i, arg := range args {
		if arg == "--" || !strings.HasPrefix(arg, "-") {
			redirected = append(redirected, args[i:]...) // the program's own
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

// copyOutputs writes to the host what the guest wrote in its place. Relative
// paths are relative to dir.
func copyOutputs(files *memFS, outputs []output, dir string) error {
	var errs []error
	for _, o := range outputs {
		if o.hostPath == "" {
			continue
		}
		data, err := files.readFile(strings.TrimPrefix(o.guestPath, "/"))
		if errors.Is(err, fs.ErrNotExist) {
			continue // the test ended before it wrote
		}
		host := o.hostPath
		if !filepath.IsAbs(host) {
			host = filepath.Join(dir, host)
		}
		if err == nil {
			err = os.WriteFile(host, data, 0o666)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("copy %s: %w", path.Base(o.guestPath), err))
		}
	}
	return errors.Join(errs...)
}
