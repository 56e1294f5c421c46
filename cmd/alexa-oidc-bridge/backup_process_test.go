//go:build strict

package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/sqlstore"
	"alexa-oidc-bridge/internal/smallfs"
)

// TestBackupWithoutRoom verifies that a full disk is reported, and that no file remains on it.
func TestBackupWithoutRoom(t *testing.T) {
	folder := smallfs.Mount(t)
	config := filledFile(t, 500)
	filler, err := os.Create(filepath.Join(folder, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	defer filler.Close()
	for megabyte := make([]byte, 1<<20); err == nil; {
		_, err = filler.Write(megabyte)
	}
	for _, room := range []int64{0, 64 << 10, 600 << 10} {
		info, err := filler.Stat()
		if err != nil {
			t.Fatal(err)
		}
		if err := filler.Truncate(info.Size() - room); err != nil {
			t.Fatal(err)
		}
		wantFailure(t, "there is not enough room", "backup", filepath.Join(folder, "copy.db"), "--config", config)
		code, _, stderr := runCommand("links", "export", filepath.Join(folder, "links.jsonl"), "--config", config)
		if code != 1 && room < 600<<10 || strings.Contains(stderr, "--help") {
			t.Errorf("%d bytes of room: exit code %d, %s", room, code, stderr)
		}
		os.Remove(filepath.Join(folder, "links.jsonl"))
		wantFiles(t, folder, "filler")
	}
}

// TestBackupStopped verifies that a backup that is killed leaves at most a temporary file, that one that is asked to
// stop leaves none, and that neither harms the database or the next backup.
func TestBackupStopped(t *testing.T) {
	config := filledFile(t, 2000)
	for _, signal := range []os.Signal{syscall.SIGKILL, syscall.SIGTERM, os.Interrupt} {
		for enough := int64(0); enough < 2<<20; enough += 1 << 20 {
			folder := t.TempDir()
			path := filepath.Join(folder, "copy.db")
			cmd, _, stderr := commandProcess("", "backup", path, "--config", config)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			waitForTemporary(t, path, enough)
			cmd.Process.Signal(signal)
			cmd.Wait()
			_, statErr := os.Stat(path)
			switch left, _ := filepath.Glob(filepath.Join(folder, "*.tmp*")); {
			case signal != syscall.SIGKILL && len(left) > 0:
				t.Errorf("%v after %d bytes: %v remain", signal, enough, left)
			case (statErr == nil) != cmd.ProcessState.Success() && signal != syscall.SIGKILL:
				t.Errorf("%v after %d bytes: %v, %v, %s", signal, enough, statErr, cmd.ProcessState, stderr)
			}
			if statErr == nil { // it was faster than the signal
				if found := storedLinks(t, emptyDatabase(t, sqlstore.SQLite, path)); len(found) != 2000 {
					t.Errorf("%v: a copy of %d links", signal, len(found))
				}
				continue
			}
			mustRun(t, "backed up to "+path+"\n", "backup", path, "--config", config)
		}
	}
	withTestStore(t, config, func(store *sqlstore.Store) {
		found, err := store.Lookup(t.Context(), bridge.HashOf("access of lnk_0001999"))
		if err != nil || found.Link.Revoked() {
			t.Errorf("%+v, %v", found, err)
		}
	})
}

// waitForTemporary waits until the temporary file has grown, or the copy is complete.
func waitForTemporary(t *testing.T, path string, enough int64) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; {
		temporary, _ := filepath.Glob(path + "*.tmp")
		if len(temporary) == 1 {
			if info, err := os.Stat(temporary[0]); err == nil && info.Size() >= enough {
				return
			}
		}
		if _, err := os.Stat(path); err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the backup did not begin")
		}
	}
}
