package exact

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	experimentalsys "github.com/tetratelabs/wazero/experimental/sys"
	"github.com/tetratelabs/wazero/sys"
)

// Mount makes a file system of the host visible to the guest.
type Mount struct {
	// Path is the absolute path of the directory in the guest.
	Path string

	// Files is its content, which is read when the guest first looks. What the
	// guest writes there stays in memory, and the host sees none of it. File
	// times are the start of the run, not those of the host. Several runs may
	// read from Files at the same time.
	Files fs.FS
}

// memFS is the guest's whole file system, in memory. Its times come from the simulated clock
// and its inode numbers from a counter, and its directories are sorted. So only the content
// of mounts depends on the host. It has no links. Only the goroutine that runs the guest uses
// it.
type memFS struct {
	experimentalsys.UnimplementedFS
	clock *clock
	root  *node
	inode uint64
}

// node is a file or a directory.
type node struct {
	inode    uint64
	mode     fs.FileMode
	modified int64 // nanoseconds since 1970
	data     []byte
	children map[string]*node

	// lazy is the file system that has the content of a mounted node, until the
	// content has been read.
	lazy     fs.FS
	lazyPath string
	lazySize int64
}

// newMemFS makes the root, /tmp and the mounts.
func newMemFS(c *clock, mounts []Mount) (*memFS, error) {
	m := &memFS{clock: c}
	m.root = m.newNode(fs.ModeDir | 0o755)
	m.root.children["tmp"] = m.newNode(fs.ModeDir | 0o777)
	for _, mount := range mounts {
		if mount.Files == nil {
			return nil, fmt.Errorf("mount at %q: Files is nil", mount.Path)
		}
		if !path.IsAbs(mount.Path) || path.Clean(mount.Path) != mount.Path || mount.Path == "/" {
			return nil, fmt.Errorf("mount at %q: Path must be absolute, clean, and not the root", mount.Path)
		}
		dir := m.root
		for name := range strings.SplitSeq(mount.Path[1:], "/") {
			if dir.children[name] == nil {
				dir.children[name] = m.newNode(fs.ModeDir | 0o755)
			}
			dir = dir.children[name]
		}
		dir.lazy, dir.lazyPath = mount.Files, "."
	}
	return m, nil
}

func (m *memFS) newNode(mode fs.FileMode) *node {
	m.inode++
	n := &node{inode: m.inode, mode: mode, modified: m.now()}
	if mode.IsDir() {
		n.children = make(map[string]*node)
	}
	return n
}

// now returns the time without advancing the clock, as reading it would.
func (m *memFS) now() int64 { return m.clock.start.Add(m.clock.now).UnixNano() }

// load reads the content of a mounted node, if that has not been done yet.
func (m *memFS) load(n *node) experimentalsys.Errno {
	if n.lazy == nil {
		return 0
	}
	files, at := n.lazy, n.lazyPath
	n.lazy = nil
	if !n.mode.IsDir() {
		data, err := fs.ReadFile(files, at)
		n.data = data
		return hostErrno(err)
	}
	entries, err := fs.ReadDir(files, at) // sorted by name
	if err != nil {
		return hostErrno(err)
	}
	for _, entry := range entries {
		info, err := fs.Stat(files, path.Join(at, entry.Name()))
		if err != nil || n.children[entry.Name()] != nil || !info.IsDir() && !info.Mode().IsRegular() {
			continue // a dangling link, a mount below a mount, a device
		}
		child := m.newNode(info.Mode() & (fs.ModeDir | fs.ModePerm))
		child.modified = m.clock.start.UnixNano()
		child.lazy, child.lazyPath, child.lazySize = files, path.Join(at, entry.Name()), info.Size()
		n.children[entry.Name()] = child
	}
	return 0
}

func hostErrno(err error) experimentalsys.Errno {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, fs.ErrNotExist):
		return experimentalsys.ENOENT
	case errors.Is(err, fs.ErrPermission):
		return experimentalsys.EACCES
	}
	return experimentalsys.EIO
}

// find returns the node at a path relative to the root.
func (m *memFS) find(name string) (*node, experimentalsys.Errno) {
	n := m.root
	for part := range strings.SplitSeq(path.Clean("/" + name)[1:], "/") {
		if part == "" { // the root itself
			break
		}
		if !n.mode.IsDir() {
			return nil, experimentalsys.ENOTDIR
		}
		if errno := m.load(n); errno != 0 {
			return nil, errno
		}
		if n = n.children[part]; n == nil {
			return nil, experimentalsys.ENOENT
		}
	}
	if strings.HasSuffix(name, "/") && !n.mode.IsDir() {
		return nil, experimentalsys.ENOTDIR
	}
	return n, m.loadDir(n)
}

func (m *memFS) loadDir(n *node) experimentalsys.Errno {
	if !n.mode.IsDir() {
		return 0
	}
	return m.load(n)
}

// parent returns the directory of a path and its last element.
func (m *memFS) parent(name string) (*node, string, experimentalsys.Errno) {
	dir, base := path.Split(path.Clean("/" + name))
	if base == "" {
		return nil, "", experimentalsys.EINVAL
	}
	n, errno := m.find(dir[1:])
	return n, base, errno
}

