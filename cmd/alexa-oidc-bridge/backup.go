package main

import (
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
		Long: `backup copies the SQLite database, as it is at one moment, into a new file that only its owner can read. Servers go on
writing meanwhile. What they had answered before the backup began is in the copy. It never overwrites a file, and a copy
that is not complete never has the name of one: it is written beside it as FILE.*.tmp, with FILE.*.tmp-journal. These
remain only when the command or the machine is killed, and can be deleted then.

The copy is a database that serve opens as it is. To restore it, stop the servers, remove bridge.db-wal and bridge.db-shm,
and put the copy in the place of bridge.db. Links that ended after the backup are live in it: end them again.`,
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
			ctx, stop := untilStopped(cmd)
			defer stop()
			return backUp(ctx, cmd, storage, args[0])
		},
	}
}

func backUp(ctx context.Context, cmd *cobra.Command, storage config.Storage, path string) error {
	store, err := openStore(ctx, storage)
	if err != nil {
		return err
	}
	err = makeFile(path, func(temporary string) error { return store.Backup(ctx, temporary) })
	if err = errors.Join(err, store.Close()); err != nil {
		return notMade(ctx, path, err)
	}
	fmt.Fprintln(cmd.OutOrStdout(), "backed up to", path)
	return nil
}

// untilStopped is a context that ends when the program is asked to stop, so that it can tidy up.
func untilStopped(cmd *cobra.Command) (context.Context, context.CancelFunc) {
	return signal.NotifyContext(cmd.Context(), syscall.SIGTERM, syscall.SIGINT)
}

// loadStorage reads only where links are kept.
func loadStorage(cmd *cobra.Command) (config.Storage, error) {
	storage, err := config.LoadStorage(configPath(cmd))
	if err != nil {
		return storage, badConfig(configPath(cmd), err)
	}
	return storage, nil
}

// openStore opens a database that is there.
func openStore(ctx context.Context, storage config.Storage) (*sqlstore.Store, error) {
	store, err := sqlstore.Open(ctx, sqlstore.Options{Driver: storage.Driver, DSN: storage.DSN})
	switch {
	case errors.Is(err, sqlstore.ErrNoDatabase):
		return nil, failed(err, "check storage.dsn; serve makes the database when it starts")
	case err != nil:
		return nil, failed(err, "check storage.dsn")
	}
	return store, nil
}

// notMade words why makeFile made no file.
func notMade(ctx context.Context, path string, err error) error {
	switch {
	case ctx.Err() != nil:
		return failed(errors.New("interrupted; no file was made"), "run it again")
	case errors.Is(err, fs.ErrExist):
		return failed(fmt.Errorf("%s is there already", path), "name another file; none is ever overwritten")
	case errors.Is(err, sqlstore.ErrNoRoom), errors.Is(err, syscall.ENOSPC):
		return failed(err, "make room, or name a file on another disk; nothing remains of what was written")
	}
	return failed(err, "check that the folder is there and can be written, and that the database can be read")
}

// makeFile makes a file that only its owner can read, from what write puts into a temporary one beside it. The file gets its
// name when it is complete and on disk. When it cannot be made, nothing remains.
func makeFile(path string, write func(temporary string) error) (err error) {
	// With its folders, since SQLite takes what begins with file: for something else.
	if path, err = filepath.Abs(path); err != nil {
		return err
	}
	if err := refuseExisting(path); err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp")
	if err != nil {
		return err
	}
	temporary := file.Name()
	defer func() {
		if err != nil {
			for _, part := range []string{"", "-journal", "-wal", "-shm"} {
				os.Remove(temporary + part)
			}
		}
	}()
	if err = errors.Join(write(temporary), file.Sync(), file.Close()); err != nil {
		return err
	}
	// Again: it may have been made meanwhile, by a backup that began at the same time.
	if err = refuseExisting(path); err != nil {
		return err
	}
	if err = os.Rename(temporary, path); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

func refuseExisting(path string) error {
	_, err := os.Lstat(path)
	if err == nil {
		return fs.ErrExist
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// syncFolder makes the new name outlive a crash.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
