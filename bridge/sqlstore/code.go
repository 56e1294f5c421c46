package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"alexa-oidc-bridge/bridge"
)

func insertCode(tx *transaction, linkID string, code *bridge.NewCode) error {
	_, err := tx.Exec(`INSERT INTO codes (hash, link_id, redirect_uri, code_challenge, expires_at, redeemed_at)
		VALUES ($1, $2, $3, $4, $5, 0)`,
		string(code.Hash), linkID, code.RedirectURI, code.CodeChallenge, seconds(code.ExpiresAt))
	return err
}

// Redeem turns a code into tokens; see [bridge.Store].
func (s *Store) Redeem(ctx context.Context, redemption bridge.Redemption) (bridge.Link, error) {
	return s.present(ctx, func(tx *transaction) (bridge.Link, bool, error) { return redeem(tx, &redemption) })
}

// present runs a transaction in which a code or a refresh token is presented. That it was presented before is an answer,
// which may end the link: so that transaction is committed, and the answer given afterwards.
func (s *Store) present(ctx context.Context, do func(*transaction) (bridge.Link, bool, error)) (bridge.Link, error) {
	var link bridge.Link
	var replayed bool
	err := s.write(ctx, func(tx *transaction) (err error) {
		link, replayed, err = do(tx)
		return err
	})
	if err == nil && replayed {
		err = bridge.ErrReplayed
	}
	if err != nil {
		return bridge.Link{}, err
	}
	return link, nil
}

func redeem(tx *transaction, redemption *bridge.Redemption) (link bridge.Link, replayed bool, err error) {
	var redirectURI, challenge string
	var expires, redeemed int64
	link, err = scanLink(tx.QueryRow(`SELECT `+linkColumns+`, codes.redirect_uri, codes.code_challenge, codes.expires_at, codes.redeemed_at
		FROM links JOIN codes ON codes.link_id = links.id WHERE codes.hash = $1`+tx.rowLock, string(redemption.Code)),
		&redirectURI, &challenge, &expires, &redeemed)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return link, false, bridge.ErrNotFound
	case err != nil:
		return link, false, err
	case link.ClientID != redemption.ClientID,
		redemption.RedirectURI != "" && redemption.RedirectURI != redirectURI,
		redemption.CodeChallenge != challenge:
		return link, false, bridge.ErrMismatch
	case redeemed != 0:
		return link, true, endAfterReplay(tx, &link, redeemed, redemption.Now)
	case seconds(redemption.Now) >= expires:
		return link, false, bridge.ErrNotFound
	case link.Revoked():
		return link, false, bridge.ErrRevoked
	case !redemption.Honours(&link):
		return link, false, bridge.ErrSuspended
	}
	return link, false, redeemNow(tx, &link, redemption)
}

func redeemNow(tx *transaction, link *bridge.Link, redemption *bridge.Redemption) error {
	_, err := tx.Exec(`UPDATE codes SET redeemed_at = $1 WHERE hash = $2`, seconds(redemption.Now), string(redemption.Code))
	if err != nil {
		return err
	}
	if err := insertPair(tx, link.ID, redemption.Tokens, redemption.Now, "", 0); err != nil {
		return err
	}
	return replaceOldest(tx, link, redemption.MaxLinks, redemption.Now)
}

// endAfterReplay ends the link of a code that comes again, unless so soon that an answer may have been lost.
func endAfterReplay(tx *transaction, link *bridge.Link, redeemed int64, now time.Time) error {
	if seconds(now)-redeemed <= int64(bridge.CodeReplayGrace.Seconds()) {
		return nil
	}
	_, err := tx.end(bridge.ReasonCodeReplayed, now, `id = $3`, link.ID)
	return err
}

// insertPair adds an access token and, if there is one, a refresh token.
func insertPair(tx *transaction, linkID string, tokens bridge.NewTokens, now time.Time, parent bridge.Hash, place int64) error {
	access := newToken{hash: tokens.Access, linkID: linkID, kind: kindAccess, created: now, expires: tokens.AccessExpiresAt}
	if err := insertToken(tx, access); err != nil || tokens.Refresh == "" {
		return err
	}
	return insertToken(tx, newToken{hash: tokens.Refresh, linkID: linkID, kind: kindRefresh, created: now,
		expires: tokens.RefreshExpiresAt, parent: parent, place: place})
}
