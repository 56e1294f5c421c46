package engine

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"sync"
)

// maxGroup bounds how many transactions share one commit, and so how long the first of them waits.
const maxGroup = 128

// groupCommit is the writer of SQLite. It runs transactions one after the other on one connection, and commits those
// that wait at the same time together, since the sync to disk is what a commit costs. Each of several has a
// savepoint, so that one that fails does not roll back the others.
type groupCommit struct {
	db         *sql.DB // one connection, whose transactions take the write lock at once
	statements *statements

	mu     sync.RWMutex // locked for reading while a job is enqueued, for writing to close
	closed bool
	jobs   chan *job
	done   chan struct{}
}

type job struct {
	ctx    context.Context // of the caller; if it has ended when the job's turn comes, the job is not run
	do     func(*Tx) error
	tx     *Tx
	result chan error // buffered: the caller may have gone
}

func newGroupCommit(db *sql.DB) *groupCommit {
	g := &groupCommit{db: db, statements: newStatements(), jobs: make(chan *job, maxGroup), done: make(chan struct{})}
	go g.run()
	return g
}

// write runs a transaction and waits for its commit. When the context ends first, the transaction may still be
// committed.
func (g *groupCommit) write(ctx context.Context, do func(*Tx) error) error {
	job := &job{ctx: ctx, do: do, result: make(chan error, 1)}
	if err := g.enqueue(ctx, job); err != nil {
		return err
	}
	select {
	case err := <-job.result:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g *groupCommit) enqueue(ctx context.Context, job *job) error {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if g.closed {
		return ErrClosed
	}
	select {
	case g.jobs <- job:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g *groupCommit) close() (complete bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false, nil
	}
	g.closed = true
	close(g.jobs)
	<-g.done
	// SQLite does not do this when the file was moved away. Another process that reads may keep it from being complete.
	complete, err = checkpoint(context.Background(), g.db)
	return complete, errors.Join(err, g.db.Close())
}

func (g *groupCommit) run() {
	defer close(g.done)
	for first := range g.jobs {
		group := []*job{first}
		// Lets other goroutines enqueue their jobs. With one processor they would run only after the commit, and a
		// group of 32 writers would take two to three times as long (BenchmarkGroupCommit -cpu 1).
		runtime.Gosched()
		for len(group) < maxGroup && len(g.jobs) > 0 {
			group = append(group, <-g.jobs)
		}
		g.commit(group)
		g.statements.prepareWanted(g.db)
	}
}

// commit runs a group in one database transaction and sends each job its result. The callers' contexts do not reach
// the database, because SQLite rolls back the whole transaction when it interrupts a statement.
func (g *groupCommit) commit(group []*job) {
	if group = dropAbandoned(group); len(group) == 0 {
		return // without waiting for the lock, which another process may hold for long
	}
	results := make([]error, len(group))
	err := g.inTransaction(func(tx *sql.Tx) error {
		for i, job := range group {
			// The caller of an abandoned job may have tried again meanwhile.
			if results[i] = job.ctx.Err(); results[i] != nil {
				continue
			}
			job.tx = &Tx{tx: tx, statements: g.statements}
			if len(group) == 1 { // no savepoint: if it fails, there is nothing else to keep
				return job.do(job.tx)
			}
			var err error
			if results[i], err = job.inSavepoint(); err != nil {
				return err
			}
		}
		return nil
	})
	for i, job := range group {
		if err != nil {
			results[i] = err
		}
		if results[i] == nil {
			job.tx.committed()
		}
		job.result <- results[i]
	}
}

// dropAbandoned returns the jobs whose callers still wait, and sends the others their error.
func dropAbandoned(group []*job) []*job {
	var waiting []*job
	for _, job := range group {
		if err := job.ctx.Err(); err != nil {
			job.result <- err
			continue
		}
		waiting = append(waiting, job)
	}
	return waiting
}

func (g *groupCommit) inTransaction(do func(*sql.Tx) error) error {
	tx, err := g.db.Begin()
	if err != nil {
		return err
	}
	if err := do(tx); err != nil {
		if rollbackErr := tx.Rollback(); rollbackErr != nil {
			return errors.Join(err, rollbackErr)
		}
		return err
	}
	return tx.Commit()
}

// inSavepoint runs one job of a group. The first error is the job's own, which is rolled back; the second means that
// the group cannot go on.
func (j *job) inSavepoint() (own, fatal error) {
	if _, err := j.tx.Exec(`SAVEPOINT job`); err != nil {
		return nil, err
	}
	if own = j.do(j.tx); own != nil {
		if _, err := j.tx.Exec(`ROLLBACK TO SAVEPOINT job`); err != nil {
			return nil, fmt.Errorf("%w (after: %w)", err, own)
		}
	}
	_, fatal = j.tx.Exec(`RELEASE SAVEPOINT job`)
	return own, fatal
}
