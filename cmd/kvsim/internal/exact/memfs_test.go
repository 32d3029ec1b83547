package exact

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	experimentalsys "github.com/tetratelabs/wazero/experimental/sys"
)

func TestGuestFiles(t *testing.T) {
	g := guestFor(t, "guest", SchedulerRandom)
	host := fstest.MapFS{
		"b":     {Data: []byte("bee"), ModTime: time.Now()},
		"a":     {Data: []byte("ay")},
		"sub/c": {Data: []byte("sea"), Mode: 0o644},
	}
	opts := RunOptions{Args: []string{"files"}, Mounts: []Mount{{Path: "/data", Files: host}}}
	got := run(t, g, opts)
	if want := `log "one three"
remove full: true
a/b/log 9 "one three" 2000-01-01
copy/b/log 9 "one three" 2000-01-01
a 2 "ay" 2000-01-01
b 3 "bee" 2000-01-01
sub/c 3 "sea" 2000-01-01
sub/new 4 "mine" 2000-01-01
removed: true
`; got.stdout != want || got.stderr != "" {
		t.Errorf("stdout:\n%s%s\nwant:\n%s", got.stdout, got.stderr, want)
	}
	if len(host) != 3 {
		t.Errorf("the guest wrote to the host: %v", host)
	}
	if again := run(t, g, opts); again != got {
		t.Errorf("the second run found what the first one left: %s", again.stdout)
	}
}

