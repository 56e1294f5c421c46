package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"alexa-oidc-bridge/bridge/sqlstore"
	"alexa-oidc-bridge/config"
)

// Levels of findings.
const (
	levelOK      = "ok"
	levelWarning = "warning" // it may be right later, or need nothing
	levelFault   = "fault"   // it does not work as it is
)

// finding is one thing that check --online found.
type finding struct {
	level string
	what  string
	hint  string // what to do; empty: nothing
}

func ok(format string, args ...any) finding {
	return finding{level: levelOK, what: fmt.Sprintf(format, args...)}
}

// checkOnline asks the providers, the database and public_url, and prints what it found.
func checkOnline(ctx context.Context, w io.Writer, loaded *config.Config) error {
	report := &report{w: w}
	for _, provider := range loaded.Server.Providers {
		report.add(checkProvider(ctx, loaded.Server.PublicURL, provider)...)
	}
	report.add(checkStorage(ctx, loaded.Storage), checkPublicURL(ctx, loaded.Server.PublicURL))
	return report.err()
}

// report prints findings and counts those that are faults.
type report struct {
	w      io.Writer
	faults int
}

func (r *report) add(findings ...finding) {
	oneLine := strings.NewReplacer("\n\t", " ", "\n", " ") // PostgreSQL's errors have several lines
	for _, found := range findings {
		fmt.Fprintf(r.w, "%-8s %s\n", found.level, oneLine.Replace(found.what))
		if found.hint != "" {
			fmt.Fprintf(r.w, "%-8s %s\n", "", found.hint)
		}
		if found.level == levelFault {
			r.faults++
		}
	}
}

// err returns the error of the command, if there was a fault.
func (r *report) err() error {
	if r.faults == 0 {
		return nil
	}
	return failed(fmt.Errorf("faults found: %d", r.faults), "do what is written below each line that begins with fault")
}

// checkStorage opens the database as the commands do, which creates nothing and changes no data.
func checkStorage(ctx context.Context, storage config.Storage) finding {
	name := "database"
	if storage.Driver == sqlstore.SQLite {
		name += " " + storage.DSN
	}
	store, err := sqlstore.Open(ctx, sqlstore.Options{Driver: storage.Driver, DSN: storage.DSN})
	if err == nil {
		err = store.Close()
	}
	what := fmt.Sprintf("%s: %v", name, err)
	switch {
	case err == nil:
		return ok("%s: can be opened, and has the schema of this program", name)
	case errors.Is(err, sqlstore.ErrNoDatabase) && storage.Driver == sqlstore.SQLite:
		return missingFile(name, storage.DSN)
	case errors.Is(err, sqlstore.ErrNoDatabase):
		return finding{levelFault, what, "create the database, in UTF-8; serve creates the tables"}
	case errors.Is(err, sqlstore.ErrOldSchema):
		return finding{levelWarning, what,
			"start serve, which creates or migrates the tables; back up a database that has links"}
	case errors.Is(err, sqlstore.ErrSchema), errors.Is(err, sqlstore.ErrUnsafe):
		return finding{levelFault, what, "do what the line above says, or correct storage.dsn"}
	}
	return finding{levelFault, what, storageHint(storage.Driver)}
}

// missingFile returns the finding for a SQLite file that does not exist or is empty: serve creates it, but not its
// folder.
func missingFile(name, path string) finding {
	folder := filepath.Dir(path)
	info, err := os.Stat(folder)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return finding{levelFault, name + ": its folder does not exist",
			"create the folder " + folder + ", or correct storage.dsn"}
	case err != nil:
		return finding{levelFault, fmt.Sprintf("%s: %v", name, err), storageHint(sqlstore.SQLite)}
	case !info.IsDir():
		return finding{levelFault, name + ": " + folder + " is not a folder", "correct storage.dsn"}
	}
	return finding{levelWarning, name + ": does not exist, or is empty",
		"start serve, which creates it; if there should be one, correct storage.dsn"}
}
