package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"alexa-oidc-bridge/bridge"
)

// Sweep removes what nothing can need any more; see [bridge.Store].
func (s *Store) Sweep(ctx context.Context, now time.Time, limit int) (int, error) {
	var removed int64
	err := s.write(ctx, func(tx *sql.Tx) (err error) {
		removed, err = sweep(tx, now, limit)
		return err
	})
	if err != nil { // also when the context ended first, and the write is still under way
		return 0, err
	}
	return int(removed), nil
}

func sweep(tx *sql.Tx, now time.Time, limit int) (removed int64, err error) {
	for _, step := range []struct {
		reason    bridge.Reason // for steps that end links; empty for those that remove rows
		statement string
		until     time.Time
	}{
		{bridge.ReasonNotRedeemed, unredeemedLinks, now.Add(-bridge.RedeemGrace)},
		{"", deleteUnredeemed, now.Add(-bridge.RedeemGrace)},
		{"", deleteRedeemed, now.Add(-bridge.ReplayMemory)},
		{bridge.ReasonExpired, expiredLinks, now},
		{"", deleteExpired, now},
		{"", deleteSuperseded, now.Add(-bridge.ReplayMemory)},
		{"", deletePending, now},
	} {
		var n int64
		if step.reason == "" {
			n, err = changed(tx.Exec(step.statement, seconds(step.until), limit))
		} else {
			n, err = endLinks(tx, step.statement, step.reason, step.until, now, limit)
		}
		if err != nil {
			return 0, err
		}
		removed += n
	}
	return removed, nil
}

// Conditions and statements of the sweep: the first parameter is until when, the second the limit. Rows of one time are told apart by their hash, so
// that what ends links and what removes their rows meet the same ones.
const (
	// unredeemedLinks are links of codes that nobody came for.
	unredeemedLinks = `id IN (SELECT link_id FROM codes WHERE redeemed_at = 0 AND expires_at <= %[1]s ORDER BY expires_at, hash LIMIT %[2]s)`

	deleteUnredeemed = `DELETE FROM codes WHERE hash IN
		(SELECT hash FROM codes WHERE redeemed_at = 0 AND expires_at <= $1 ORDER BY expires_at, hash LIMIT $2)`
	deleteRedeemed = `DELETE FROM codes WHERE hash IN
		(SELECT hash FROM codes WHERE redeemed_at > 0 AND redeemed_at <= $1 ORDER BY redeemed_at, hash LIMIT $2)`

	// expiredLinks are links of tokens that are about to be removed, and that have no other that could be used.
	expiredLinks = `id IN (SELECT link_id FROM tokens WHERE expires_at > 0 AND expires_at <= %[1]s ORDER BY expires_at, hash LIMIT %[2]s)
		AND NOT EXISTS (SELECT 1 FROM tokens WHERE tokens.link_id = links.id AND tokens.superseded_at = 0
		AND (tokens.expires_at = 0 OR tokens.expires_at > %[1]s))`

	deleteExpired = `DELETE FROM tokens WHERE hash IN
		(SELECT hash FROM tokens WHERE expires_at > 0 AND expires_at <= $1 ORDER BY expires_at, hash LIMIT $2)`
	deleteSuperseded = `DELETE FROM tokens WHERE hash IN
		(SELECT hash FROM tokens WHERE superseded_at > 0 AND superseded_at <= $1 ORDER BY superseded_at, hash LIMIT $2)`
	deletePending = `DELETE FROM pending_consents WHERE handle IN
		(SELECT handle FROM pending_consents WHERE expires_at <= $1 ORDER BY expires_at, handle LIMIT $2)`
)

// endLinks ends the live links for which a condition holds. Their rows are locked by an update that changes nothing before
// the condition is asked again: meanwhile a code may have been redeemed, or a token refreshed.
func endLinks(tx *sql.Tx, condition string, reason bridge.Reason, until, now time.Time, limit int) (int64, error) {
	_, err := tx.Exec(`UPDATE links SET revoked_at = 0 WHERE revoked_at = 0 AND `+fmt.Sprintf(condition, "$1", "$2"), seconds(until), limit)
	if err != nil {
		return 0, err
	}
	return changed(tx.Exec(`UPDATE links SET revoked_at = $1, reason = $2 WHERE revoked_at = 0 AND `+fmt.Sprintf(condition, "$3", "$4"),
		seconds(now), string(reason), seconds(until), limit))
}
