package sqlstore

import (
	"context"
	"fmt"
	"time"

	"alexa-oidc-bridge/bridge"
)

// Sweep removes what is not needed any more; see [bridge.Store]. No two steps share a transaction, so that none holds
// the feed while it waits for links.
func (s *Store) Sweep(ctx context.Context, sweep bridge.Sweep) (int, error) {
	now, removed := sweep.Now, 0
	for _, step := range []sweepStep{
		{bridge.ReasonNotRedeemed, unredeemedLinks, now.Add(-bridge.RedeemGrace)},
		{"", deleteUnredeemed, now.Add(-bridge.RedeemGrace)},
		{"", deleteRedeemed, now.Add(-bridge.ReplayMemory)},
		{bridge.ReasonExpired, expiredLinks, now},
		{"", deleteExpired, now},
		{"", deleteSuperseded, now.Add(-bridge.ReplayMemory)},
		{"", deletePending, now},
		{"", deleteEvents, now.Add(-bridge.EventMemory)},
		{"", deleteRevokedSignIns, now.Add(-bridge.SignInMemory)},
		{"", deleteUsedTokens, now},
		{"", deleteDisabled, now.Add(-bridge.DisabledMemory)},
	} {
		n, err := s.sweepStep(ctx, step, sweep)
		removed += n
		if err != nil {
			return removed, err
		}
	}
	if sweep.AuditRetention > 0 {
		n, err := s.sweepRecords(ctx, now.Add(-sweep.AuditRetention), sweep.Limit)
		removed += n
		if err != nil {
			return removed, err
		}
	}
	if sweep.EndedRetention == 0 {
		return removed, nil
	}
	erased, err := s.eraseEnded(ctx, now.Add(-sweep.EndedRetention), sweep.Limit)
	return removed + erased, err
}

// deleteSize is how many rows a transaction deletes, so that no other write waits long for it.
const deleteSize = 20

// sweepStep runs a step in one transaction, or a deleting one in as many as its limit needs.
func (s *Store) sweepStep(ctx context.Context, step sweepStep, sweep bridge.Sweep) (int, error) {
	size := sweep.Limit
	if step.reason == "" {
		size = min(size, deleteSize)
	}
	for removed := 0; ; {
		started, limit := time.Now(), min(size, sweep.Limit-removed)
		n, err := writeResult(ctx, s, func(tx *transaction) (int64, error) { return step.run(tx, sweep.Now, limit) })
		removed += int(n)
		if err != nil || int(n) < limit || removed >= sweep.Limit {
			return removed, err
		}
		if err := s.yield(ctx, started, restAfterDelete); err != nil {
			return removed, err
		}
	}
}

// How many times as long as a transaction of a sweep took the sweep then leaves the disk to others. While links were
// erased with 1, one fsync in 8,000 took more than 20 ms, and others waited, however short the transactions are; with
// 3, one in 80,000. What traffic leaves behind must not come faster than it is deleted; ended links can wait.
const (
	restAfterDelete = 1
	restAfterErase  = 3
)

// yield leaves the disk to others after a transaction of a sweep, for so many times as long as it took.
func (s *Store) yield(ctx context.Context, started time.Time, times int) error {
	if err := s.db.Checkpoint(ctx); err != nil {
		return err
	}
	rest := time.Since(started) * time.Duration(times)
	select {
	case <-time.After(rest):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// sweepStep revokes the live links for which a condition holds, or deletes rows.
type sweepStep struct {
	reason bridge.Reason // of revoking links; empty: sql deletes rows
	sql    string        // the condition or the statement
	until  time.Time     // the first parameter of sql; the second is the limit
}

// Rows of a link are deleted only after the link is revoked, so that of several replicas that sweep at once none
// deletes the row by which another would find the link.
const (
	// unredeemedLinks selects links whose code was not redeemed in time.
	unredeemedLinks = `id IN (SELECT link_id FROM codes WHERE redeemed_at = 0 AND expires_at <= %[1]s
		ORDER BY expires_at, hash LIMIT %[2]s)`

	deleteUnredeemed = `DELETE FROM codes WHERE hash IN
		(SELECT hash FROM codes WHERE redeemed_at = 0 AND expires_at <= $1
		AND EXISTS (SELECT 1 FROM links WHERE links.id = codes.link_id AND links.revoked_at > 0)
		ORDER BY expires_at, hash LIMIT $2)`
	deleteRedeemed = `DELETE FROM codes WHERE hash IN
		(SELECT hash FROM codes WHERE redeemed_at > 0 AND redeemed_at <= $1 ORDER BY redeemed_at, hash LIMIT $2)`

	// expiredLinks selects links of tokens that will be deleted, if they have no other token that is good.
	expiredLinks = `id IN (SELECT link_id FROM tokens WHERE expires_at > 0 AND expires_at <= %[1]s
		ORDER BY expires_at, hash LIMIT %[2]s)
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

	deleteRevokedSignIns = `DELETE FROM revoked_sign_ins WHERE (subject, provider) IN
		(SELECT subject, provider FROM revoked_sign_ins WHERE revoked_at <= $1
		ORDER BY revoked_at, subject, provider LIMIT $2)`

	deleteUsedTokens = `DELETE FROM used_tokens WHERE hash IN
		(SELECT hash FROM used_tokens WHERE expires_at <= $1 ORDER BY expires_at, hash LIMIT $2)`

	deleteDisabled = `DELETE FROM disabled_alexa_users WHERE alexa_user IN
		(SELECT alexa_user FROM disabled_alexa_users WHERE recorded_at <= $1 ORDER BY recorded_at, alexa_user LIMIT $2)`

	// deleteEvents keeps the newest event, and those that are followed by an event to be kept: a process that has read
	// all events before that one continues from there.
	deleteEvents = `DELETE FROM events WHERE position IN
		(SELECT position FROM events WHERE recorded_at <= $1 AND position < (SELECT position FROM feed WHERE id = 1)
		AND NOT EXISTS (SELECT 1 FROM events AS next WHERE next.position = events.position + 1 AND next.recorded_at > $1)
		ORDER BY recorded_at, position LIMIT $2)`
)

func (step sweepStep) run(tx *transaction, now time.Time, limit int) (int64, error) {
	until := seconds(step.until)
	if step.reason == "" {
		return tx.ExecCount(step.sql, until, limit)
	}
	// An UPDATE that changes nothing locks the links before the condition is evaluated again: meanwhile a code may
	// have been redeemed or a token refreshed.
	_, err := tx.Exec(`UPDATE links SET revoked_at = 0 WHERE revoked_at = 0 AND `+fmt.Sprintf(step.sql, "$1", "$2"),
		until, limit)
	if err != nil {
		return 0, err
	}
	by := bridge.Revocation{Reason: step.reason, Actor: bridge.ActorSystem, At: now}
	revoked, err := tx.revokeLinks(by, fmt.Sprintf(step.sql, "$4", "$5"), until, limit)
	return int64(len(revoked)), err
}
