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
	open, err := s.opened(ctx)
	if err != nil {
		return bridge.Link{}, err
	}
	if link, done, err := open.refreshes.try(ctx, &refresh); done || err != nil {
		return link, err
	}
	return s.present(ctx, func(tx *transaction) (bridge.Link, bool, error) { return refreshOnce(tx, &refresh) })
}

// presented is a refresh token that is presented, with its link.
type presented struct {
	link                bridge.Link
	token, parent       bridge.Hash
	expires, superseded int64
}

// selectPresented is to be completed by which hashes.
const selectPresented = `SELECT ` + linkColumns + `, tokens.hash, tokens.parent, tokens.expires_at, tokens.superseded_at
	FROM links JOIN tokens ON tokens.link_id = links.id WHERE tokens.kind = '` + kindRefresh + `' AND tokens.hash`

func scanPresented(row interface{ Scan(...any) error }) (presented, error) {
	var p presented
	var err error
	p.link, err = scanLink(row, &p.token, &p.parent, &p.expires, &p.superseded)
	return p, err
}

// refusal says why it is good for nothing; nil: it is good.
func (p *presented) refusal(refresh *bridge.Refresh) error {
	switch {
	case p.link.ClientID != refresh.ClientID:
		return bridge.ErrMismatch
	case p.link.Revoked():
		return bridge.ErrRevoked
	case p.expires != 0 && seconds(refresh.Now) >= p.expires:
		return bridge.ErrNotFound
	case p.superseded != 0:
		return bridge.ErrReplayed
	case !refresh.Honours(&p.link):
		return bridge.ErrSuspended
	case !p.link.HasScopes(refresh.Scope):
		return bridge.ErrScope
	}
	return nil
}

func refreshOnce(tx *transaction, refresh *bridge.Refresh) (link bridge.Link, replayed bool, err error) {
	found, err := scanPresented(tx.QueryRow(selectPresented+` = $1`+tx.rowLock, string(refresh.Token)))
	if errors.Is(err, sql.ErrNoRows) {
		err = bridge.ErrNotFound
	}
	if err == nil {
		err = found.refusal(refresh)
	}
	switch {
	case errors.Is(err, bridge.ErrReplayed):
		_, err = tx.end(bridge.ReasonRefreshReplayed, refresh.Now, `id = $3`, found.link.ID)
		return found.link, true, err
	case err != nil:
		return found.link, false, err
	}
	return found.link, false, refreshNow(tx, &found.link, refresh, found.parent)
}

func refreshNow(tx *transaction, link *bridge.Link, refresh *bridge.Refresh, parent bridge.Hash) error {
	if parent != "" {
		if err := supersede(tx, link.ID, refresh.Token, parent, refresh.Now); err != nil {
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
func supersede(tx *transaction, linkID string, token, parent bridge.Hash, now time.Time) error {
	_, err := tx.Exec(`UPDATE tokens SET superseded_at = $1 WHERE superseded_at = 0 AND (hash = $2 OR parent = $2) AND hash <> $3 AND link_id = $4`,
		seconds(now), string(parent), string(token), linkID)
	return err
}

// RevokeByToken ends the link of a live token; see [bridge.Store].
func (s *Store) RevokeByToken(ctx context.Context, token bridge.Hash, clients []string, now time.Time) (bridge.Link, error) {
	if len(clients) == 0 {
		return bridge.Link{}, bridge.ErrNotFound
	}
	var link bridge.Link
	err := s.write(ctx, func(tx *transaction) error {
		args := []any{string(token), seconds(now)}
		var places []string
		for _, client := range clients {
			args = append(args, client)
			places = append(places, placeholder(2+len(args)))
		}
		ended, err := tx.end(bridge.ReasonClient, now, `id IN (SELECT link_id FROM tokens WHERE hash = $3
			AND superseded_at = 0 AND (expires_at = 0 OR expires_at > $4)) AND client_id IN (`+strings.Join(places, ", ")+`)`, args...)
		if err != nil {
			return err
		}
		if len(ended) == 0 {
			return bridge.ErrNotFound
		}
		link = ended[0]
		return nil
	})
	if err != nil {
		return bridge.Link{}, err
	}
	return link, nil
}
