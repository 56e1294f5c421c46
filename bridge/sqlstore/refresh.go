package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/sqlstore/internal/engine"
)

// Refresh adds an access token for a refresh token; see [bridge.Store].
func (s *Store) Refresh(ctx context.Context, refresh bridge.Refresh) (bridge.Link, error) {
	if s.refreshes != nil && refresh.Tokens.Refresh == "" {
		if link, done, err := s.refreshInBatch(ctx, &refresh); done || err != nil {
			return link, err
		}
	}
	return writeResult(ctx, s, func(tx *transaction) (bridge.Link, error) {
		// This locks the link and the token.
		token, err := scanPresented(tx.QueryRow(selectPresented+` = $1`+tx.RowLock, string(refresh.Token)))
		if err != nil {
			return bridge.Link{}, err
		}
		err = token.Check(&refresh)
		switch {
		case errors.Is(err, bridge.ErrReplayed):
			by := bridge.Revocation{Reason: bridge.ReasonRefreshReplayed, Actor: bridge.ActorSkill(refresh.ClientID),
				At: refresh.Now, Origin: refresh.Origin}
			_, failed := tx.revokeLinks(by, `id = $4`, token.Link.ID)
			err = cmp.Or(failed, err)
		case err == nil:
			err = addRefreshed(tx, &token, &refresh)
		}
		return token.Link, err
	})
}

// selectPresented is completed with a condition on tokens.hash.
const selectPresented = `SELECT ` + linkColumns + `, tokens.hash, tokens.parent, tokens.expires_at, tokens.superseded_at
	FROM links JOIN tokens ON tokens.link_id = links.id WHERE tokens.kind = '` + kindRefresh + `' AND tokens.hash`

// scanPresented returns ErrNotFound if there is no row.
func scanPresented(row interface{ Scan(...any) error }) (token bridge.RefreshToken, err error) {
	var expires, superseded int64
	token.Link, err = scanLink(row, &token.Hash, &token.Parent, &expires, &superseded)
	token.ExpiresAt, token.SupersededAt = timeOf(expires), timeOf(superseded)
	return token, orNotFound(err)
}

func addRefreshed(tx *transaction, token *bridge.RefreshToken, refresh *bridge.Refresh) error {
	if token.Parent != "" {
		if err := supersede(tx, token, refresh.Now); err != nil {
			return err
		}
	}
	if refresh.Tokens.Refresh == "" {
		return insertPair(tx, token.Link.ID, refresh.Tokens, refresh.Now, "", 0)
	}
	var place int64
	err := tx.QueryRow(`SELECT COALESCE(MAX(place), 0) + 1 FROM tokens WHERE parent = $1`, string(token.Hash)).Scan(&place)
	if err != nil {
		return err
	}
	if err := insertPair(tx, token.Link.ID, refresh.Tokens, refresh.Now, token.Hash, place); err != nil {
		return err
	}
	// The oldest children beyond the limit. None of them was presented, or this token would be superseded.
	_, err = tx.Exec(`DELETE FROM tokens WHERE parent = $1 AND place <= $2`,
		string(token.Hash), place-bridge.MaxSuccessors)
	return err
}

// supersede supersedes the parent and the siblings of a presented token: presenting it confirms that the response
// with it arrived.
func supersede(tx *transaction, token *bridge.RefreshToken, now time.Time) error {
	_, err := tx.Exec(`UPDATE tokens SET superseded_at = $1
		WHERE superseded_at = 0 AND (hash = $2 OR parent = $2) AND hash <> $3 AND link_id = $4`,
		seconds(now), string(token.Parent), string(token.Hash), token.Link.ID)
	return err
}

// refreshBatches is how many batches of refreshes run at once.
const refreshBatches = 2

// pendingRefresh is a refresh in a batch on PostgreSQL. The ordinary ones, with a valid token that has no parent,
// share two statements. The others run in transactions.
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

// refreshBatch reads the refresh tokens of a batch, and adds the access tokens of the ordinary ones. If the
// query fails, or PostgreSQL reports that it did not execute the INSERT, all of them run in transactions.
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
			if pending.refresh.Token == token.Hash && token.Parent == "" && token.Check(pending.refresh) == nil {
				pending.link = token.Link
				ordinary[string(pending.refresh.Tokens.Access)] = pending
			}
		}
	}
	return ordinary, rows.Err()
}

// addAccessTokens adds the access tokens of refreshes whose refresh tokens were found to be good. Its conditions do
// not judge them again: they guard against a transaction that revoked the link or superseded the token since the
// query. A link that another transaction has locked is skipped, because two batches that wait for each other's links
// would deadlock.
func addAccessTokens(ctx context.Context, db *sql.DB, ordinary map[string]*pendingRefresh) error {
	var presented, access []string
	var created, expires []int64
	for hash, pending := range ordinary {
		presented, access = append(presented, string(pending.refresh.Token)), append(access, hash)
		created = append(created, seconds(pending.refresh.Now))
		expires = append(expires, seconds(pending.refresh.Tokens.AccessExpiresAt))
	}
	added, err := engine.Texts(db.QueryContext(ctx, `INSERT INTO tokens
		(hash, link_id, kind, created_at, expires_at, parent, place, superseded_at)
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
