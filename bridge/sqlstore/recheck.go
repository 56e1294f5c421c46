package sqlstore

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"slices"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/sqlstore/internal/engine"
)

// Of upstream_tokens, unanswered is 1 while an answer of the provider is missing, and 2 once it has refused the refresh
// token meanwhile: it may have replaced the token by that answer, so that nobody can ask by it. stable is 1 if the
// provider answered without a new refresh token, and 2 for ever once it has replaced one.

// insertUpstreamToken adds the refresh token of a provider to a link that was just inserted.
func insertUpstreamToken(tx *transaction, made *bridge.NewLink) error {
	if made.UpstreamToken == nil {
		return nil
	}
	_, err := tx.Exec(`INSERT INTO upstream_tokens
		(link_id, provider, sealed, due_at, lease, leased_until, unanswered, stable, failures, dead_at)
		VALUES ($1, $2, $3, $4, '', 0, 0, 0, 0, 0)`,
		made.Link.ID, made.Link.Provider.ID, encodeSealed(made.UpstreamToken), seconds(made.RecheckAt))
	return err
}

// deleteUpstreamTokens deletes those of links that were just revoked.
func (tx *transaction) deleteUpstreamTokens(revoked []bridge.Link) error {
	var ids []string
	for _, link := range revoked {
		if !link.CheckedAt.IsZero() {
			ids = append(ids, link.ID)
		}
	}
	for chunk := range slices.Chunk(ids, eraseSize) {
		_, err := tx.Exec(`DELETE FROM upstream_tokens WHERE link_id IN `+placeholders(1, eraseSize), idArgs(chunk)...)
		if err != nil {
			return err
		}
	}
	return nil
}

// makeDue makes the recheck due of the live links for which a condition holds, before all that are due: there may be
// many. Its parameters begin with $2.
func (tx *transaction) makeDue(condition string, args ...any) error {
	const first = 1
	_, err := tx.Exec(`UPDATE upstream_tokens SET due_at = $1 WHERE due_at > $1 AND dead_at = 0
		AND link_id IN (SELECT id FROM links WHERE revoked_at = 0 AND `+condition+`)`, append([]any{first}, args...)...)
	return err
}

// withoutUpstreamToken is the condition that a link has no refresh token of its provider, or one that is lost.
const withoutUpstreamToken = `NOT EXISTS (
	SELECT 1 FROM upstream_tokens WHERE upstream_tokens.link_id = links.id AND unanswered <> 2)`

// BeginRecheck begins a recheck; see [bridge.Store]. While it runs, it is due at the end of its lease: an earlier time
// means that another one was asked for meanwhile.
func (s *Store) BeginRecheck(ctx context.Context, start bridge.RecheckStart) (bridge.Recheck, error) {
	now, until := seconds(start.Now), seconds(start.Now.Add(start.Lease))
	// A read first: a link in use is asked about again and again, and must not make others wait for a write.
	var links int
	from := mayRecheck
	if start.Dead {
		from += ` AND dead_at > 0`
	}
	err := s.db.Reader.QueryRowContext(ctx, `SELECT COUNT(*) FROM `+from, start.LinkID, now, seconds(start.CheckedBefore)).
		Scan(&links)
	if err == nil && links == 0 {
		err = bridge.ErrNotFound
	}
	if err != nil {
		return bridge.Recheck{}, err
	}
	return writeResult(ctx, s, func(tx *transaction) (bridge.Recheck, error) {
		recheck, err := scanRecheck(tx.QueryRow(`SELECT `+linkColumns+`, sealed, CASE WHEN unanswered > 0 THEN 1 ELSE 0 END,
			CASE WHEN stable = 1 THEN 1 ELSE 0 END, failures, dead_at FROM `+from+tx.RowLock,
			start.LinkID, now, seconds(start.CheckedBefore)))
		if err != nil {
			return bridge.Recheck{}, err
		}
		recheck.Lease = rand.Text()
		_, err = tx.Exec(`UPDATE upstream_tokens SET lease = $1, leased_until = $2, due_at = $2,
			unanswered = CASE WHEN unanswered = 2 THEN 2 ELSE 1 END WHERE link_id = $3`,
			recheck.Lease, until, start.LinkID)
		return recheck, err
	})
}

