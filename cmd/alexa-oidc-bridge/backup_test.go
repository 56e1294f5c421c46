package main

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"alexa-oidc-bridge/bridge/sqlstore"
)

func TestBackup(t *testing.T) {
	const links = 3
	config := filledFile(t, links)
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
		if got, want := storedLinks(t, restored), storedLinks(t, config); len(want) != links || !maps.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	before := mustReadFile(t, "copy.db")
	wantFailure(t, "copy.db exists already", "backup", "copy.db", "--config", config)
	if mustReadFile(t, "copy.db") != before {
		t.Error("a copy was overwritten")
	}
	wantFailure(t, "no such file", "backup", filepath.Join("no", "copy.db"), "--config", config)
	wantFiles(t, filepath.Join(folder, "file:folder"), "copy.db")
	wantFiles(t, folder, "copy.db", "file:folder", "file:memory?mode=memory", "it's \"a\" copy")
	if code, _, _ := runCommand("backup", "--config", config); code != 2 {
		t.Errorf("without a name: exit code %d", code)
	}
}

func TestBackupIsForSQLite(t *testing.T) {
	config := filepath.Join(t.TempDir(), "config.yaml")
	mustWriteFile(t, config,
		"storage: {driver: postgres, dsn: \"postgres://bridge:secret@127.0.0.1:1/bridge?sslmode=disable\"}\n")
	code, _, stderr := runCommand("backup", filepath.Join(t.TempDir(), "x"), "--config", config)
	if code != 2 || !strings.Contains(stderr, "pg_dump") || strings.Contains(stderr, "secret") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
}
