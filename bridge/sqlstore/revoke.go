package sqlstore

import (
	"context"
	"time"

	"alexa-oidc-bridge/bridge"
)

// Revoke revokes links; see [bridge.Store].
func (s *Store) Revoke(ctx context.Context, filter bridge.LinkFilter, reason bridge.Reason, now time.Time) ([]bridge.Link, error) {
	condition, args := filterCondition(filter, 3)
	var revoked []bridge.Link
	err := s.write(ctx, func(tx *transaction) (err error) {
		revoked, err = tx.revokeLinks(reason, now, condition, args...)
		return err
	})
	if err != nil {
		return nil, err
	}
	return revoked, nil
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
	var link bridge.Link
	err := s.write(ctx, func(tx *transaction) error {
		revoked, err := tx.revokeLinks(bridge.ReasonClient, now, `id IN (SELECT link_id FROM tokens WHERE hash = $3
			AND superseded_at = 0 AND (expires_at = 0 OR expires_at > $4)) AND client_id IN `+placeholders(5, len(clients)), args...)
		if err != nil {
			return err
		}
		if len(revoked) == 0 {
			return bridge.ErrNotFound
		}
		link = revoked[0]
		return nil
	})
	if err != nil {
		return bridge.Link{}, err
	}
	return link, nil
}