func newTestFS(t *testing.T, mounts ...Mount) *memFS {
	t.Helper()
	files, err := newMemFS(&clock{start: DefaultStart}, mounts)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestFileErrors(t *testing.T) {
	files := newTestFS(t, Mount{Path: "/data", Files: fstest.MapFS{"f": {Data: []byte("x")}}})
	const create = experimentalsys.O_CREAT | experimentalsys.O_RDWR
	open := func(name string, flag experimentalsys.Oflag) experimentalsys.Errno {
		_, errno := files.OpenFile(name, flag, 0o600)
		return errno
	}
	if errno := open("tmp/f", create); errno != 0 {
		t.Fatal(errno)
	}
	if errno := files.Mkdir("tmp/d", 0o700); errno != 0 {
		t.Fatal(errno)
	}
	if errno := open("tmp/d/f", create); errno != 0 {
		t.Fatal(errno)
	}
	for what, test := range map[string]struct{ got, want experimentalsys.Errno }{
		"open what is not there":     {open("tmp/g", 0), experimentalsys.ENOENT},
		"open below a file":          {open("tmp/f/g", create), experimentalsys.ENOTDIR},
		"create twice":               {open("tmp/f", create|experimentalsys.O_EXCL), experimentalsys.EEXIST},
		"write a directory":          {open("tmp/d", experimentalsys.O_RDWR), experimentalsys.EISDIR},
		"open a file as a directory": {open("tmp/f", experimentalsys.O_DIRECTORY), experimentalsys.ENOTDIR},
		"a slash after a file":       {open("tmp/f/", 0), experimentalsys.ENOTDIR},
		"make the root":              {files.Mkdir(".", 0o700), experimentalsys.EEXIST},
		"make twice":                 {files.Mkdir("tmp/d", 0o700), experimentalsys.EEXIST},
		"make below nothing":         {files.Mkdir("nosuch/d", 0o700), experimentalsys.ENOENT},
		"unlink a directory":         {files.Unlink("tmp/d"), experimentalsys.EISDIR},
		"remove a file as directory": {files.Rmdir("tmp/f"), experimentalsys.ENOTDIR},
		"remove a full directory":    {files.Rmdir("tmp/d"), experimentalsys.ENOTEMPTY},
		"remove an unread mount":     {files.Rmdir("data"), experimentalsys.ENOTEMPTY},
		"rename into itself":         {files.Rename("tmp/d", "tmp/d/e"), experimentalsys.EINVAL},
		"rename over a directory":    {files.Rename("tmp/f", "tmp/d"), experimentalsys.EISDIR},
		"rename nothing":             {files.Rename("tmp/g", "tmp/h"), experimentalsys.ENOENT},
		"rename onto itself":         {files.Rename("tmp/f", "tmp/f"), 0},
		"climb out of the root":      {open("../../tmp/f", 0), 0},
	} {
		if test.got != test.want {
			t.Errorf("%s: %v, want %v", what, test.got, test.want)
		}
	}
}

func TestOpenFileOutlivesItsName(t *testing.T) {
	files := newTestFS(t)
	file, errno := files.OpenFile("tmp/f", experimentalsys.O_CREAT|experimentalsys.O_RDWR, 0o600)
	if errno != 0 {
		t.Fatal(errno)
	}
	file.Write([]byte("kept"))
	if errno := files.Unlink("tmp/f"); errno != 0 {
		t.Fatal(errno)
	}
	buf := make([]byte, 8)
	if n, errno := file.Pread(buf, 1); errno != 0 || string(buf[:n]) != "ept" {
		t.Errorf("read %q, %v from a file whose name is gone", buf[:n], errno)
	}
	if _, errno := files.Stat("tmp/f"); errno != experimentalsys.ENOENT {
		t.Errorf("the name is still there: %v", errno)
	}
}

func TestWriteBeyondTheEndLeavesZeros(t *testing.T) {
	files := newTestFS(t)
	file, _ := files.OpenFile("tmp/f", experimentalsys.O_CREAT|experimentalsys.O_RDWR, 0o600)
	file.Write([]byte("abcdef"))
	file.Truncate(2)
	file.Pwrite([]byte("z"), 4) // the old c and d must not come back
	data, err := files.readFile("tmp/f")
	if err != nil || !bytes.Equal(data, []byte("ab\x00\x00z")) {
		t.Errorf("content = %q, %v", data, err)
	}
}

func TestMountedFilesAreAsOnTheHost(t *testing.T) {
	files := newTestFS(t, Mount{Path: "/data", Files: os.DirFS("testdata")})
	host := os.DirFS("testdata")
	err := fs.WalkDir(host, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		want, err := fs.ReadFile(host, path)
		if err != nil {
			return err
		}
		stat, errno := files.Stat("data/" + path)
		if errno != 0 || stat.Size != int64(len(want)) || stat.Mtim != DefaultStart.UnixNano() {
			t.Errorf("stat %s before it is read = %+v, %v", path, stat, errno)
		}
		got, err := files.readFile("data/" + path)
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not as on the host", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A guest sees its module, whatever links are in it.
func TestLinksOutOfTheModuleLeadNowhere(t *testing.T) {
	host := t.TempDir()
	module := filepath.Join(host, "module")
	for _, dir := range []string{module, filepath.Join(host, "outside"), filepath.Join(module, "inside")} {
		if err := os.Mkdir(dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{filepath.Join(host, "outside", "secret"), filepath.Join(host, "secret"), filepath.Join(module, "inside", "mine")} {
		if err := os.WriteFile(name, []byte(name), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for name, to := range map[string]string{
		"file": filepath.Join(host, "secret"), "dir": filepath.Join(host, "outside"), "up": "../secret", "further": "inside/../../outside",
		"root": "/", "password": "/etc/passwd", "device": "/dev/zero", "loop": "loop", "inside/parent": "..", "fine": "inside/mine", "finedir": "inside",
	} {
		if err := os.Symlink(to, filepath.Join(module, name)); err != nil {
			t.Skipf("no links here: %v", err)
		}
	}
	root, err := openModule(module)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	files := newTestFS(t, Mount{Path: "/module", Files: root.FS()})
	for _, name := range []string{"file", "dir", "dir/secret", "up", "further", "further/secret", "root", "root/etc/passwd", "password", "device", "loop", "inside/parent/../../secret"} {
		if data, err := files.readFile("module/" + name); err == nil {
			t.Errorf("the guest read %s: %.60q", name, data)
		}
	}
	for _, name := range []string{"fine", "finedir/mine", "inside/mine"} {
		if data, err := files.readFile("module/" + name); err != nil || !strings.HasSuffix(string(data), "mine") {
			t.Errorf("%s = %q, %v; want the module's own file", name, data, err)
		}
	}
}
