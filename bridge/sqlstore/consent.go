package sqlstore

import (
	"context"
	"encoding/base64"
	"time"

	"alexa-oidc-bridge/bridge"
)

// CreatePendingConsent stores a pending consent; see [bridge.Store].
func (s *Store) CreatePendingConsent(ctx context.Context, pending bridge.PendingConsent) error {
	return s.write(ctx, func(tx *transaction) error {
		_, err := tx.Exec(`INSERT INTO pending_consents (handle, sealed, expires_at, decision, decided_at, person)
			VALUES ($1, $2, $3, '', 0, $4) ON CONFLICT (handle) DO NOTHING`, string(pending.Handle),
			base64.StdEncoding.EncodeToString(pending.Sealed), seconds(pending.ExpiresAt), string(pending.Person))
		if err != nil || pending.Person == "" {
			return err
		}
		return tx.lockPerson("", "", string(pending.Person), func() error { return deleteOldestPending(tx, &pending) })
	})
}

// deleteOldestPending deletes the oldest undecided consents of the same person beyond the limit. The given one counts
// as the newest.
func deleteOldestPending(tx *transaction, pending *bridge.PendingConsent) error {
	_, err := tx.Exec(`DELETE FROM pending_consents WHERE handle IN (`+selectOldestPending+`)`,
		string(pending.Person), string(pending.Handle), noLimit, bridge.MaxPendingConsents-1)
	return err
}

// selectOldestPending selects the undecided consents of a person but the newest and one that is given.
const selectOldestPending = `SELECT handle FROM pending_consents WHERE person = $1 AND decision = '' AND handle <> $2
	ORDER BY expires_at DESC LIMIT $3 OFFSET $4`

// PendingConsent returns a pending consent; see [bridge.Store].
func (s *Store) PendingConsent(ctx context.Context, handle bridge.Hash, now time.Time) (bridge.PendingConsent, error) {
	pending := bridge.PendingConsent{Handle: handle}
	var sealed string
	var expires, decided int64
	err := s.db.Reader.QueryRowContext(ctx, `SELECT person, sealed, expires_at, decision, decided_at FROM pending_consents
		WHERE handle = $1 AND expires_at > $2`, string(handle), seconds(now)).
		Scan(&pending.Person, &sealed, &expires, &pending.Decision, &decided)
	if err != nil {
		return bridge.PendingConsent{}, orNotFound(err)
	}
	pending.ExpiresAt, pending.DecidedAt = timeOf(expires), timeOf(decided)
	pending.Sealed, err = base64.StdEncoding.DecodeString(sealed)
	return pending, err
}

// Decide records any decision but DecisionLink; see [bridge.Store].
func (s *Store) Decide(ctx context.Context, handle bridge.Hash, decision bridge.Decision, now time.Time) error {
	return s.write(ctx, func(tx *transaction) error { return decide(tx, handle, decision, now) })
}

// decide records a decision, if there is none. The UPDATE comes first: it serializes concurrent decisions.
func decide(tx *transaction, handle bridge.Hash, decision bridge.Decision, now time.Time) error {
	n, err := tx.ExecCount(`UPDATE pending_consents SET decision = $1, decided_at = $2
		WHERE handle = $3 AND decision = '' AND expires_at > $2`, string(decision), seconds(now), string(handle))
	if err != nil || n == 1 {
		return err
	}
	var decided bridge.DecidedError
	var at int64
	err = tx.QueryRow(`SELECT decision, decided_at FROM pending_consents WHERE handle = $1 AND expires_at > $2`,
		string(handle), seconds(now)).Scan(&decided.Decision, &at)
	if err != nil {
		return orNotFound(err)
	}
	decided.At = timeOf(at)
	return &decided
}
