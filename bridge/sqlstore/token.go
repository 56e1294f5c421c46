package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"alexa-oidc-bridge/bridge"
)

const lookUpStatement = `SELECT ` + linkColumns + `, tokens.created_at, tokens.expires_at
	FROM tokens JOIN links ON links.id = tokens.link_id WHERE tokens.hash = $1 AND tokens.kind = '` + kindAccess + `'`

// LookUp finds an access token; see [bridge.Store].
func (s *Store) LookUp(ctx context.Context, token bridge.Hash) (bridge.AccessToken, error) {
	var issued, expires int64
	link, err := scanLink(s.lookUp.QueryRowContext(ctx, string(token)), &issued, &expires)
	if errors.Is(err, sql.ErrNoRows) {
		return bridge.AccessToken{}, bridge.ErrNotFound
	}
	if err != nil {
		return bridge.AccessToken{}, err
	}
	return bridge.AccessToken{Link: link, IssuedAt: timeOf(issued), ExpiresAt: timeOf(expires)}, nil
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

// insertToken adds a token to a link that is live. The update that changes nothing locks the link's row, so that no
// revocation can come between the check and the insert, whatever the database.
func insertToken(tx *sql.Tx, token newToken) error {
	n, err := changed(tx.Exec(`UPDATE links SET revoked_at = 0 WHERE id = $1 AND revoked_at = 0`, token.linkID))
	if err != nil {
		return err
	}
	if n == 0 {
		return bridge.ErrRevoked
	}
	_, err = tx.Exec(`INSERT INTO tokens (hash, link_id, kind, created_at, expires_at, parent, place, superseded_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, 0)`, string(token.hash), token.linkID, token.kind,
		seconds(token.created), seconds(token.expires), string(token.parent), token.place)
	return err
}
