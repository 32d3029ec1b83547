//go:build unix

package exact

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// ownedAlone returns an error unless a directory belongs to this user and nobody else can
// write to it. What is in it is run, so whoever can write to it can run anything as this user.
func ownedAlone(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	switch stat, ok := info.Sys().(*syscall.Stat_t); {
	case info.Mode()&fs.ModeSymlink != 0:
		return errors.New("it is a link")
	case !info.IsDir():
		return errors.New("it is no directory")
	case ok && int(stat.Uid) != os.Geteuid():
		return fmt.Errorf("it belongs to user %d, and this is user %d", stat.Uid, os.Geteuid())
	case info.Mode().Perm()&0o022 != 0:
		return fmt.Errorf("others can write to it (%v): chmod go-w %s", info.Mode().Perm(), dir)
	}
	return replaceable(dir)
}

// replaceable returns an error if others can put another directory in the place of dir: a
// directory above it that all users can write to has to be sticky, as /tmp is.
func replaceable(dir string) error {
	above, err := filepath.EvalSymlinks(filepath.Dir(dir))
	if err != nil {
		return err
	}
	for {
		info, err := os.Stat(above)
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o002 != 0 && info.Mode()&fs.ModeSticky == 0 {
			return fmt.Errorf("every user can write to %s, which it lies in", above)
		}
		next := filepath.Dir(above)
		if next == above {
			return nil
		}
		above = next
	}
}
