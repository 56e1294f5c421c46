package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"os"
)

var (
	errClosed   = errors.New("the store is closed")
	errReplaced = errors.New("the database file was replaced by another while it was open")
)

// sqliteFile remembers which files were opened under a path, to notice when a backup is put in their place: SQLite goes on
// with the old file, which nobody else can see any more.
type sqliteFile struct {
	path    string
	main    os.FileInfo
	journal os.FileInfo // the write-ahead log
}

func journalOf(path string) string { return path + "-wal" }

// rememberFile is called when the database is open, and so has its log.
func rememberFile(path string) (*sqliteFile, error) {
	main, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	journal, err := os.Stat(journalOf(path))
	if err != nil {
		return nil, err
	}
	return &sqliteFile{path, main, journal}, nil
}

// replaced says whether another file, or none, stands under the path now. nil is never replaced.
func (f *sqliteFile) replaced() bool {
	if f == nil {
		return false
	}
	now, err := os.Stat(f.path)
	return errors.Is(err, os.ErrNotExist) || err == nil && !os.SameFile(f.main, now)
}

// removeJournal removes the log of the old file, which SQLite would take for the new one's. It must be called while the old
// file is open: until then no other file can have the log's number.
func (f *sqliteFile) removeJournal() error {
	now, err := os.Stat(journalOf(f.path))
	if errors.Is(err, os.ErrNotExist) || err == nil && !os.SameFile(f.journal, now) {
		return nil
	}
	for _, name := range []string{journalOf(f.path), f.path + "-shm"} {
		if removeErr := os.Remove(name); removeErr != nil && !errors.Is(removeErr, os.ErrNotExist) {
			err = removeErr
		}
	}
	return err
}

// opened returns the database. When its file was replaced, the old one is closed and the new one is opened.
func (s *Store) opened(ctx context.Context) (*database, error) {
	if open := s.open.Load(); open != nil && !open.file.replaced() {
		return open, nil
	}
	select {
	case s.reopen <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-s.reopen }()
	return s.openAgain(ctx)
}

// openAgain never makes a database: that there is none at this moment means that somebody is about to put one there.
func (s *Store) openAgain(ctx context.Context) (*database, error) {
	old := s.open.Load()
	switch {
	case s.closed:
		return nil, errClosed
	case old != nil && !old.file.replaced():
		return old, nil // another caller was faster
	}
	unlock, err := lockFile(s.options.DSN + "-lock") // other servers that notice at the same time wait here
	if err != nil {
		return nil, fmt.Errorf("%w; its lock cannot be taken: %w", errReplaced, err)
	}
	defer unlock()
	if old != nil {
		if err := old.file.removeJournal(); err != nil {
			return nil, fmt.Errorf("%w; its log cannot be removed: %w", errReplaced, err)
		}
		s.open.Store(nil)
		old.close() // what it could say is about a file that is gone
	}
	s.options.Create = false
	again, err := s.openDatabase(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w, and this one cannot be opened: %w", errReplaced, err)
	}
	// Links and tokens that the new file does not have are in no feed.
	again.follower.broken = true
	s.open.Store(again)
	return again, nil
}
