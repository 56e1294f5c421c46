package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"alexa-oidc-bridge/bridge/sqlstore"
	"alexa-oidc-bridge/internal/postgrestest"
)

// database is a database with links.
type database struct {
	sqlstore.Options
	server *postgrestest.Server // nil: SQLite
}

// openDatabase returns a database with so many links, made before or now.
func (b *bench) openDatabase(ctx context.Context, store string, links int) (database, error) {
	if store == sqlstore.PostgreSQL {
		return b.openPostgreSQL(ctx, links)
	}
	path := filepath.Join(b.databases(), fmt.Sprintf("links-%d.db", links))
	options := sqlstore.Options{Driver: store, DSN: path}
	if _, err := os.Stat(path); err == nil {
		return database{Options: options}, nil
	}
	making := sqlstore.Options{Driver: store, DSN: path + ".part"}
	for _, part := range []string{"", "-wal", "-shm"} { // of a seeding that was interrupted
		os.Remove(making.DSN + part)
	}
	if err := b.seed(ctx, making, links); err != nil {
		return database{}, err
	}
	return database{Options: options}, os.Rename(making.DSN, path)
}

// databases is the folder that databases are in.
func (b *bench) databases() string {
	if b.options.data != "" {
		return b.options.data
	}
	return b.folder
}

func (b *bench) openPostgreSQL(ctx context.Context, links int) (database, error) {
	server, err := postgrestest.Start(postgrestest.Config{Durable: true})
	if err != nil {
		return database{}, err
	}
	b.later(server.Close)
	dsn, err := server.Database()
	if err != nil {
		return database{}, err
	}
	options := sqlstore.Options{Driver: sqlstore.PostgreSQL, DSN: dsn}
	if err := b.seed(ctx, options, links); err != nil {
		return database{}, err
	}
	// What autovacuum would do in its own time, which may be in the middle of a round.
	return database{options, server}, execute(ctx, options, "VACUUM ANALYZE")
}

func (b *bench) seed(ctx context.Context, options sqlstore.Options, links int) error {
	began := time.Now()
	err := seed(ctx, options, links)
	fmt.Fprintf(b.log, "%s: %d links made in %v\n", options.Driver, links, time.Since(began).Round(time.Millisecond))
	return err
}

func execute(ctx context.Context, options sqlstore.Options, statement string) error {
	db, err := sql.Open("pgx", options.DSN)
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.ExecContext(ctx, statement)
	return err
}

// size is how many bytes a database has on disk.
func (d *database) size(ctx context.Context) (bytes int64, err error) {
	if d.server == nil {
		about, err := os.Stat(d.DSN)
		if err != nil {
			return 0, err
		}
		return about.Size(), nil
	}
	db, err := sql.Open("pgx", d.DSN)
	if err != nil {
		return 0, err
	}
	defer db.Close()
	return bytes, db.QueryRowContext(ctx, "SELECT pg_database_size(current_database())").Scan(&bytes)
}

// copyForWriting keeps a file with links as it was made, for the next time. PostgreSQL's is not kept.
func (s *setting) copyForWriting() (_ sqlstore.Options, err error) {
	if s.database.server != nil {
		return s.database.Options, nil
	}
	folder, err := os.MkdirTemp(s.databases(), "copy-")
	if err != nil {
		return sqlstore.Options{}, err
	}
	s.later(func() error { return os.RemoveAll(folder) })
	copied := s.database.Options
	copied.DSN = filepath.Join(folder, "links.db")
	return copied, copyFile(copied.DSN, s.database.DSN)
}

// copyFile copies to the disk, so that what is measured then does not wait for it.
func copyFile(to, from string) (err error) {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	file, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if _, err := io.Copy(file, source); err != nil {
		return err
	}
	return file.Sync()
}
