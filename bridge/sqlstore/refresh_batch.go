package sqlstore

import (
	"context"
	"database/sql"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/sqlstore/internal/engine"
)

// refreshBatches is how many batches of refreshes run at once.
const refreshBatches = 2

// pendingRefresh is a refresh in a batch. Of those that share a batch on PostgreSQL, the ordinary ones are done by two
// statements: their refresh tokens are good and have no parent to supersede. The others are left to transactions.
type pendingRefresh struct {
	refresh *bridge.Refresh
	link    bridge.Link // of an ordinary refresh
	done    bool
}

// refreshInBatch does an ordinary refresh, and reports whether it did. After an error it may have been done.
func (s *Store) refreshInBatch(ctx context.Context, refresh *bridge.Refresh) (link bridge.Link, done bool, err error) {
	pending := &pendingRefresh{refresh: refresh}
	if _, err := s.refreshes.Do(ctx, pending); err != nil {
		return bridge.Link{}, false, err
	}
	return pending.link, pending.done, nil
}

// refreshBatch reads the refresh tokens of a batch, and adds the access tokens of the ordinary ones. If one of the
// statements certainly changed nothing, all are left to transactions.
func (s *Store) refreshBatch(ctx context.Context, batch []*pendingRefresh) error {
	return s.db.Autocommit(ctx, func(db *sql.DB) error {
		ordinary, err := selectOrdinary(ctx, db, batch)
		if err != nil || len(ordinary) == 0 {
			return nil
		}
		if err := addAccessTokens(ctx, db, ordinary); err != nil && !engine.NotExecuted(err) {
			return err
		}
		return nil
	})
}

// selectOrdinary returns the ordinary refreshes of a batch by the hashes of their new access tokens.
func selectOrdinary(ctx context.Context, db *sql.DB, batch []*pendingRefresh) (map[string]*pendingRefresh, error) {
	var hashes []string
	for _, pending := range batch {
		hashes = append(hashes, string(pending.refresh.Token))
	}
	rows, err := db.QueryContext(ctx, selectPresented+` = ANY($1)`, hashes)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	ordinary := map[string]*pendingRefresh{}
	for rows.Next() {
		token, err := scanPresented(rows)
		if err != nil {
			return nil, err
		}
		for _, pending := range batch { // two may present the same token
			if pending.refresh.Token == token.hash && token.parent == "" && token.check(pending.refresh) == nil {
				pending.link = token.link
				ordinary[string(pending.refresh.Tokens.Access)] = pending
			}
		}
	}
	return ordinary, rows.Err()
}

// addAccessTokens adds the access tokens of refreshes whose refresh tokens were found to be good. Its conditions do not
// judge them again: they guard against a transaction that revoked the link or superseded the token since the query. A link
// that another transaction has locked is skipped, because two batches that wait for each other's links would deadlock.
func addAccessTokens(ctx context.Context, db *sql.DB, ordinary map[string]*pendingRefresh) error {
	var presented, access []string
	var created, expires []int64
	for hash, pending := range ordinary {
		presented, access = append(presented, string(pending.refresh.Token)), append(access, hash)
		created = append(created, seconds(pending.refresh.Now))
		expires = append(expires, seconds(pending.refresh.Tokens.AccessExpiresAt))
	}
	added, err := engine.Texts(db.QueryContext(ctx, `INSERT INTO tokens (hash, link_id, kind, created_at, expires_at, parent, place, superseded_at)
		SELECT given.access, links.id, '`+kindAccess+`', given.created, given.expires, '', 0, 0
		FROM unnest($1::TEXT[], $2::TEXT[], $3::BIGINT[], $4::BIGINT[]) AS given (presented, access, created, expires)
		JOIN tokens ON tokens.hash = given.presented JOIN links ON links.id = tokens.link_id
		WHERE tokens.superseded_at = 0 AND links.revoked_at = 0 FOR UPDATE OF links SKIP LOCKED
		RETURNING hash`, presented, access, created, expires))
	if err != nil {
		return err
	}
	for _, hash := range added {
		ordinary[hash].done = true
	}
	return nil
}
