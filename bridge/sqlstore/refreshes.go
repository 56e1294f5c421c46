package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"alexa-oidc-bridge/bridge"
)

// leaders is how many refreshes ask PostgreSQL at once, each also for those that came while the others did.
const leaders = 2

// refreshes does the usual refresh on PostgreSQL without a transaction of several statements: it reads, and then adds the
// access token if nothing that could have changed since did. Those that come at the same time share both statements. SQLite
// does not need it: there transactions share a commit, and nothing is sent to and fro.
type refreshes struct {
	db      *sql.DB
	turns   turns // of who writes
	sharing sharing[refreshing]
}

// refreshing is a refresh, its link once that was read, and whether its access token was added.
type refreshing struct {
	refresh *bridge.Refresh
	link    bridge.Link
	added   bool
}

func newRefreshes(db *sql.DB, turns turns) *refreshes {
	r := &refreshes{db: db, turns: turns}
	r.sharing.turns, r.sharing.query = newTurns(leaders), r.query
	return r
}

// try does a refresh, and says whether it did. What is unusual is left to a transaction, and so is a link that somebody else is
// writing to, or whatever could not be read. An error means that it may have been done.
func (r *refreshes) try(ctx context.Context, refresh *bridge.Refresh) (link bridge.Link, done bool, err error) {
	if r == nil || refresh.Tokens.Refresh != "" {
		return bridge.Link{}, false, nil
	}
	a, err := r.sharing.ask(ctx, refreshing{refresh: refresh})
	if err == nil {
		err = a.err
	}
	if err != nil {
		return bridge.Link{}, false, err
	}
	return a.question.link, a.question.added, nil
}

// query does what it can of a group. The client of who leads may hang up without harm to the others; all began so close to one
// another that its time is theirs.
func (r *refreshes) query(ctx context.Context, group []*asked[refreshing]) error {
	deadline, bounded := ctx.Deadline()
	ctx = context.WithoutCancel(ctx)
	if bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline)
		defer cancel()
	}
	if err := r.turns.take(ctx); err != nil {
		return err
	}
	defer r.turns.giveBack()
	usual, err := r.read(ctx, group)
	if err != nil || len(usual) == 0 {
		return nil
	}
	if err := r.add(ctx, usual); err != nil && !undone(err) {
		return err
	}
	return nil
}

// undone says whether the server told that it did not do a statement. What it tells when it is to stop, of class 57, may come
// after it did.
func undone(err error) bool {
	failure, told := errors.AsType[*pgconn.PgError](err)
	return told && !strings.HasPrefix(failure.Code, "57")
}

// read reads the links, and returns the refreshes that have nothing unusual, by the hash of their access token.
func (r *refreshes) read(ctx context.Context, group []*asked[refreshing]) (map[string]*refreshing, error) {
	var hashes []string
	for _, a := range group {
		hashes = append(hashes, string(a.question.refresh.Token))
	}
	rows, err := r.db.QueryContext(ctx, selectPresented+` = ANY($1)`, hashes)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	usual := map[string]*refreshing{}
	for rows.Next() {
		found, err := scanPresented(rows)
		if err != nil {
			return nil, err
		}
		for _, a := range group { // two may present the same one
			asking := &a.question
			if asking.refresh.Token == found.token && found.parent == "" && found.refusal(asking.refresh) == nil {
				asking.link = found.link
				usual[string(asking.refresh.Tokens.Access)] = asking
			}
		}
	}
	return usual, rows.Err()
}

// add adds the access tokens of refresh tokens that are still good. It waits for nobody who holds a link, or two of them could
// wait for one another. That a token was superseded at this very moment does no harm, as if the refresh had been first.
func (r *refreshes) add(ctx context.Context, usual map[string]*refreshing) error {
	var presented, access []string
	var created, expires []int64
	for hash, asking := range usual {
		presented, access = append(presented, string(asking.refresh.Token)), append(access, hash)
		created = append(created, seconds(asking.refresh.Now))
		expires = append(expires, seconds(asking.refresh.Tokens.AccessExpiresAt))
	}
	added, err := texts(r.db.QueryContext(ctx, `INSERT INTO tokens (hash, link_id, kind, created_at, expires_at, parent, place, superseded_at)
		SELECT given.access, links.id, '`+kindAccess+`', given.created, given.expires, '', 0, 0
		FROM unnest($1::TEXT[], $2::TEXT[], $3::BIGINT[], $4::BIGINT[]) AS given (presented, access, created, expires)
		JOIN tokens ON tokens.hash = given.presented JOIN links ON links.id = tokens.link_id
		WHERE tokens.superseded_at = 0 AND links.revoked_at = 0 FOR UPDATE OF links SKIP LOCKED
		RETURNING hash`, presented, access, created, expires))
	if err != nil {
		return err
	}
	for _, hash := range added {
		usual[hash].added = true
	}
	return nil
}
