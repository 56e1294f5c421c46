package sqlstore

import (
	"container/list"
	"context"
	"database/sql"
	"errors"
	"runtime"
	"strings"
	"sync"

	"alexa-oidc-bridge/bridge"
)

// maxShared bounds how many lookups share a query, and so how long the first of them waits.
const maxShared = 32

// lookUps reads access tokens, those that are asked for at the same time by one query: a burst, as after a restart, when
// memory is empty, costs the database a few queries. Nobody reads in the background: of those that wait, whoever gets a turn
// leads, and reads for the others, too. So a query always begins after what it reads was asked for. When one that was shared
// fails, which may be due to one of them or to the client of who led, each reads again alone.
type lookUps struct {
	db       *sql.DB
	turns    turns
	prepared map[int]*sql.Stmt // by how many tokens they read; nil on PostgreSQL

	mu      sync.Mutex
	waiting list.List // of *asked, in the order in which they came
}

// asked is an access token that was asked for.
type asked struct {
	token string
	place *list.Element // among those that wait; nil: none any more

	done   chan struct{} // closed when the rest is there
	shared bool          // read by a query with others
	found  bridge.AccessToken
	err    error
}

// errPanicked is for those who shared a query with one who panicked.
var errPanicked = errors.New("a lookup that others shared ended in a panic")

func newLookUps(db *sql.DB, connections int) *lookUps {
	return &lookUps{db: db, turns: newTurns(connections)}
}

// prepare prepares the queries. It is not for PostgreSQL: pgx does it by itself, and to close a statement would wait for the
// server.
func (l *lookUps) prepare(ctx context.Context) error {
	l.prepared = map[int]*sql.Stmt{}
	for _, tokens := range []int{1, maxShared} {
		statement, err := l.db.PrepareContext(ctx, lookUpQuery(tokens))
		if err != nil {
			return err
		}
		l.prepared[tokens] = statement
	}
	return nil
}

func lookUpQuery(tokens int) string {
	places := make([]string, tokens)
	for n := range places {
		places[n] = placeholder(n + 1)
	}
	return `SELECT ` + linkColumns + `, tokens.created_at, tokens.expires_at, tokens.hash
		FROM tokens JOIN links ON links.id = tokens.link_id
		WHERE tokens.hash IN (` + strings.Join(places, ", ") + `) AND tokens.kind = '` + kindAccess + `'`
}

// find reads an access token; [sql.ErrNoRows] if there is none.
func (l *lookUps) find(ctx context.Context, token string) (bridge.AccessToken, error) {
	if err := ctx.Err(); err != nil {
		return bridge.AccessToken{}, err
	}
	a := l.ask(token)
	runtime.Gosched() // whoever can run asks now, too; on one processor each would read alone otherwise
	if err := l.await(ctx, a); err != nil {
		return bridge.AccessToken{}, err
	}
	if a.shared && a.err != nil && !errors.Is(a.err, sql.ErrNoRows) {
		return l.findAlone(ctx, token)
	}
	return a.found, a.err
}

func (l *lookUps) ask(token string) *asked {
	a := &asked{token: token, done: make(chan struct{})}
	l.mu.Lock()
	defer l.mu.Unlock()
	a.place = l.waiting.PushBack(a)
	return a
}

// await waits for an answer, or leads to get one.
func (l *lookUps) await(ctx context.Context, a *asked) error {
	turns := l.turns
	for {
		select {
		case <-a.done:
			return nil
		case turns <- struct{}{}:
			if !l.lead(ctx, a) {
				turns = nil
			}
		case <-ctx.Done():
			l.leave(a)
			return ctx.Err()
		}
	}
}

// lead uses a turn to read for those that have waited longest. It reads nothing, and says so, if another one leads for who has
// the turn.
func (l *lookUps) lead(ctx context.Context, a *asked) bool {
	defer l.turns.giveBack()
	group := l.take(a)
	if len(group) > 0 {
		l.read(ctx, group)
	}
	return len(group) > 0
}

func (l *lookUps) take(a *asked) []*asked {
	l.mu.Lock()
	defer l.mu.Unlock()
	if a.place == nil {
		return nil
	}
	group := make([]*asked, min(l.waiting.Len(), maxShared))
	for n := range group {
		taken := l.waiting.Remove(l.waiting.Front()).(*asked)
		taken.place, taken.shared = nil, len(group) > 1
		group[n] = taken
	}
	return group
}

// leave is for who has given up.
func (l *lookUps) leave(a *asked) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if a.place != nil {
		l.waiting.Remove(a.place)
		a.place = nil
	}
}

func (l *lookUps) findAlone(ctx context.Context, token string) (bridge.AccessToken, error) {
	if err := l.turns.take(ctx); err != nil {
		return bridge.AccessToken{}, err
	}
	defer l.turns.giveBack()
	a := &asked{token: token, done: make(chan struct{})}
	l.read(ctx, []*asked{a})
	return a.found, a.err
}

// read answers a group.
func (l *lookUps) read(ctx context.Context, group []*asked) {
	err := errPanicked
	defer func() {
		for _, a := range group {
			if err != nil {
				a.found, a.err = bridge.AccessToken{}, err
			}
			close(a.done)
		}
	}()
	err = l.query(ctx, group)
}

func (l *lookUps) query(ctx context.Context, group []*asked) error {
	rows, err := l.rows(ctx, group)
	if err != nil {
		return err
	}
	defer rows.Close()
	for _, a := range group {
		a.err = sql.ErrNoRows
	}
	for rows.Next() {
		if err := readRow(rows, group); err != nil {
			return err
		}
	}
	return rows.Err()
}

// rows asks SQLite with a context that cannot end: for one that can, the driver starts a goroutine at every query. The wait for
// a lock is bounded by busy_timeout; a disk that hangs could not be interrupted anyway.
func (l *lookUps) rows(ctx context.Context, group []*asked) (*sql.Rows, error) {
	tokens := tokensOf(group)
	if l.prepared == nil {
		return l.db.QueryContext(ctx, lookUpQuery(len(tokens)), tokens...)
	}
	return l.prepared[len(tokens)].QueryContext(context.WithoutCancel(ctx), tokens...)
}

// tokensOf returns one token or maxShared of them, for which there are statements, the last again and again.
func tokensOf(group []*asked) []any {
	if len(group) == 1 {
		return []any{group[0].token}
	}
	tokens := make([]any, maxShared)
	for n := range tokens {
		tokens[n] = group[min(n, len(group)-1)].token
	}
	return tokens
}

func readRow(rows *sql.Rows, group []*asked) error {
	var hash string
	var issued, expires int64
	link, err := scanLink(rows, &issued, &expires, &hash)
	if err != nil {
		return err
	}
	for _, a := range group { // two may ask for the same one
		if a.token == hash {
			a.found, a.err = bridge.AccessToken{Link: link, IssuedAt: timeOf(issued), ExpiresAt: timeOf(expires)}, nil
		}
	}
	return nil
}

func (l *lookUps) close() error {
	var errs []error
	for _, statement := range l.prepared {
		errs = append(errs, statement.Close())
	}
	return errors.Join(errs...)
}