// mayRecheck selects the link $1 if a recheck may begin at $2: one that is due, or one that was checked at $3 or
// before.
const mayRecheck = `links JOIN upstream_tokens ON upstream_tokens.link_id = links.id
	WHERE links.id = $1 AND links.revoked_at = 0 AND leased_until <= $2
	AND (due_at <= $2 OR failures = 0 AND dead_at = 0 AND checked_at <= $3)`

func scanRecheck(row interface{ Scan(...any) error }) (recheck bridge.Recheck, err error) {
	var sealed string
	var dead int64
	recheck.Link, err = scanLink(row, &sealed, &recheck.Unanswered, &recheck.Stable, &recheck.Failures, &dead)
	if err != nil {
		return bridge.Recheck{}, orNotFound(err)
	}
	recheck.DeadAt = timeOf(dead)
	recheck.Sealed, err = base64.StdEncoding.DecodeString(sealed)
	return recheck, err
}

// ReplaceUpstreamToken replaces a refresh token; see [bridge.Store].
func (s *Store) ReplaceUpstreamToken(ctx context.Context, linkID, lease string, sealed []byte) error {
	return s.write(ctx, func(tx *transaction) error {
		return found(tx.ExecCount(`UPDATE upstream_tokens SET sealed = $1, unanswered = 0, stable = 2
			WHERE link_id = $2 AND lease = $3`,
			encodeSealed(sealed), linkID, lease))
	})
}

// found returns ErrNotFound if a statement changed nothing.
func found(changed int64, err error) error {
	if err == nil && changed == 0 {
		err = bridge.ErrNotFound
	}
	return err
}

// FinishRecheck records a result; see [bridge.Store].
func (s *Store) FinishRecheck(ctx context.Context, result bridge.RecheckResult) error {
	return s.write(ctx, func(tx *transaction) error {
		if result.Revoke != nil {
			return revokeRechecked(tx, &result)
		}
		link, err := lockRechecked(tx, &result)
		if err != nil {
			return err
		}
		if result.Reason != "" {
			tx.audit(&link, bridge.AuditRecord{At: result.At, Event: bridge.AuditRechecked, Reason: result.Reason,
				Actor: bridge.ActorProvider(link.Provider.ID)})
		}
		if err := updateRechecked(tx, &result); err != nil {
			return err
		}
		return found(finishRecheck(tx, &result))
	})
}

// revokeRechecked revokes the link of a result and the sign-ins of its person, which are locked first.
func revokeRechecked(tx *transaction, result *bridge.RecheckResult) error {
	var person bridge.LinkFilter // neither changes
	err := tx.QueryRow(`SELECT subject, provider FROM links WHERE id = $1`, result.LinkID).
		Scan(&person.Subject, &person.Provider)
	if err != nil {
		return orNotFound(err)
	}
	if err := tx.revokeSignIns(person, result.Revoke.At); err != nil {
		return err
	}
	if _, err := lockRechecked(tx, result); err != nil {
		return err
	}
	_, err = tx.revokeLinks(*result.Revoke, `id = $4`, result.LinkID)
	return err
}

// lockRechecked locks and returns the link of a result, or returns ErrNotFound if its recheck does not run any more.
func lockRechecked(tx *transaction, result *bridge.RecheckResult) (bridge.Link, error) {
	link, err := scanLink(tx.QueryRow(`SELECT `+linkColumns+` FROM links
		JOIN upstream_tokens ON upstream_tokens.link_id = links.id
		WHERE links.id = $1 AND links.revoked_at = 0 AND lease = $2`+tx.RowLock, result.LinkID, result.Lease))
	return link, orNotFound(err)
}

// updateRechecked updates the link of a result.
func updateRechecked(tx *transaction, result *bridge.RecheckResult) error {
	if !result.CheckedAt.IsZero() {
		_, err := tx.Exec(`UPDATE links SET checked_at = $1 WHERE id = $2`, seconds(result.CheckedAt), result.LinkID)
		if err != nil {
			return err
		}
	}
	if result.Renewed == nil {
		return nil
	}
	claims, err := json.Marshal(result.Renewed.Claims)
	if err != nil {
		return err
	}
	account := result.Renewed.Account
	event := bridge.Event{LinkID: result.LinkID, Reason: bridge.ReasonClaimsChanged}
	err = tx.QueryRow(`UPDATE links SET claims = $1, email = $2, upstream_sub = $3, upstream_sid = $4, directory_id = $5,
		account_email = $6 WHERE id = $7 RETURNING client_id, provider`,
		string(claims), bridge.EmailKey(result.Renewed.Claims.String(bridge.ClaimEmail)), account.Subject, account.Session,
		account.Directory, account.Email, result.LinkID).Scan(&event.ClientID, &event.Actor)
	if err != nil {
		return err
	}
	event.Actor = bridge.ActorProvider(string(event.Actor))
	tx.events, tx.eventsAt = append(tx.events, event), result.CheckedAt
	return nil
}

