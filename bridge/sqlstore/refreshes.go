package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"alexa-oidc-bridge/bridge"
)

const (
	// leaders is how many ask PostgreSQL at once to refresh, each also for those that came while the other did. SQLite does one
	// thing after the other.
	leaders = 2
	// gatherFor is how long a commit on SQLite waits for those who took part in the last one. A commit costs about as much,
	// however many share it.
	gatherFor = 500 * time.Microsecond
)

// refreshes does the usual refresh, of a token that does not rotate and whose link is good. Those that come at the same time are
// read by one query and written together. Whatever is unusual is left to a transaction of its own.
type refreshes struct {
	sharing sharing[refreshing]
}

// refreshing is a refresh, its link once that was read, and whether its access token was added.
type refreshing struct {
	refresh *bridge.Refresh
	until   time.Time // how long its caller waits; zero: without end
	link    bridge.Link
	added   bool
}

// newRefreshes is told how many lead at once, how long they wait for others, and how to do as many of a group as are usual. An
// error means that they may have been done.
func newRefreshes(leaders int, gathering time.Duration, do func(ctx context.Context, group []*asked[refreshing]) error) *refreshes {
	r := &refreshes{}
	r.sharing.turns, r.sharing.gathering = newTurns(leaders), gathering
	r.sharing.query = func(ctx context.Context, group []*asked[refreshing]) error {
		ctx, cancel := untilLast(ctx, group)
		defer cancel()
		return do(ctx, group)
	}
	return r
}

// untilLast ends when the time of the last of a group does. Who leads may have little time left, or a client that hangs up, without
// harm to the others.
func untilLast(ctx context.Context, group []*asked[refreshing]) (context.Context, context.CancelFunc) {
	ctx = context.WithoutCancel(ctx)
	var last time.Time
	for _, a := range group {
		until := a.question.until
		if until.IsZero() {
			return context.WithCancel(ctx)
		}
		if until.After(last) {
			last = until
		}
	}
	return context.WithDeadline(ctx, last)
}

// try does a refresh, and says whether it did. An error means that it may have been done.
func (r *refreshes) try(ctx context.Context, refresh *bridge.Refresh) (link bridge.Link, done bool, err error) {
	if refresh.Tokens.Refresh != "" {
		return bridge.Link{}, false, nil
	}
	until, _ := ctx.Deadline()
	a, err := r.sharing.ask(ctx, refreshing{refresh: refresh, until: until})
	if err == nil {
		err = a.err
	}
	if err != nil {
		return bridge.Link{}, false, err
	}
	return a.question.link, a.question.added, nil
}

// usualOf reads the rows of [selectPresented], and returns the refreshes that have nothing unusual, by the hash of their access
// token.
func usualOf(group []*asked[refreshing], rows *sql.Rows, err error) (map[string]*refreshing, error) {
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

// errUndone is for a job that failed before it was committed.
var errUndone = errors.New("not done")

// refresh reads and writes in one transaction. Whatever is wrong with one of a group, each tries again alone.
func (g *groupCommit) refresh(ctx context.Context, group []*asked[refreshing]) error {
	err := g.write(ctx, func(tx *transaction) error {
		if err := refreshGroup(tx, group); err != nil {
			return errors.Join(errUndone, err)
		}
		return nil
	})
	if errors.Is(err, errUndone) {
		return nil
	}
	return err
}

func refreshGroup(tx *transaction, group []*asked[refreshing]) error {
	hashes := padded(len(group), func(n int) string { return string(group[n].question.refresh.Token) })
	rows, err := tx.Query(selectPresented+` IN `+places(len(hashes)), hashes...)
	usual, err := usualOf(group, rows, err)
	if err != nil {
		return err
	}
	for hash, asking := range usual {
		_, err := tx.Exec(`INSERT INTO tokens (hash, link_id, kind, created_at, expires_at, parent, place, superseded_at)
			VALUES ($1, $2, '`+kindAccess+`', $3, $4, '', 0, 0)`,
			hash, asking.link.ID, seconds(asking.refresh.Now), seconds(asking.refresh.Tokens.AccessExpiresAt))
		if err != nil {
			return err
		}
	}
	for _, asking := range usual {
		asking.added = true
	}
	return nil
}

// refresh reads, and then adds the access tokens if nothing that could have changed since did: two statements are sent instead of
// the four of a transaction. What could not be read is left to transactions.
func (p *pool) refresh(ctx context.Context, group []*asked[refreshing]) error {
	if err := p.turns.take(ctx); err != nil {
		return err
	}
	defer p.turns.giveBack()
	usual, err := p.readPresented(ctx, group)
	if err != nil || len(usual) == 0 {
		return nil
	}
	if err := p.addAccess(ctx, usual); err != nil && !undone(err) {
		return err
	}
	return nil
}

func (p *pool) readPresented(ctx context.Context, group []*asked[refreshing]) (map[string]*refreshing, error) {
	var hashes []string
	for _, a := range group {
		hashes = append(hashes, string(a.question.refresh.Token))
	}
	rows, err := p.db.QueryContext(ctx, selectPresented+` = ANY($1)`, hashes)
	return usualOf(group, rows, err)
}

// addAccess adds the access tokens of refresh tokens that are still good. It waits for nobody who holds a link, or two of them could
// wait for one another. That a token was superseded at this very moment does no harm, as if the refresh had been first.
func (p *pool) addAccess(ctx context.Context, usual map[string]*refreshing) error {
	var presented, access []string
	var created, expires []int64
	for hash, asking := range usual {
		presented, access = append(presented, string(asking.refresh.Token)), append(access, hash)
		created = append(created, seconds(asking.refresh.Now))
		expires = append(expires, seconds(asking.refresh.Tokens.AccessExpiresAt))
	}
	added, err := texts(p.db.QueryContext(ctx, `INSERT INTO tokens (hash, link_id, kind, created_at, expires_at, parent, place, superseded_at)
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

// undone says whether the server told that it did not do a statement. What it tells when it is to stop, of class 57, may come
// after it did.
func undone(err error) bool {
	failure, told := errors.AsType[*pgconn.PgError](err)
	return told && !strings.HasPrefix(failure.Code, "57")
}
