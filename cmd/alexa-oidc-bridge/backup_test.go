package main

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/sqlstore"
)

func TestBackup(t *testing.T) {
	config, links := newDatabase(t)
	folder := t.TempDir()
	t.Chdir(folder)
	if err := os.Mkdir("file:folder", 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"copy.db", "file:folder/copy.db", "file:memory?mode=memory", "it's \"a\" copy"} {
		mustRun(t, "backed up to "+name+"\n", "backup", name, "--config", config)
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
		restored := emptyDatabase(t, sqlstore.SQLite, filepath.Join(folder, name)) // opens it as serve does
		if got, want := recordsIn(t, restored), recordsIn(t, config); len(want) != len(links) || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
	before, err := os.ReadFile("copy.db")
	if err != nil {
		t.Fatal(err)
	}
	code, _, stderr := runCommand("backup", "copy.db", "--config", config)
	if code != 1 || !strings.Contains(stderr, "copy.db is there already") || strings.Count(stderr, "\n") != 2 {
		t.Errorf("exit code %d, %s", code, stderr)
	}
	if after, _ := os.ReadFile("copy.db"); string(after) != string(before) {
		t.Error("a copy was overwritten")
	}
	if code, _, stderr = runCommand("backup", filepath.Join("no", "copy.db"), "--config", config); code != 1 || strings.Count(stderr, "\n") != 2 {
		t.Errorf("exit code %d, %s", code, stderr)
	}
	wantFiles(t, filepath.Join(folder, "file:folder"), "copy.db")
	wantFiles(t, folder, "copy.db", "file:folder", "file:memory?mode=memory", "it's \"a\" copy")
	if code, _, _ = runCommand("backup", "--config", config); code != 2 {
		t.Errorf("without a name: exit code %d", code)
	}
}

func TestBackupIsForSQLite(t *testing.T) {
	config := filepath.Join(t.TempDir(), "config.yaml")
	text := "storage: {driver: postgres, dsn: \"postgres://bridge:secret@127.0.0.1:1/bridge?sslmode=disable\"}\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, stderr := runCommand("backup", filepath.Join(t.TempDir(), "x"), "--config", config)
	if code != 2 || !strings.Contains(stderr, "pg_dump") || strings.Contains(stderr, "secret") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
}

// A disk that is full is said, and nothing is left on it.
func TestBackupWithoutRoom(t *testing.T) {
	folder := smallFileSystem(t)
	config := emptyFile(t)
	mustFill(t, config, 500)
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
		code, _, stderr := runCommand("backup", filepath.Join(folder, "copy.db"), "--config", config)
		if code != 1 || !strings.Contains(stderr, "there is not enough room") || strings.Count(stderr, "\n") != 2 {
			t.Errorf("%d bytes of room: exit code %d, %s", room, code, stderr)
		}
		code, _, stderr = runCommand("links", "export", filepath.Join(folder, "links.jsonl"), "--config", config)
		if code != 1 && room < 600<<10 || strings.Contains(stderr, "--help") {
			t.Errorf("%d bytes of room: exit code %d, %s", room, code, stderr)
		}
		os.Remove(filepath.Join(folder, "links.jsonl"))
		wantFiles(t, folder, "filler")
	}
}

// A backup that is killed leaves at most a temporary file, one that is asked to stop leaves nothing, and neither harms the
// database or the next backup.
func TestBackupStopped(t *testing.T) {
	config := emptyFile(t)
	mustFill(t, config, 2000)
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
			if statErr == nil { // it was quicker
				if found := recordsIn(t, emptyDatabase(t, sqlstore.SQLite, path)); len(found) != 2000 {
					t.Errorf("%v: a copy of %d links", signal, len(found))
				}
				continue
			}
			mustRun(t, "backed up to "+path+"\n", "backup", path, "--config", config)
		}
	}
	onDatabase(t, config, func(store *sqlstore.Store) {
		if found, err := store.Lookup(t.Context(), bridge.HashOf("access of lnk_0001999")); err != nil || found.Link.Revoked() {
			t.Errorf("%+v, %v", found, err)
		}
	})
}

// waitForTemporary waits until the temporary file has grown, or the copy is there.
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
			t.Fatal("no backup is made")
		}
	}
}
