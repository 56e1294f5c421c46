package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"alexa-oidc-bridge/bridge"
)

const lookUpStatement = `SELECT ` + linkColumns + `, tokens.created_at, tokens.expires_at
	FROM tokens JOIN links ON links.id = tokens.link_id WHERE tokens.hash = $1 AND tokens.kind = 'access'`

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

// insertToken adds a token to a link that is live. The update that changes nothing locks the link's row, so that no
// revocation can come between the check and the insert, whatever the database.
func insertToken(tx *sql.Tx, linkID, kind string, token bridge.Hash, created, expires time.Time) error {
	n, err := changed(tx.Exec(`UPDATE links SET revoked_at = 0 WHERE id = $1 AND revoked_at = 0`, linkID))
	if err != nil {
		return err
	}
	if n == 0 {
		return bridge.ErrRevoked
	}
	_, err = tx.Exec(`INSERT INTO tokens (hash, link_id, kind, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)`,
		string(token), linkID, kind, seconds(created), seconds(expires))
	return err
}
