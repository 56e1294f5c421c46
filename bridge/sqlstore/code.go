package sqlstore

import (
	"cmp"
	"context"
	"errors"

	"alexa-oidc-bridge/bridge"
)

// Redeem exchanges a code for tokens; see [bridge.Store].
func (s *Store) Redeem(ctx context.Context, redemption bridge.Redemption) (bridge.Link, error) {
	return writeResult(ctx, s, func(tx *transaction) (bridge.Link, error) {
		code, err := selectCode(tx, redemption.Code)
		if err != nil {
			return bridge.Link{}, err
		}
		err = code.Check(&redemption)
		switch {
		case errors.Is(err, bridge.ErrReplayed):
			err = cmp.Or(revokeAfterReplay(tx, &code, &redemption), err)
		case err == nil:
			err = redeem(tx, &code.Link, &redemption)
		}
		return code.Link, err
	})
}

// selectCode returns a code, or ErrNotFound. It locks the link and the code.
func selectCode(tx *transaction, hash bridge.Hash) (code bridge.AuthorizationCode, err error) {
	row := tx.QueryRow(`SELECT `+linkColumns+`, codes.redirect_uri, codes.code_challenge, codes.expires_at,
		codes.redeemed_at FROM links JOIN codes ON codes.link_id = links.id WHERE codes.hash = $1`+tx.RowLock, string(hash))
	var expires, redeemed int64
	code.Link, err = scanLink(row, &code.RedirectURI, &code.CodeChallenge, &expires, &redeemed)
	code.Hash, code.ExpiresAt, code.RedeemedAt = hash, timeOf(expires), timeOf(redeemed)
	return code, orNotFound(err)
}

func redeem(tx *transaction, link *bridge.Link, redemption *bridge.Redemption) error {
	_, err := tx.Exec(`UPDATE codes SET redeemed_at = $1 WHERE hash = $2`,
		seconds(redemption.Now), string(redemption.Code))
	if err != nil {
		return err
	}
	if err := insertPair(tx, link.ID, redemption.Tokens, redemption.Now, "", 0); err != nil {
		return err
	}
	tx.audit(link, bridge.AuditRecord{
		At: redemption.Now, Event: bridge.AuditRedeemed, Actor: bridge.ActorSkill(link.ClientID), Origin: redemption.Origin,
	})
	return revokeOldest(tx, link, redemption.MaxLinks, redemption.Now, redemption.Origin)
}

// revokeAfterReplay revokes the link of a code that is presented again (RFC 6749 §4.1.2), unless it comes so soon
// that the first response may have been lost.
func revokeAfterReplay(tx *transaction, code *bridge.AuthorizationCode, replay *bridge.Redemption) error {
	if seconds(replay.Now)-seconds(code.RedeemedAt) <= int64(bridge.CodeReplayGrace.Seconds()) {
		return nil
	}
	by := bridge.Revocation{Reason: bridge.ReasonCodeReplayed, Actor: bridge.ActorSkill(code.Link.ClientID),
		At: replay.Now, Origin: replay.Origin}
	_, err := tx.revokeLinks(by, `id = $4`, code.Link.ID)
	return err
}
