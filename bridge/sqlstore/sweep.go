package sqlstore

import (
	"context"
	"database/sql"
	"time"

	"alexa-oidc-bridge/bridge"
)

// Sweep removes what nothing can need any more; see [bridge.Store].
func (s *Store) Sweep(ctx context.Context, now time.Time, limit int) (int, error) {
	var removed int64
	err := s.write(ctx, func(tx *sql.Tx) error {
		removed = 0
		if err := endUnredeemed(tx, now, limit); err != nil {
			return err
		}
		if err := endExpired(tx, now, limit); err != nil {
			return err
		}
		memory := seconds(now.Add(-bridge.ReplayMemory))
		for _, sweep := range []struct {
			statement string
			until     int64
		}{
			{`DELETE FROM pending_consents WHERE handle IN
				(SELECT handle FROM pending_consents WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)`, seconds(now)},
			{`DELETE FROM tokens WHERE hash IN
				(SELECT hash FROM tokens WHERE expires_at > 0 AND expires_at <= $1 ORDER BY expires_at LIMIT $2)`, seconds(now)},
			{`DELETE FROM tokens WHERE hash IN
				(SELECT hash FROM tokens WHERE superseded_at > 0 AND superseded_at <= $1 ORDER BY superseded_at LIMIT $2)`, memory},
			{`DELETE FROM codes WHERE hash IN
				(SELECT hash FROM codes WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)`, memory},
		} {
			n, err := changed(tx.Exec(sweep.statement, sweep.until, limit))
			if err != nil {
				return err
			}
			removed += n
		}
		return nil
	})
	if err != nil { // also when the context ended first, and the write is still under way
		return 0, err
	}
	return int(removed), nil
}

// endUnredeemed ends links whose code expired before anybody presented it.
func endUnredeemed(tx *sql.Tx, now time.Time, limit int) error {
	_, err := tx.Exec(`UPDATE links SET revoked_at = $1, reason = $2 WHERE revoked_at = 0 AND id IN
		(SELECT codes.link_id FROM codes JOIN links ON links.id = codes.link_id
		WHERE codes.redeemed_at = 0 AND codes.expires_at <= $1 AND links.revoked_at = 0 ORDER BY codes.expires_at LIMIT $3)`,
		seconds(now), string(bridge.ReasonNotRedeemed), limit)
	return err
}

// endExpired ends links of which no token is left that could be used, when one of theirs is about to be swept away.
func endExpired(tx *sql.Tx, now time.Time, limit int) error {
	_, err := tx.Exec(`UPDATE links SET revoked_at = $1, reason = $2 WHERE revoked_at = 0 AND id IN
		(SELECT link_id FROM tokens WHERE expires_at > 0 AND expires_at <= $1 ORDER BY expires_at LIMIT $3)
		AND NOT EXISTS (SELECT 1 FROM tokens WHERE tokens.link_id = links.id AND tokens.superseded_at = 0
		AND (tokens.expires_at = 0 OR tokens.expires_at > $1))`,
		seconds(now), string(bridge.ReasonExpired), limit)
	return err
}
