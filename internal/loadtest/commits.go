package main

import (
	"database/sql"
	"errors"
)

// sharedCommits inserts single rows into SQLite for many callers, of which those that wait at the same time share a commit.
// That is the most that SQLite can do with durable rows, so it is what the bridge's writes are compared with.
type sharedCommits struct {
	db        *sql.DB
	statement *sql.Stmt
	rows      chan waitingRow
	done      chan struct{}
}

type waitingRow struct {
	values []any
	result chan error
}

// mostShared is how many rows share a commit.
const mostShared = 128

func shareCommits(db *sql.DB, statement *sql.Stmt) *sharedCommits {
	s := &sharedCommits{db: db, statement: statement, rows: make(chan waitingRow, mostShared), done: make(chan struct{})}
	go s.run()
	return s
}

// insert returns when the row is on disk.
func (s *sharedCommits) insert(values ...any) error {
	row := waitingRow{values, make(chan error, 1)}
	s.rows <- row
	return <-row.result
}

func (s *sharedCommits) end() error {
	close(s.rows)
	<-s.done
	return s.statement.Close()
}

func (s *sharedCommits) run() {
	defer close(s.done)
	for first := range s.rows {
		group := []waitingRow{first}
		for len(group) < mostShared && len(s.rows) > 0 {
			group = append(group, <-s.rows)
		}
		err := s.commit(group)
		for _, row := range group {
			row.result <- err
		}
	}
}

func (s *sharedCommits) commit(group []waitingRow) error {
	tx, err := s.db.Begin()
	if err != nil {
		return err
	}
	statement := tx.Stmt(s.statement)
	for _, row := range group {
		if _, err := statement.Exec(row.values...); err != nil {
			return errors.Join(err, tx.Rollback())
		}
	}
	return tx.Commit()
}
