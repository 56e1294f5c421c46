package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	"alexa-oidc-bridge/bridge"
)

// Refresh adds an access token for a refresh token; see [bridge.Store].
func (s *Store) Refresh(ctx context.Context, refresh bridge.Refresh) (bridge.Link, error) {
	return s.present(ctx, func(tx *sql.Tx) (bridge.Link, bool, error) { return refreshOnce(tx, &refresh) })
}

func refreshOnce(tx *sql.Tx, refresh *bridge.Refresh) (link bridge.Link, replayed bool, err error) {
	if err := lockLinkOf(tx, refresh.Token); err != nil {
		return link, false, err
	}
	var parent bridge.Hash
	var expires, superseded int64
	link, err = scanLink(tx.QueryRow(`SELECT `+linkColumns+`, tokens.parent, tokens.expires_at, tokens.superseded_at
		FROM tokens JOIN links ON links.id = tokens.link_id WHERE tokens.hash = $1 AND tokens.kind = '`+kindRefresh+`'`,
		string(refresh.Token)), &parent, &expires, &superseded)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return link, false, bridge.ErrNotFound
	case err != nil:
		return link, false, err
	case link.ClientID != refresh.ClientID:
		return link, false, bridge.ErrMismatch
	case link.Revoked():
		return link, false, bridge.ErrRevoked
	case expires != 0 && seconds(refresh.Now) >= expires:
		return link, false, bridge.ErrNotFound
	case superseded != 0:
		return link, true, revokeLink(tx, link.ID, bridge.ReasonRefreshReplayed, refresh.Now)
	case !refresh.Honours(&link):
		return link, false, bridge.ErrSuspended
	case !link.HasScopes(refresh.Scope):
		return link, false, bridge.ErrScope
	}
	return link, false, refreshNow(tx, &link, refresh, parent)
}

// lockLinkOf locks the row of the link that a token belongs to, so that what is read of it after this stays true until the
// transaction ends, whatever the database.
func lockLinkOf(tx *sql.Tx, token bridge.Hash) error {
	_, err := tx.Exec(`UPDATE links SET revoked_at = revoked_at WHERE id IN (SELECT link_id FROM tokens WHERE hash = $1)`, string(token))
	return err
}

func refreshNow(tx *sql.Tx, link *bridge.Link, refresh *bridge.Refresh, parent bridge.Hash) error {
	if parent != "" {
		if err := supersede(tx, refresh.Token, parent, refresh.Now); err != nil {
			return err
		}
	}
	if refresh.Tokens.Refresh == "" {
		return insertPair(tx, link.ID, refresh.Tokens, refresh.Now, "", 0)
	}
	var place int64
	err := tx.QueryRow(`SELECT COALESCE(MAX(place), 0) + 1 FROM tokens WHERE parent = $1`, string(refresh.Token)).Scan(&place)
	if err != nil {
		return err
	}
	if err := insertPair(tx, link.ID, refresh.Tokens, refresh.Now, refresh.Token, place); err != nil {
		return err
	}
	// None of its children was presented, or it would be superseded itself.
	_, err = tx.Exec(`DELETE FROM tokens WHERE parent = $1 AND place <= $2`, string(refresh.Token), place-bridge.MaxSuccessors)
	return err
}

// supersede ends a presented token's parent and siblings: that it was presented confirms that the answer arrived.
func supersede(tx *sql.Tx, token, parent bridge.Hash, now time.Time) error {
	_, err := tx.Exec(`UPDATE tokens SET superseded_at = $1 WHERE superseded_at = 0 AND (hash = $2 OR parent = $2) AND hash <> $3`,
		seconds(now), string(parent), string(token))
	return err
}

// RevokeByToken ends the link of a live token; see [bridge.Store].
func (s *Store) RevokeByToken(ctx context.Context, token bridge.Hash, clients []string, now time.Time) (bridge.Link, error) {
	if len(clients) == 0 {
		return bridge.Link{}, bridge.ErrNotFound
	}
	var link bridge.Link
	err := s.write(ctx, func(tx *sql.Tx) (err error) {
		args := []any{seconds(now), string(bridge.ReasonClient), string(token)}
		var places []string
		for _, client := range clients {
			args = append(args, client)
			places = append(places, placeholder(len(args)))
		}
		link, err = scanLink(tx.QueryRow(`UPDATE links SET revoked_at = $1, reason = $2 WHERE revoked_at = 0 AND id IN
			(SELECT link_id FROM tokens WHERE hash = $3 AND superseded_at = 0 AND (expires_at = 0 OR expires_at > $1))
			AND client_id IN (`+strings.Join(places, ", ")+`) RETURNING `+linkColumns, args...))
		if errors.Is(err, sql.ErrNoRows) {
			return bridge.ErrNotFound
		}
		return err
	})
	if err != nil {
		return bridge.Link{}, err
	}
	return link, nil
}