func (n *node) size() int64 {
	if n.lazy != nil && !n.mode.IsDir() {
		return n.lazySize
	}
	return int64(len(n.data))
}

func (n *node) stat() sys.Stat_t {
	return sys.Stat_t{
		Dev: 1, Ino: n.inode, Mode: n.mode, Nlink: 1, Size: n.size(),
		Atim: n.modified, Mtim: n.modified, Ctim: n.modified,
	}
}

func (n *node) setTimes(mtim int64) experimentalsys.Errno {
	if mtim != experimentalsys.UTIME_OMIT {
		n.modified = mtim
	}
	return 0
}

// Stat implements the experimental FS interface of wazero, as do the other methods.
func (m *memFS) Stat(name string) (sys.Stat_t, experimentalsys.Errno) {
	n, errno := m.find(name)
	if errno != 0 {
		return sys.Stat_t{}, errno
	}
	return n.stat(), 0
}

func (m *memFS) Lstat(name string) (sys.Stat_t, experimentalsys.Errno) { return m.Stat(name) }

func (m *memFS) Mkdir(name string, perm fs.FileMode) experimentalsys.Errno {
	dir, base, errno := m.parent(name)
	switch {
	case errno == experimentalsys.EINVAL:
		return experimentalsys.EEXIST
	case errno != 0:
		return errno
	case !dir.mode.IsDir():
		return experimentalsys.ENOTDIR
	case dir.children[base] != nil:
		return experimentalsys.EEXIST
	}
	dir.children[base] = m.newNode(fs.ModeDir | perm.Perm())
	dir.modified = m.now()
	return 0
}

func (m *memFS) Chmod(name string, perm fs.FileMode) experimentalsys.Errno {
	n, errno := m.find(name)
	if errno != 0 {
		return errno
	}
	n.mode = n.mode&fs.ModeType | perm.Perm()
	return 0
}

func (m *memFS) Utimens(name string, _, mtim int64) experimentalsys.Errno {
	n, errno := m.find(name)
	if errno != 0 {
		return errno
	}
	return n.setTimes(mtim)
}

func (m *memFS) Rename(from, to string) experimentalsys.Errno {
	oldDir, oldBase, errno := m.parent(from)
	if errno != 0 {
		return errno
	}
	newDir, newBase, errno := m.parent(to)
	if errno != 0 {
		return errno
	}
	n := oldDir.children[oldBase]
	switch {
	case n == nil:
		return experimentalsys.ENOENT
	case !newDir.mode.IsDir():
		return experimentalsys.ENOTDIR
	case n == newDir.children[newBase]:
		return 0
	case n.mode.IsDir() && within(path.Clean("/"+from), path.Clean("/"+to)):
		return experimentalsys.EINVAL
	}
	if replaced := newDir.children[newBase]; replaced != nil {
		if errno := m.replaceable(replaced, n.mode.IsDir()); errno != 0 {
			return errno
		}
	}
	delete(oldDir.children, oldBase)
	newDir.children[newBase] = n
	oldDir.modified, newDir.modified = m.now(), m.now()
	return 0
}

// within reports whether a path is below a directory.
func within(dir, name string) bool { return strings.HasPrefix(name, dir+"/") }

// replaceable returns an error unless a node may be removed or renamed over. wantDir says
// whether it must be a directory, or must not be one.
func (m *memFS) replaceable(n *node, wantDir bool) experimentalsys.Errno {
	switch {
	case wantDir && !n.mode.IsDir():
		return experimentalsys.ENOTDIR
	case !wantDir && n.mode.IsDir():
		return experimentalsys.EISDIR
	}
	if errno := m.loadDir(n); errno != 0 {
		return errno
	}
	if len(n.children) > 0 {
		return experimentalsys.ENOTEMPTY
	}
	return 0
}

func (m *memFS) Rmdir(name string) experimentalsys.Errno  { return m.remove(name, true) }
func (m *memFS) Unlink(name string) experimentalsys.Errno { return m.remove(name, false) }

func (m *memFS) remove(name string, wantDir bool) experimentalsys.Errno {
	dir, base, errno := m.parent(name)
	if errno != 0 {
		return errno
	}
	n := dir.children[base]
	if n == nil {
		return experimentalsys.ENOENT
	}
	if errno := m.replaceable(n, wantDir); errno != 0 {
		return errno
	}
	delete(dir.children, base) // open files keep the node
	dir.modified = m.now()
	return 0
}

// readFile returns the content of a file, for the host.
func (m *memFS) readFile(name string) ([]byte, error) {
	n, errno := m.find(name)
	if errno != 0 {
		return nil, &fs.PathError{Op: "read", Path: name, Err: errno}
	}
	if errno := m.load(n); errno != 0 {
		return nil, &fs.PathError{Op: "read", Path: name, Err: errno}
	}
	return n.data, nil
}

// sortedChildren lists a directory.
func (n *node) sortedChildren() []string { return slices.Sorted(maps.Keys(n.children)) }
