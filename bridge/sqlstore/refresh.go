package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"time"

	"alexa-oidc-bridge/bridge"
)

// presentedToken is a refresh token as it is stored, with its link.
type presentedToken struct {
	link                bridge.Link
	hash, parent        bridge.Hash
	expires, superseded int64
}

// check decides whether a refresh token is good for a refresh. It is the only place that does.
func (t *presentedToken) check(refresh *bridge.Refresh) error {
	switch {
	case t.link.ClientID != refresh.ClientID:
		return bridge.ErrMismatch
	case t.link.Revoked():
		return bridge.ErrRevoked
	case t.expires != 0 && seconds(refresh.Now) >= t.expires:
		return bridge.ErrNotFound
	case t.superseded != 0:
		return bridge.ErrReplayed
	case !refresh.Honours(&t.link):
		return bridge.ErrSuspended
	case !t.link.HasScopes(refresh.Scope):
		return bridge.ErrScope
	}
	return nil
}

// Refresh adds an access token for a refresh token; see [bridge.Store].
func (s *Store) Refresh(ctx context.Context, refresh bridge.Refresh) (bridge.Link, error) {
	if s.refreshes != nil && refresh.Tokens.Refresh == "" {
		if link, done, err := s.refreshInBatch(ctx, &refresh); done || err != nil {
			return link, err
		}
	}
	return writeResult(ctx, s, func(tx *transaction) (bridge.Link, error) {
		token, err := scanPresented(tx.QueryRow(selectPresented+` = $1`+tx.RowLock, string(refresh.Token))) // locks link and token
		if err != nil {
			return bridge.Link{}, err
		}
		err = token.check(&refresh)
		switch {
		case errors.Is(err, bridge.ErrReplayed):
			_, failed := tx.revokeLinks(bridge.ReasonRefreshReplayed, refresh.Now, `id = $3`, token.link.ID)
			err = cmp.Or(failed, err)
		case err == nil:
			err = addRefreshed(tx, &token, &refresh)
		}
		return token.link, err
	})
}

// selectPresented is completed with a condition on tokens.hash.
const selectPresented = `SELECT ` + linkColumns + `, tokens.hash, tokens.parent, tokens.expires_at, tokens.superseded_at
	FROM links JOIN tokens ON tokens.link_id = links.id WHERE tokens.kind = '` + kindRefresh + `' AND tokens.hash`

// scanPresented returns ErrNotFound if there is no row.
func scanPresented(row interface{ Scan(...any) error }) (token presentedToken, err error) {
	token.link, err = scanLink(row, &token.hash, &token.parent, &token.expires, &token.superseded)
	if errors.Is(err, sql.ErrNoRows) {
		err = bridge.ErrNotFound
	}
	return token, err
}

func addRefreshed(tx *transaction, token *presentedToken, refresh *bridge.Refresh) error {
	if token.parent != "" {
		if err := supersede(tx, token, refresh.Now); err != nil {
			return err
		}
	}
	if refresh.Tokens.Refresh == "" {
		return insertPair(tx, token.link.ID, refresh.Tokens, refresh.Now, "", 0)
	}
	var place int64
	err := tx.QueryRow(`SELECT COALESCE(MAX(place), 0) + 1 FROM tokens WHERE parent = $1`, string(token.hash)).Scan(&place)
	if err != nil {
		return err
	}
	if err := insertPair(tx, token.link.ID, refresh.Tokens, refresh.Now, token.hash, place); err != nil {
		return err
	}
	// The oldest children beyond the limit. None of them was presented, or this token would be superseded.
	_, err = tx.Exec(`DELETE FROM tokens WHERE parent = $1 AND place <= $2`, string(token.hash), place-bridge.MaxSuccessors)
	return err
}

// supersede supersedes the parent and the siblings of a presented token: presenting it confirms that the response with it
// arrived.
func supersede(tx *transaction, token *presentedToken, now time.Time) error {
	_, err := tx.Exec(`UPDATE tokens SET superseded_at = $1 WHERE superseded_at = 0 AND (hash = $2 OR parent = $2) AND hash <> $3 AND link_id = $4`,
		seconds(now), string(token.parent), string(token.hash), token.link.ID)
	return err
}
