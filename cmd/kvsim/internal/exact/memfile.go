package exact

import (
	"io"
	"io/fs"
	"math"

	experimentalsys "github.com/tetratelabs/wazero/experimental/sys"
	"github.com/tetratelabs/wazero/sys"
)

// seekOffset is int64 under another name. With it, go vet does not take the Seek of wazero's
// interface, which returns an Errno, for a wrong io.Seeker.
type seekOffset = int64

// OpenFile opens or creates a file.
func (m *memFS) OpenFile(name string, flag experimentalsys.Oflag, perm fs.FileMode) (experimentalsys.File, experimentalsys.Errno) {
	n, errno := m.find(name)
	switch {
	case errno == experimentalsys.ENOENT && flag&experimentalsys.O_CREAT != 0:
		dir, base, errno := m.parent(name)
		if errno != 0 {
			return nil, errno
		}
		if !dir.mode.IsDir() {
			return nil, experimentalsys.ENOTDIR
		}
		n = m.newNode(perm.Perm())
		dir.children[base] = n
		dir.modified = m.now()
	case errno != 0:
		return nil, errno
	case flag&experimentalsys.O_CREAT != 0 && flag&experimentalsys.O_EXCL != 0:
		return nil, experimentalsys.EEXIST
	}
	write := flag&(experimentalsys.O_RDWR|experimentalsys.O_WRONLY) != 0
	if n.mode.IsDir() {
		if write {
			return nil, experimentalsys.EISDIR
		}
		return &memDir{fs: m, node: n}, 0
	}
	if flag&experimentalsys.O_DIRECTORY != 0 {
		return nil, experimentalsys.ENOTDIR
	}
	if errno := m.load(n); errno != 0 {
		return nil, errno
	}
	if flag&experimentalsys.O_TRUNC != 0 && write {
		n.data = nil
		n.modified = m.now()
	}
	return &memFile{
		fs: m, node: n,
		readable: flag&experimentalsys.O_WRONLY == 0,
		writable: write,
		append:   flag&experimentalsys.O_APPEND != 0,
	}, 0
}

// memFile is an open file.
type memFile struct {
	experimentalsys.UnimplementedFile
	fs                         *memFS
	node                       *node
	offset                     int64
	readable, writable, append bool
}

// Stat implements the experimental File interface of wazero, as do the other methods.
func (f *memFile) Stat() (sys.Stat_t, experimentalsys.Errno) { return f.node.stat(), 0 }

func (f *memFile) Dev() (uint64, experimentalsys.Errno)     { return 1, 0 }
func (f *memFile) Ino() (sys.Inode, experimentalsys.Errno)  { return f.node.inode, 0 }
func (f *memFile) IsDir() (bool, experimentalsys.Errno)     { return false, 0 }
func (f *memFile) IsAppend() bool                           { return f.append }
func (f *memFile) Sync() experimentalsys.Errno              { return 0 }
func (f *memFile) Datasync() experimentalsys.Errno          { return 0 }
func (f *memFile) Close() experimentalsys.Errno             { return 0 }
func (f *memFile) Utimens(_, m int64) experimentalsys.Errno { return f.node.setTimes(m) }
func (f *memFile) SetAppend(on bool) experimentalsys.Errno  { f.append = on; return 0 }
func (f *memFile) Read(buf []byte) (int, experimentalsys.Errno) {
	n, errno := f.Pread(buf, f.offset)
	f.offset += int64(n)
	return n, errno
}

func (f *memFile) Pread(buf []byte, off int64) (int, experimentalsys.Errno) {
	switch {
	case !f.readable:
		return 0, experimentalsys.EBADF
	case off < 0:
		return 0, experimentalsys.EINVAL
	case off >= int64(len(f.node.data)):
		return 0, 0
	}
	return copy(buf, f.node.data[off:]), 0
}

func (f *memFile) Write(buf []byte) (int, experimentalsys.Errno) {
	if f.append {
		f.offset = int64(len(f.node.data))
	}
	n, errno := f.Pwrite(buf, f.offset)
	f.offset += int64(n)
	return n, errno
}

func (f *memFile) Pwrite(buf []byte, off int64) (int, experimentalsys.Errno) {
	if !f.writable {
		return 0, experimentalsys.EBADF
	}
	if off < 0 || off > math.MaxInt32 {
		return 0, experimentalsys.EINVAL
	}
	if end := off + int64(len(buf)); end > int64(len(f.node.data)) {
		f.resize(end)
	}
	f.node.modified = f.fs.now()
	return copy(f.node.data[off:], buf), 0
}

func (f *memFile) Truncate(size int64) experimentalsys.Errno {
	if !f.writable {
		return experimentalsys.EBADF
	}
	if size < 0 || size > math.MaxInt32 {
		return experimentalsys.EINVAL
	}
	f.resize(size)
	f.node.modified = f.fs.now()
	return 0
}

// resize changes the length of the content. New bytes are zero.
func (f *memFile) resize(size int64) {
	data := f.node.data
	if old := int64(len(data)); size > old {
		data = append(data, make([]byte, size-old)...)
	}
	f.node.data = data[:size]
}

func (f *memFile) Seek(offset seekOffset, whence int) (int64, experimentalsys.Errno) {
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		offset += f.offset
	case io.SeekEnd:
		offset += int64(len(f.node.data))
	default:
		return 0, experimentalsys.EINVAL
	}
	if offset < 0 {
		return 0, experimentalsys.EINVAL
	}
	f.offset = offset
	return offset, 0
}

// memDir is an open directory.
type memDir struct {
	experimentalsys.DirFile
	fs     *memFS
	node   *node
	names  []string // as they were when reading began
	listed bool
}

func (d *memDir) Stat() (sys.Stat_t, experimentalsys.Errno) { return d.node.stat(), 0 }
func (d *memDir) Dev() (uint64, experimentalsys.Errno)      { return 1, 0 }
func (d *memDir) Ino() (sys.Inode, experimentalsys.Errno)   { return d.node.inode, 0 }
func (d *memDir) Sync() experimentalsys.Errno               { return 0 }
func (d *memDir) Datasync() experimentalsys.Errno           { return 0 }
func (d *memDir) Close() experimentalsys.Errno              { return 0 }
func (d *memDir) Utimens(_, m int64) experimentalsys.Errno  { return d.node.setTimes(m) }

func (d *memDir) Seek(offset seekOffset, whence int) (int64, experimentalsys.Errno) {
	if offset != 0 || whence != io.SeekStart {
		return 0, experimentalsys.EINVAL
	}
	d.names, d.listed = nil, false
	return 0, 0
}

func (d *memDir) Readdir(n int) ([]experimentalsys.Dirent, experimentalsys.Errno) {
	if !d.listed {
		if errno := d.fs.load(d.node); errno != 0 {
			return nil, errno
		}
		d.names, d.listed = d.node.sortedChildren(), true
	}
	var entries []experimentalsys.Dirent
	for len(d.names) > 0 && (n <= 0 || len(entries) < n) {
		name := d.names[0]
		d.names = d.names[1:]
		if child := d.node.children[name]; child != nil { // it may have been removed
			entries = append(entries, experimentalsys.Dirent{Name: name, Ino: child.inode, Type: child.mode.Type()})
		}
	}
	return entries, 0
}
