package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"alexa-oidc-bridge/bridge"
)

// Lookup finds an access token; see [bridge.Store].
func (s *Store) Lookup(ctx context.Context, token bridge.Hash) (bridge.AccessToken, error) {
	open := s.open.Load() // that its file was replaced is looked at for unusual answers only
	if open == nil {
		var err error
		if open, err = s.opened(ctx); err != nil {
			return bridge.AccessToken{}, err
		}
	}
	found, err := open.lookups.find(ctx, string(token))
	unusual := errors.Is(err, sql.ErrNoRows) || found.Link.Revoked()
	switch {
	case unusual && open.file.replaced(): // the new file may say something else
		return bridge.AccessToken{}, errReplaced
	case errors.Is(err, sql.ErrNoRows):
		return bridge.AccessToken{}, bridge.ErrNotFound
	}
	return found, err
}

// Kinds of tokens in the table.
const (
	kindAccess  = "access"
	kindRefresh = "refresh"
)

type newToken struct {
	hash             bridge.Hash
	linkID, kind     string
	created, expires time.Time
	parent           bridge.Hash // of a refresh token that follows another
	place            int64       // among the children of the parent, counted from the first
}

// insertToken adds a token to a link that is live. The link's row must have been locked or made by this transaction, so
// that no revocation comes between the condition and the commit.
func insertToken(tx *transaction, token newToken) error {
	n, err := changed(tx.Exec(`INSERT INTO tokens (hash, link_id, kind, created_at, expires_at, parent, place, superseded_at)
		SELECT $1, id, $2, CAST($3 AS BIGINT), CAST($4 AS BIGINT), $5, CAST($6 AS BIGINT), 0 FROM links WHERE id = $7 AND revoked_at = 0`,
		string(token.hash), token.kind, seconds(token.created), seconds(token.expires), string(token.parent), token.place, token.linkID))
	if err == nil && n == 0 {
		err = bridge.ErrRevoked
	}
	return err
}
