package sqlstore

import (
	"context"
	"time"

	"alexa-oidc-bridge/bridge"
)

// Revoke revokes links; see [bridge.Store].
func (s *Store) Revoke(ctx context.Context, filter bridge.LinkFilter, reason bridge.Reason, now time.Time) ([]bridge.Link, error) {
	condition, args := filterCondition(filter, 3)
	return s.revoke(ctx, reason, now, condition, args...)
}

// RevokeByToken revokes the link of a live token; see [bridge.Store].
func (s *Store) RevokeByToken(ctx context.Context, token bridge.Hash, clients []string, now time.Time) (bridge.Link, error) {
	if len(clients) == 0 {
		return bridge.Link{}, bridge.ErrNotFound
	}
	args := []any{string(token), seconds(now)}
	for _, client := range clients {
		args = append(args, client)
	}
	revoked, err := s.revoke(ctx, bridge.ReasonClient, now, `id IN (SELECT link_id FROM tokens WHERE hash = $3
		AND superseded_at = 0 AND (expires_at = 0 OR expires_at > $4)) AND client_id IN `+placeholders(5, len(clients)), args...)
	if err == nil && len(revoked) == 0 {
		err = bridge.ErrNotFound
	}
	if err != nil {
		return bridge.Link{}, err
	}
	return revoked[0], nil
}

// revoke is [transaction.revokeLinks] in a transaction of its own.
func (s *Store) revoke(ctx context.Context, reason bridge.Reason, now time.Time, condition string, args ...any) ([]bridge.Link, error) {
	var revoked []bridge.Link
	err := s.write(ctx, func(tx *transaction) (err error) {
		revoked, err = tx.revokeLinks(reason, now, condition, args...)
		return err
	})
	if err != nil { // revoked may still be written to: the transaction may go on after the context has ended
		return nil, err
	}
	return revoked, nil
}
