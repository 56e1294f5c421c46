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

	"alexa-oidc-bridge/internal/smallfs"
)

// TestSQLite injects faults into two replicas on one SQLite file, in a small file system of its own.
func TestSQLite(t *testing.T) {
	options := readOptions(t)
	file := filepath.Join(smallfs.Mount(t), "bridge.db")
	c := newCluster(t, 2, nil, file, options.maxStaleness)
	runExperiment(c, options, sqliteFaults(file), []step{
		{time.Second, "r0 killed", 0},
		{2 * time.Second, "file locked", 6 * time.Second},
		{6100 * time.Millisecond, "provider unreliable", 4 * time.Second},
		{900 * time.Millisecond, "r1 killed", 500 * time.Millisecond},
		{2 * time.Second, "disk full", 1500 * time.Millisecond},
	})
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
