package sqlstore

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

// groupCommit runs write transactions one after the other on one connection, and commits those that wait at the same
// time together. Each of several stands in a savepoint of its own, so that one that fails takes nothing of the others with it.
type groupCommit struct {
	db         *sql.DB // one connection, whose transactions take the write lock at once
	file       *sqliteFile
	statements *statements
	tell       func(linkIDs []string) // of the links that were ended

	mu     sync.RWMutex // held for reading while a job is put in, for writing to close
	closed bool
	jobs   chan *job
	done   chan struct{}
}

type job struct {
	ctx    context.Context // of the caller; when it has ended before its turn, the transaction is not run
	do     func(*transaction) error
	ended  []string
	result chan error // has room for the one result, so that a caller may have gone
}

func newGroupCommit(db *sql.DB, file *sqliteFile, tell func([]string)) *groupCommit {
	g := &groupCommit{db: db, file: file, statements: newStatements(), tell: tell, jobs: make(chan *job, maxGroup), done: make(chan struct{})}
	go g.run()
	return g
}

// write runs the transaction and waits until it is on disk. A context that ends meanwhile ends the waiting only.
func (g *groupCommit) write(ctx context.Context, do func(*transaction) error) error {
	job := &job{ctx: ctx, do: do, result: make(chan error, 1)}
	if err := g.put(ctx, job); err != nil {
		return err
	}
	select {
	case err := <-job.result:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g *groupCommit) put(ctx context.Context, job *job) error {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if g.closed {
		return errClosed
	}
	select {
	case g.jobs <- job:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g *groupCommit) close() error {
	g.mu.Lock()
	if !g.closed {
		g.closed = true
		close(g.jobs)
	}
	g.mu.Unlock()
	<-g.done
	return errors.Join(g.statements.close(), g.db.Close())
}

func (g *groupCommit) run() {
	defer close(g.done)
	for first := range g.jobs {
		group := []*job{first}
		// Whoever can run puts its job in now and shares the commit. On one processor they would all wait for the disk instead:
		// a thread that waits for it keeps the processor for a while.
		runtime.Gosched()
		for len(group) < maxGroup && len(g.jobs) > 0 {
			group = append(group, <-g.jobs)
		}
		g.commit(group)
		g.statements.prepare(g.db)
	}
}

// commit runs a group in one database transaction and tells each job how it went. Contexts of callers do not reach the
// database: SQLite would answer an interrupted statement by rolling back the whole group.
func (g *groupCommit) commit(group []*job) {
	if group = stillWaited(group); len(group) == 0 {
		return
	}
	results := make([]error, len(group))
	err := g.inTransaction(func(tx *sql.Tx) error {
		for i, job := range group {
			// Its caller was told that nothing can be said, and may have come again meanwhile.
			if results[i] = job.ctx.Err(); results[i] != nil {
				continue
			}
			if len(group) == 1 { // there is nothing of others to keep
				return job.run(&transaction{Tx: tx, statements: g.statements})
			}
			var err error
			if results[i], err = job.inSavepoint(tx, g.statements); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil && g.file.replaced() {
		err = errReplaced // what was committed is in the old one
	}
	for i, job := range group {
		if err != nil {
			results[i] = err
		}
		if results[i] == nil && len(job.ended) > 0 {
			g.tell(job.ended)
		}
		job.result <- results[i]
	}
}

// stillWaited answers the jobs whose callers have gone, and returns the others. For nobody's sake the lock is waited for, which
// another process may hold for long.
func stillWaited(group []*job) []*job {
	var waited []*job
	for _, job := range group {
		if err := job.ctx.Err(); err != nil {
			job.result <- err
			continue
		}
		waited = append(waited, job)
	}
	return waited
}

func (g *groupCommit) inTransaction(do func(*sql.Tx) error) error {
	tx, err := g.db.Begin()
	if err != nil {
		return err
	}
	if err := do(tx); err != nil {
		if undoing := tx.Rollback(); undoing != nil {
			return errors.Join(err, undoing)
		}
		return err
	}
	return tx.Commit()
}

// inSavepoint runs one transaction of a group. The first error is the transaction's own, after which nothing of it
// remains; the second means that the group cannot go on.
func (j *job) inSavepoint(tx *sql.Tx, statements *statements) (own, fatal error) {
	transaction := &transaction{Tx: tx, statements: statements}
	if _, err := transaction.Exec(`SAVEPOINT one`); err != nil {
		return nil, err
	}
	if own = j.run(transaction); own != nil {
		if _, err := transaction.Exec(`ROLLBACK TO SAVEPOINT one`); err != nil {
			return nil, fmt.Errorf("%w (after: %w)", err, own)
		}
	}
	_, fatal = transaction.Exec(`RELEASE SAVEPOINT one`)
	return own, fatal
}

func (j *job) run(tx *transaction) error {
	if err := tx.run(j.do); err != nil {
		return err
	}
	j.ended = tx.ended
	return nil
}
