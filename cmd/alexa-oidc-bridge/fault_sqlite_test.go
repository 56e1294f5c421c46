package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestFaultsOnSQLite drives two bridges on one SQLite file, which is on a small file system of its own, while faults come
// over them. See the model for what is checked.
func TestFaultsOnSQLite(t *testing.T) {
	plan := newPlan(t)
	file := filepath.Join(smallFileSystem(t), "bridge.db")
	o := newOrdeal(t, plan, 2, func(int) (string, string) { return "sqlite", file })
	o.startAll()
	o.run(func(i *injector) {
		i.kinds = i.sqliteFaults(file)
		if plan.long > 0 {
			i.random(plan.long, 1)
			return
		}
		for _, step := range []struct {
			name  string
			lasts time.Duration
		}{
			{"r0 killed", 0},
			{"backup restored", 500 * time.Millisecond},
			{"file locked", 6 * time.Second},
			{"r1 killed", 500 * time.Millisecond},
			{"disk full", 1500 * time.Millisecond},
		} {
			if !i.pause(time.Second) {
				return
			}
			for _, kind := range i.kinds {
				if kind.name == step.name {
					i.begin(kind, step.lasts)
					i.group.Wait()
				}
			}
		}
	})
}

// smallFileSystem is one that can be filled. To mount it takes an administrator; elsewhere the test is skipped, or fails where
// BRIDGE_TEST_STRICT=1 says that every test has to run.
func smallFileSystem(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=96m,mode=0700")
	if err != nil && os.Getenv("BRIDGE_TEST_STRICT") != "1" {
		t.Skipf("a file system that can be filled needs the right to mount one: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func (i *injector) sqliteFaults(file string) []*fault {
	whole := new(sync.Mutex)
	// Nothing of these keeps a bridge from reading, so to none of them a lookup may answer later than otherwise.
	faults := []*fault{
		{"file locked", whole, []time.Duration{time.Second, 7 * time.Second}, func(d time.Duration) error { return i.lockFile(file, d) }},
		{"disk full", whole, []time.Duration{time.Second, 6 * time.Second}, func(d time.Duration) error { return i.fillDisk(filepath.Dir(file), d) }},
		{"backup restored", whole, []time.Duration{300 * time.Millisecond, 5 * time.Second}, func(d time.Duration) error { return i.restore(file, d) }},
	}
	for _, r := range i.replicas {
		faults = append(faults, i.replicaFaults(r)...)
	}
	return faults
}

// lockFile holds the lock for writing, as another program can.
func (o *ordeal) lockFile(file string, lasts time.Duration) error {
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
	for range 20 { // writers may be quicker for a while
		if _, err = conn.ExecContext(context.Background(), `BEGIN EXCLUSIVE`); err == nil {
			break
		}
	}
	if err != nil {
		return err
	}
	o.pause(lasts)
	_, err = conn.ExecContext(context.Background(), `ROLLBACK`)
	return err
}

// fillDisk leaves no byte free.
func (o *ordeal) fillDisk(dir string, lasts time.Duration) error {
	name := filepath.Join(dir, "filler")
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	defer os.Remove(name)
	defer file.Close()
	block := make([]byte, 1<<20)
	for len(block) > 0 {
		switch _, err := file.Write(block); {
		case errors.Is(err, syscall.ENOSPC):
			block = block[:len(block)/2]
		case err != nil:
			return err
		}
	}
	o.pause(lasts)
	return nil
}

// restore copies the database, and after a while puts the copy in place of it, under the servers that run.
func (o *ordeal) restore(file string, lasts time.Duration) error {
	copied := file + ".copy"
	defer os.Remove(copied)
	before, err := o.backup(file, copied)
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	o.pause(lasts)
	// A command that opens the file before a server has noticed would take the old file's log for the new one's.
	o.aside.Lock()
	defer o.aside.Unlock()
	if err := o.replace(copied, file, before); err != nil {
		return err
	}
	o.pause(2 * time.Second) // so that the servers have taken it over before another fault comes
	return nil
}

func (o *ordeal) replace(copied, file string, before snapshot) error {
	o.eras.turn()
	defer o.eras.turn()
	if err := os.Rename(copied, file); err != nil {
		return err
	}
	o.model.restore(o, before, time.Now())
	return nil
}

// backup makes a copy, and the model's copy of the same moment.
func (o *ordeal) backup(file, copied string) (snapshot, error) {
	o.steady.Lock()
	defer o.steady.Unlock()
	if hasBackup() {
		if code, output := runWithin(time.Minute, "backup", copied, "--config", o.commands); code != exitDone {
			return nil, errors.New(output)
		}
		return o.model.copy(), nil
	}
	db, err := sql.Open("sqlite", "file:"+file+"?mode=ro&_pragma=busy_timeout(5000)")
	if err != nil {
		return nil, err
	}
	defer db.Close()
	_, err = db.Exec(`VACUUM INTO ?`, copied)
	return o.model.copy(), err
}

// hasBackup says whether the program has the command.
func hasBackup() bool {
	for _, command := range rootCommand().Commands() {
		if command.Name() == "backup" {
			return true
		}
	}
	return false
}

// snapshot is the model as it was when a backup was made.
type snapshot map[*link]linkState

func (m *model) copy() snapshot {
	copied := snapshot{}
	for _, l := range m.all() {
		l.mu.Lock()
		copied[l] = l.state.clone()
		l.mu.Unlock()
	}
	return copied
}

// restore puts the model back. Links that it has forgotten since come again.
func (m *model) restore(o *ordeal, before snapshot, at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range m.links {
		if _, known := before[l]; !known {
			l.goBack(o, linkState{ended: at, absent: true}, at)
		}
	}
	m.links = m.links[:len(m.links):len(m.links)]
	present := map[*link]bool{}
	for _, l := range m.links {
		present[l] = true
	}
	for l, state := range before {
		l.goBack(o, state, at)
		if !present[l] {
			m.links = append(m.links, l)
		}
	}
}

// goBack takes a link back to what it was, or to nothing. Attempts under way, or with an unknown outcome, may have ended what is
// there now; a refresh under way or with an unknown outcome may still come.
func (l *link) goBack(o *ordeal, before linkState, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, token := range l.state.access[min(len(before.access), len(l.state.access)):] {
		token.gone = at
		l.gone = append(l.gone, token)
	}
	before.by = nil
	before.attempts += l.state.attempts
	if loose := l.state.loose; loose != nil && loose.token < len(before.refresh) {
		before.loose = loose
	}
	l.state = before
	l.note(o, "backup in place: %d access tokens, attempts %d, ended %v", len(before.access), before.attempts, !before.ended.IsZero())
}
