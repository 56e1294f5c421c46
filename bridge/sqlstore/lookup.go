package sqlstore

import (
	"context"
	"database/sql"
	"errors"

	"alexa-oidc-bridge/bridge"
)

// lookups reads access tokens, those that are asked for at the same time by one query: a burst, as after a restart, when
// memory is empty, costs the database a few queries. When a query that was shared fails, which may be due to one of those who
// shared it or to the client of who led, each reads again alone.
type lookups struct {
	db       *sql.DB
	prepared map[int]*sql.Stmt // by how many tokens they read; nil on PostgreSQL
	sharing  sharing[lookup]
}

// lookup is an access token that is asked for, and what is found.
type lookup struct {
	token string
	found bridge.AccessToken
}

func newLookups(db *sql.DB, connections int) *lookups {
	l := &lookups{db: db}
	l.sharing.turns, l.sharing.query = newTurns(connections), l.query
	return l
}

// prepare prepares the queries. It is not for PostgreSQL: pgx does it by itself, and to close a statement would wait for the
// server.
func (l *lookups) prepare(ctx context.Context) error {
	l.prepared = map[int]*sql.Stmt{}
	for _, tokens := range []int{1, maxShared} {
		statement, err := l.db.PrepareContext(ctx, lookupQuery(tokens))
		if err != nil {
			return err
		}
		l.prepared[tokens] = statement
	}
	return nil
}

func lookupQuery(tokens int) string {
	return `SELECT ` + linkColumns + `, tokens.created_at, tokens.expires_at, tokens.hash
		FROM tokens JOIN links ON links.id = tokens.link_id
		WHERE tokens.hash IN ` + places(tokens) + ` AND tokens.kind = '` + kindAccess + `'`
}

// find reads an access token; [sql.ErrNoRows] if there is none.
func (l *lookups) find(ctx context.Context, token string) (bridge.AccessToken, error) {
	a, err := l.sharing.ask(ctx, lookup{token: token})
	if err == nil && a.shared && a.err != nil && !errors.Is(a.err, sql.ErrNoRows) {
		a, err = l.sharing.askAlone(ctx, lookup{token: token})
	}
	if err != nil {
		return bridge.AccessToken{}, err
	}
	if a.err != nil {
		return bridge.AccessToken{}, a.err
	}
	return a.question.found, nil
}

func (l *lookups) query(ctx context.Context, group []*asked[lookup]) error {
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
func (l *lookups) rows(ctx context.Context, group []*asked[lookup]) (*sql.Rows, error) {
	tokens := padded(len(group), func(n int) string { return group[n].question.token })
	if l.prepared == nil {
		return l.db.QueryContext(ctx, lookupQuery(len(tokens)), tokens...)
	}
	return l.prepared[len(tokens)].QueryContext(context.WithoutCancel(ctx), tokens...)
}

func readRow(rows *sql.Rows, group []*asked[lookup]) error {
	var hash string
	var issued, expires int64
	link, err := scanLink(rows, &issued, &expires, &hash)
	if err != nil {
		return err
	}
	for _, a := range group { // two may ask for the same one
		if a.question.token == hash {
			a.question.found, a.err = bridge.AccessToken{Link: link, IssuedAt: timeOf(issued), ExpiresAt: timeOf(expires)}, nil
		}
	}
	return nil
}

func (l *lookups) close() error {
	var errs []error
	for _, statement := range l.prepared {
		errs = append(errs, statement.Close())
	}
	return errors.Join(errs...)
}
