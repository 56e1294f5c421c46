package sqlstore

import (
	"context"
	"database/sql"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/sqlstore/internal/engine"
)

// Lookup finds an access token; see [bridge.Store].
func (s *Store) Lookup(ctx context.Context, token bridge.Hash) (bridge.AccessToken, error) {
	var found bridge.AccessToken
	var err error
	if s.lookups != nil {
		found, err = s.lookups.find(ctx, token)
	} else {
		found, _, err = scanAccessToken(s.db.Reader.QueryRowContext(ctx, lookupQuery(1), string(token)))
	}
	return found, orNotFound(err)
}

func lookupQuery(tokens int) string {
	return `SELECT ` + linkColumns + `, tokens.created_at, tokens.expires_at, tokens.hash
		FROM tokens JOIN links ON links.id = tokens.link_id
		WHERE tokens.hash IN ` + placeholders(1, tokens) + ` AND tokens.kind = '` + kindAccess + `'`
}

func scanAccessToken(row interface{ Scan(...any) error }) (token bridge.AccessToken, hash bridge.Hash, err error) {
	var issued, expires int64
	token.Link, err = scanLink(row, &issued, &expires, &hash)
	if err != nil {
		return bridge.AccessToken{}, "", err
	}
	token.IssuedAt, token.ExpiresAt = timeOf(issued), timeOf(expires)
	return token, hash, nil
}

// lookups shares queries between the lookups that come at the same time on SQLite, as they do after a restart, when
// the cache in memory is empty.
type lookups struct {
	batcher   *engine.Batcher[*pendingLookup]
	one, many *sql.Stmt // for one token, and for engine.MaxBatch
}

// pendingLookup is a lookup in a batch, and its result.
type pendingLookup struct {
	hash  bridge.Hash
	token bridge.AccessToken
	err   error
}

func newLookups(ctx context.Context, db *engine.DB) (l *lookups, err error) {
	l = &lookups{}
	l.batcher = engine.NewBatcher(engine.SQLiteReaders, l.run)
	if l.one, err = db.Reader.PrepareContext(ctx, lookupQuery(1)); err != nil {
		return nil, err
	}
	l.many, err = db.Reader.PrepareContext(ctx, lookupQuery(engine.MaxBatch))
	return l, err
}

// find returns an access token, or [sql.ErrNoRows]. When a shared query fails, the row of another caller may be the
// cause, so the token is read again alone.
func (l *lookups) find(ctx context.Context, hash bridge.Hash) (bridge.AccessToken, error) {
	pending := &pendingLookup{hash: hash}
	batch, err := l.batcher.Do(ctx, pending)
	if err != nil && batch > 1 {
		pending = &pendingLookup{hash: hash}
		err = l.run(ctx, []*pendingLookup{pending})
	}
	if err != nil {
		return bridge.AccessToken{}, err
	}
	return pending.token, pending.err
}

func (l *lookups) run(ctx context.Context, batch []*pendingLookup) error {
	rows, err := l.query(ctx, batch)
	if err != nil {
		return err
	}
	defer rows.Close()
	for _, pending := range batch {
		pending.err = sql.ErrNoRows
	}
	for rows.Next() {
		token, hash, err := scanAccessToken(rows)
		if err != nil {
			return err
		}
		for _, pending := range batch { // two may look up the same token
			if pending.hash == hash {
				pending.token, pending.err = token, nil
			}
		}
	}
	return rows.Err()
}

// query queries with a context that does not end, because the driver starts a goroutine for each query with one that
// may. The wait for a lock is limited by busy_timeout.
func (l *lookups) query(ctx context.Context, batch []*pendingLookup) (*sql.Rows, error) {
	ctx = context.WithoutCancel(ctx)
	if len(batch) == 1 {
		return l.one.QueryContext(ctx, string(batch[0].hash))
	}
	hashes := make([]any, engine.MaxBatch) // the last hash fills up the list
	for i := range hashes {
		hashes[i] = string(batch[min(i, len(batch)-1)].hash)
	}
	return l.many.QueryContext(ctx, hashes...)
}

// CountLiveTokens counts the tokens of a link that are good at a time, if the link is live.
func (s *Store) CountLiveTokens(ctx context.Context, linkID string, now time.Time) (tokens int, err error) {
	err = s.db.Reader.QueryRowContext(ctx, `SELECT COUNT(*) FROM tokens JOIN links ON links.id = tokens.link_id
		WHERE links.id = $1 AND links.revoked_at = 0 AND tokens.superseded_at = 0
		AND (tokens.expires_at = 0 OR tokens.expires_at > $2)`, linkID, seconds(now)).Scan(&tokens)
	return tokens, err
}
