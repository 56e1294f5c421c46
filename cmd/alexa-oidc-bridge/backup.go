package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"alexa-oidc-bridge/bridge/sqlstore"
	"alexa-oidc-bridge/config"
)

func backupCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "backup FILE",
		Short: "Copy the SQLite database while it serves",
		Long: `backup copies the SQLite database, as it is at one moment, into a new file that only its owner can read.
Servers go on writing meanwhile. What they had answered before the backup began is in the copy. It never overwrites a
file, and a copy that is not complete never has the name of one: it is written beside it as FILE.*.tmp, with
FILE.*.tmp-journal. These remain only when the command or the machine is killed, and can be deleted then.

The copy is a database that serve opens as it is. To restore it, stop the servers, remove bridge.db-wal and
bridge.db-shm, and put the copy in the place of bridge.db. Links that were revoked after the backup are live in it:
revoke them again.`,
		Example: `  alexa-oidc-bridge backup /var/backups/bridge-$(date +%F).db`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			storage, err := loadStorage(cmd)
			if err != nil {
				return err
			}
			if storage.Driver != sqlstore.SQLite {
				return &failure{exitUsage, errors.New("backup is for SQLite, and storage.driver is " + storage.Driver),
					"back the database up with pg_dump, or by what your PostgreSQL is backed up with; links export works too"}
			}
			store, err := openStore(cmd, storage)
			if err != nil {
				return err
			}
			if err := closeAfter(store, createFile(cmd, args[0], store.Backup)); err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), "backed up to", args[0])
			return nil
		},
	}
}

// loadStorage reads only the storage section of the configuration.
func loadStorage(cmd *cobra.Command) (config.Storage, error) {
	storage, err := config.LoadStorage(configPath(cmd))
	if err != nil {
		return storage, badConfig(configPath(cmd), err)
	}
	return storage, nil
}

// openConfigured opens the database of the configuration.
func openConfigured(cmd *cobra.Command) (*sqlstore.Store, error) {
	storage, err := loadStorage(cmd)
	if err != nil {
		return nil, err
	}
	return openStore(cmd, storage)
}

// openStore opens an existing database.
func openStore(cmd *cobra.Command, storage config.Storage) (*sqlstore.Store, error) {
	store, err := sqlstore.Open(cmd.Context(), sqlstore.Options{Driver: storage.Driver, DSN: storage.DSN})
	hint := "check storage.dsn"
	if errors.Is(err, sqlstore.ErrNoDatabase) {
		hint = "check storage.dsn; serve creates the database when it starts"
	}
	if err != nil {
		return nil, failed(err, hint)
	}
	return store, nil
}

func closeAfter(store *sqlstore.Store, err error) error {
	if closeErr := store.Close(); err == nil && closeErr != nil {
		return failed(closeErr, "check that the disk is not full")
	}
	return err
}

// createFile creates a file that only its owner can read, unless SIGTERM or SIGINT stops it. The function writes a
// temporary file beside it, which gets its name when it is complete and on disk. After an error no file remains.
func createFile(cmd *cobra.Command, path string, write func(ctx context.Context, temporary string) error) error {
	ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	err := createComplete(path, func(temporary string) error { return write(ctx, temporary) })
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return failed(errors.New("interrupted; no file was created"), "run it again")
	case errors.Is(err, fs.ErrExist):
		return failed(fmt.Errorf("%s exists already", path), "name another file; existing files are never overwritten")
	case errors.Is(err, sqlstore.ErrNoRoom), errors.Is(err, syscall.ENOSPC):
		return failed(err, "free some space, or name a file on another disk; no file was created")
	}
	return failed(err, "check that the folder exists and can be written, and that the database can be read")
}

func createComplete(path string, write func(temporary string) error) (err error) {
	// Absolute, because SQLite takes a path that begins with file: for a URI.
	if path, err = filepath.Abs(path); err != nil {
		return err
	}
	if err := rejectExisting(path); err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp")
	if err != nil {
		return err
	}
	temporary := file.Name()
	defer func() {
		for _, part := range []string{"", "-journal", "-wal", "-shm"} {
			os.Remove(temporary + part) // there is none if it has got its name
		}
	}()
	if err := errors.Join(write(temporary), file.Sync(), file.Close()); err != nil {
		return err
	}
	// Again: another command may have created it meanwhile.
	if err := rejectExisting(path); err != nil {
		return err
	}
	if err := os.Rename(temporary, path); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

func rejectExisting(path string) error {
	_, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return cmp.Or(err, fs.ErrExist)
}

// syncFolder makes a new name in a folder survive a crash.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
