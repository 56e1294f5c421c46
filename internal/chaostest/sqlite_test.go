//go:build strict

package chaostest

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestSQLite injects faults into two replicas on one SQLite file, in a small file system of its own.
func TestSQLite(t *testing.T) {
	options := readOptions(t)
	file := filepath.Join(smallFileSystem(t), "bridge.db")
	c := newCluster(t, 2, file, options.maxStaleness)
	runExperiment(c, options, sqliteFaults(file), []step{
		{time.Second, "r0 killed", 0},
		{2 * time.Second, "file locked", 6 * time.Second},
		{7 * time.Second, "r1 killed", 500 * time.Millisecond},
		{2 * time.Second, "disk full", 1500 * time.Millisecond},
	})
}

// smallFileSystem mounts a file system of 96 MiB. It skips the test without the right to do so, or fails it if
// BRIDGE_TEST_STRICT=1 is set.
func smallFileSystem(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	err := syscall.Mount("tmpfs", folder, "tmpfs", 0, "size=96m,mode=0700")
	if err != nil && os.Getenv("BRIDGE_TEST_STRICT") != "1" {
		t.Skipf("mount a small file system: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(folder, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return folder
}

// sqliteFaults do not keep a replica from reading, so they disturb nothing: revocations must propagate within 1 s.
func sqliteFaults(file string) []*fault {
	lock := new(sync.Mutex)
	return []*fault{
		{"file locked", lock, []time.Duration{time.Second, 7 * time.Second}, func(e *experiment, lasts time.Duration) error {
			return lockFile(e, file, lasts)
		}},
		{"disk full", lock, []time.Duration{time.Second, 6 * time.Second}, func(e *experiment, lasts time.Duration) error {
			return fillDisk(e, filepath.Dir(file), lasts)
		}},
	}
}

// lockFile holds the write lock, as another program can.
func lockFile(e *experiment, file string, lasts time.Duration) error {
	db, err := sql.Open("sqlite", "file:"+file+"?mode=rw&_pragma=busy_timeout(5000)")
	if err != nil {
		return err
	}
	defer db.Close()
	conn, err := db.Conn(context.Background())
	if err != nil {
		return err
	}
	defer conn.Close()
	for range 20 { // the replicas may get the lock first
		if _, err = conn.ExecContext(context.Background(), `BEGIN EXCLUSIVE`); err == nil {
			break
		}
	}
	if err != nil {
		return err
	}
	e.pause(lasts)
	_, err = conn.ExecContext(context.Background(), `ROLLBACK`)
	return err
}

// fillDisk leaves no byte free.
func fillDisk(e *experiment, folder string, lasts time.Duration) error {
	filler, err := os.Create(filepath.Join(folder, "filler"))
	if err != nil {
		return err
	}
	defer os.Remove(filler.Name())
	defer filler.Close()
	for block := make([]byte, 1<<20); len(block) > 0; {
		switch _, err := filler.Write(block); {
		case errors.Is(err, syscall.ENOSPC):
			block = block[:len(block)/2]
		case err != nil:
			return err
		}
	}
	e.pause(lasts)
	return nil
}
