package sqlstore

import (
	"context"
	"fmt"
	"time"

	"alexa-oidc-bridge/bridge"
)

// Sweep removes what nothing can need any more; see [bridge.Store]. Each step is a transaction of its own, so that none holds
// the feed while it waits for links.
func (s *Store) Sweep(ctx context.Context, now time.Time, limit int) (int, error) {
	removed := 0
	for _, step := range []sweepStep{
		{bridge.ReasonNotRedeemed, unredeemedLinks, now.Add(-bridge.RedeemGrace)},
		{"", deleteUnredeemed, now.Add(-bridge.RedeemGrace)},
		{"", deleteRedeemed, now.Add(-bridge.ReplayMemory)},
		{bridge.ReasonExpired, expiredLinks, now},
		{"", deleteExpired, now},
		{"", deleteSuperseded, now.Add(-bridge.ReplayMemory)},
		{"", deletePending, now},
		{"", deleteEvents, now.Add(-bridge.EventMemory)},
	} {
		var taken int64
		err := s.write(ctx, func(tx *transaction) error {
			n, err := step.take(tx, now, limit)
			taken = n
			return err
		})
		if err != nil { // also when the context ended first, and the write is still under way
			return removed, err
		}
		removed += int(taken)
	}
	return removed, nil
}

// sweepStep removes rows by a statement, or ends the live links for which a condition holds.
type sweepStep struct {
	reason    bridge.Reason // why links end; empty: the statement removes rows
	statement string
	until     time.Time
}

// Conditions and statements of the sweep: the first parameter is until when, the second the limit. Those that remove rows
// of a link leave them until the link has ended, so that replicas which sweep at once take no row that another has not
// thought about.
const (
	// unredeemedLinks are links of codes that nobody came for.
	unredeemedLinks = `id IN (SELECT link_id FROM codes WHERE redeemed_at = 0 AND expires_at <= %[1]s ORDER BY expires_at, hash LIMIT %[2]s)`

	deleteUnredeemed = `DELETE FROM codes WHERE hash IN
		(SELECT hash FROM codes WHERE redeemed_at = 0 AND expires_at <= $1
		AND EXISTS (SELECT 1 FROM links WHERE links.id = codes.link_id AND links.revoked_at > 0) ORDER BY expires_at, hash LIMIT $2)`
	deleteRedeemed = `DELETE FROM codes WHERE hash IN
		(SELECT hash FROM codes WHERE redeemed_at > 0 AND redeemed_at <= $1 ORDER BY redeemed_at, hash LIMIT $2)`

	// expiredLinks are links of tokens that are about to be removed, and that have no other that could be used.
	expiredLinks = `id IN (SELECT link_id FROM tokens WHERE expires_at > 0 AND expires_at <= %[1]s ORDER BY expires_at, hash LIMIT %[2]s)
		AND NOT EXISTS (SELECT 1 FROM tokens WHERE tokens.link_id = links.id AND tokens.superseded_at = 0
		AND (tokens.expires_at = 0 OR tokens.expires_at > %[1]s))`

	deleteExpired = `DELETE FROM tokens WHERE hash IN
		(SELECT hash FROM tokens WHERE expires_at > 0 AND expires_at <= $1
		AND (EXISTS (SELECT 1 FROM links WHERE links.id = tokens.link_id AND links.revoked_at > 0)
		OR EXISTS (SELECT 1 FROM tokens AS other WHERE other.link_id = tokens.link_id AND other.superseded_at = 0
		AND (other.expires_at = 0 OR other.expires_at > $1))) ORDER BY expires_at, hash LIMIT $2)`
	deleteSuperseded = `DELETE FROM tokens WHERE hash IN
		(SELECT hash FROM tokens WHERE superseded_at > 0 AND superseded_at <= $1 ORDER BY superseded_at, hash LIMIT $2)`
	deletePending = `DELETE FROM pending_consents WHERE handle IN
		(SELECT handle FROM pending_consents WHERE expires_at <= $1 ORDER BY expires_at, handle LIMIT $2)`

	// deleteEvents keeps the newest, by which a follower that has seen all knows the next one.
	deleteEvents = `DELETE FROM events WHERE position IN
		(SELECT position FROM events WHERE recorded_at <= $1 AND position < (SELECT position FROM feed WHERE id = 1)
		ORDER BY recorded_at, position LIMIT $2)`
)

func (step sweepStep) take(tx *transaction, now time.Time, limit int) (int64, error) {
	until := seconds(step.until)
	if step.reason == "" {
		return changed(tx.Exec(step.statement, until, limit))
	}
	// The rows are locked by an update that changes nothing before the condition is asked again: meanwhile a code may have
	// been redeemed, or a token refreshed.
	_, err := tx.Exec(`UPDATE links SET revoked_at = 0 WHERE revoked_at = 0 AND `+fmt.Sprintf(step.statement, "$1", "$2"), until, limit)
	if err != nil {
		return 0, err
	}
	ended, err := tx.end(step.reason, now, fmt.Sprintf(step.statement, "$3", "$4"), until, limit)
	return int64(len(ended)), err
}