// finishRecheck updates the refresh token of a result.
func finishRecheck(tx *transaction, result *bridge.RecheckResult) (changed int64, err error) {
	const done = `UPDATE upstream_tokens SET lease = '', leased_until = 0,
		unanswered = CASE WHEN unanswered = 2 AND CAST($1 AS BIGINT) = 1 THEN 2 ELSE CAST($1 AS BIGINT) END,
		due_at = CASE WHEN due_at < leased_until THEN due_at ELSE CAST($2 AS BIGINT) END, `
	due, unanswered := seconds(result.DueAt), bit(result.Unanswered)
	if result.Unanswered && result.Lost {
		unanswered = 2
	}
	if result.CheckedAt.IsZero() {
		return tx.ExecCount(done+`failures = failures + 1 WHERE link_id = $3`, unanswered, due, result.LinkID)
	}
	return tx.ExecCount(done+`failures = 0, stable = CASE WHEN stable = 2 THEN 2 ELSE CAST($3 AS BIGINT) END, dead_at = $4
		WHERE link_id = $5`,
		unanswered, due, bit(result.Stable), seconds(result.DeadAt), result.LinkID)
}

func bit(set bool) int64 {
	if set {
		return 1
	}
	return 0
}

// DueRechecks lists links; see [bridge.Store].
func (s *Store) DueRechecks(ctx context.Context, provider string, now time.Time, limit int) ([]string, error) {
	dead, err := engine.Texts(s.db.Reader.QueryContext(ctx, selectDueDead, provider, seconds(now), limit))
	if err != nil || len(dead) == limit {
		return dead, err
	}
	others, err := engine.Texts(s.db.Reader.QueryContext(ctx, selectDueRechecks, provider, seconds(now), limit-len(dead)))
	return append(dead, others...), err
}

// selectDueDead selects links whose refresh tokens the provider has refused.
const selectDueDead = selectDue + ` AND dead_at > 0` + inOrderDue

// selectDueRechecks selects the others.
const selectDueRechecks = selectDue + ` AND dead_at = 0` + inOrderDue

// selectDue passes by links that an earlier version of the program revoked, which left their refresh tokens.
const (
	selectDue = `SELECT link_id FROM upstream_tokens WHERE provider = $1 AND due_at <= $2
		AND EXISTS (SELECT 1 FROM links WHERE id = link_id AND revoked_at = 0)`
	inOrderDue = ` ORDER BY due_at LIMIT $3`
)

// UpstreamTokens lists refresh tokens; see [bridge.Store].
func (s *Store) UpstreamTokens(ctx context.Context, afterLinkID string, limit int) ([]bridge.SealedToken, error) {
	rows, err := s.db.Reader.QueryContext(ctx,
		`SELECT link_id, sealed FROM upstream_tokens WHERE link_id > $1 ORDER BY link_id LIMIT $2`, afterLinkID, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var tokens []bridge.SealedToken
	for rows.Next() {
		var token bridge.SealedToken
		var sealed string
		if err := rows.Scan(&token.LinkID, &sealed); err != nil {
			return nil, err
		}
		if token.Sealed, err = base64.StdEncoding.DecodeString(sealed); err != nil {
			return nil, err
		}
		tokens = append(tokens, token)
	}
	return tokens, rows.Err()
}

// ResealUpstreamToken replaces the sealed form of a refresh token; see [bridge.Store].
func (s *Store) ResealUpstreamToken(ctx context.Context, from bridge.SealedToken, sealed []byte) (bool, error) {
	return writeResult(ctx, s, func(tx *transaction) (bool, error) {
		n, err := tx.ExecCount(`UPDATE upstream_tokens SET sealed = $1 WHERE link_id = $2 AND sealed = $3`,
			encodeSealed(sealed), from.LinkID, encodeSealed(from.Sealed))
		return n == 1, err
	})
}

func encodeSealed(sealed []byte) string { return base64.StdEncoding.EncodeToString(sealed) }
