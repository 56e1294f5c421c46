package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"time"

	"alexa-oidc-bridge/bridge"
)

// presentedCode is an authorization code as it is stored, with its link.
type presentedCode struct {
	link                       bridge.Link
	redirectURI, codeChallenge string
	expires, redeemed          int64
}

// check decides whether a code is good for a redemption. It is the only place that does.
func (c *presentedCode) check(redemption *bridge.Redemption) error {
	switch {
	case c.link.ClientID != redemption.ClientID,
		redemption.RedirectURI != "" && redemption.RedirectURI != c.redirectURI,
		redemption.CodeChallenge != c.codeChallenge:
		return bridge.ErrMismatch
	case c.redeemed != 0:
		return bridge.ErrReplayed
	case seconds(redemption.Now) >= c.expires:
		return bridge.ErrNotFound
	case c.link.Revoked():
		return bridge.ErrRevoked
	case !redemption.Permits(&c.link):
		return bridge.ErrSuspended
	}
	return nil
}

// Redeem exchanges a code for tokens; see [bridge.Store].
func (s *Store) Redeem(ctx context.Context, redemption bridge.Redemption) (bridge.Link, error) {
	return writeResult(ctx, s, func(tx *transaction) (bridge.Link, error) {
		code, err := selectCode(tx, redemption.Code)
		if err != nil {
			return bridge.Link{}, err
		}
		err = code.check(&redemption)
		switch {
		case errors.Is(err, bridge.ErrReplayed):
			err = cmp.Or(revokeAfterReplay(tx, &code, redemption.Now), err)
		case err == nil:
			err = redeem(tx, &code.link, &redemption)
		}
		return code.link, err
	})
}

// selectCode returns a code, or ErrNotFound. It locks the link and the code.
func selectCode(tx *transaction, hash bridge.Hash) (code presentedCode, err error) {
	row := tx.QueryRow(`SELECT `+linkColumns+`, codes.redirect_uri, codes.code_challenge, codes.expires_at, codes.redeemed_at
		FROM links JOIN codes ON codes.link_id = links.id WHERE codes.hash = $1`+tx.RowLock, string(hash))
	code.link, err = scanLink(row, &code.redirectURI, &code.codeChallenge, &code.expires, &code.redeemed)
	if errors.Is(err, sql.ErrNoRows) {
		err = bridge.ErrNotFound
	}
	return code, err
}

func redeem(tx *transaction, link *bridge.Link, redemption *bridge.Redemption) error {
	_, err := tx.Exec(`UPDATE codes SET redeemed_at = $1 WHERE hash = $2`, seconds(redemption.Now), string(redemption.Code))
	if err != nil {
		return err
	}
	if err := insertPair(tx, link.ID, redemption.Tokens, redemption.Now, "", 0); err != nil {
		return err
	}
	return revokeOldest(tx, link, redemption.MaxLinks, redemption.Now)
}

// revokeAfterReplay revokes the link of a code that is presented again (RFC 6749 §4.1.2), unless it comes so soon
// that the first response may have been lost.
func revokeAfterReplay(tx *transaction, code *presentedCode, now time.Time) error {
	if seconds(now)-code.redeemed <= int64(bridge.CodeReplayGrace.Seconds()) {
		return nil
	}
	_, err := tx.revokeLinks(bridge.ReasonCodeReplayed, now, `id = $3`, code.link.ID)
	return err
}
