package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// databaseFile identifies the files that a SQLite database was opened from. When another file is renamed over them,
// SQLite goes on with the old file, which no other process can open any more.
type databaseFile struct {
	path      string
	main, wal os.FileInfo
}

func walPath(path string) string { return path + "-wal" }

// openedFile must be called while the database is open, when the write-ahead log exists.
func openedFile(path string) (*databaseFile, error) {
	main, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	wal, err := os.Stat(walPath(path))
	return &databaseFile{path, main, wal}, err
}

// ErrMissing is returned while no file stands under the path of an open SQLite database.
var ErrMissing = errors.New("the database file is missing; put it back")

// Replaced reports whether another file stands under the path of the SQLite database. It does not return true before
// the old file's write-ahead log is removed, since SQLite would apply it to the new file when that is opened. While
// no file stands there, it returns [ErrMissing] and keeps the log, which belongs to the file that may be put back.
func (d *DB) Replaced() (bool, error) {
	if d.file == nil {
		return false, nil
	}
	now, err := os.Stat(d.file.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, fmt.Errorf("%w: %s", ErrMissing, d.file.path)
	case err != nil || os.SameFile(d.file.main, now):
		return false, nil
	}
	if err := d.file.removeWAL(); err != nil {
		return false, fmt.Errorf("the database file was replaced; stop this program, remove the old write-ahead log, "+
			"and start it again: %w", err)
	}
	return true, nil
}

// removeWAL removes the log and the shared memory of the old file, unless a process that opened the new file has made
// its own. While the old log is open, no other file can have its inode.
func (f *databaseFile) removeWAL() error {
	now, err := os.Stat(walPath(f.path))
	if err != nil || !os.SameFile(f.wal, now) {
		return ignoreNotExist(err)
	}
	return errors.Join(ignoreNotExist(os.Remove(f.path+"-shm")), ignoreNotExist(os.Remove(walPath(f.path))))
}

func ignoreNotExist(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
