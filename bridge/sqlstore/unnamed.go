package sqlstore

import (
	"context"

	"alexa-oidc-bridge/bridge"
)

// CountUnnamedLinks counts links; see [bridge.Store].
func (s *Store) CountUnnamedLinks(
	ctx context.Context, provider bridge.Provider, limit int,
) (unnamed bridge.UnnamedLinks, err error) {
	err = s.db.Reader.QueryRowContext(ctx, countUnnamed, provider.ID, provider.Issuer, limit).
		Scan(&unnamed.All, &unnamed.OtherSubject)
	return unnamed, err
}

// countUnnamed has the condition of its index, links_without_upstream_sub.
const countUnnamed = `SELECT COUNT(*), COUNT(CASE WHEN subject_claim <> 'sub' THEN 1 END)
	FROM (SELECT subject_claim FROM links WHERE provider = $1 AND issuer = $2 AND upstream_sub = '' AND revoked_at = 0
	LIMIT $3) AS unnamed`
