package sqlstore

import (
	"context"
	"slices"
	"strings"

	"alexa-oidc-bridge/bridge"
)

// TouchLinks records when links were last used; see [bridge.Store].
func (s *Store) TouchLinks(ctx context.Context, uses []bridge.Use) error {
	// In one order, so that two processes that touch the same links do not deadlock.
	uses = slices.SortedFunc(slices.Values(uses), func(a, b bridge.Use) int { return strings.Compare(a.LinkID, b.LinkID) })
	return s.write(ctx, func(tx *transaction) error {
		for _, use := range uses {
			_, err := tx.Exec(`UPDATE links SET last_used_at = $1 WHERE id = $2 AND last_used_at <= $3`,
				seconds(use.At), use.LinkID, seconds(use.At.Add(-bridge.UseGrain)))
			if err != nil {
				return err
			}
			if use.AlexaUser == "" {
				continue
			}
			_, err = tx.Exec(`UPDATE links SET alexa_user = $1 WHERE id = $2`, string(use.AlexaUser), use.LinkID)
			if err != nil {
				return err
			}
		}
		return nil
	})
}
