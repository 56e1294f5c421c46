package sqlstore

import (
	"context"
	"database/sql"
	"iter"

	"alexa-oidc-bridge/bridge/transfer"
)

// pageSize is how many links of an export are in memory at a time.
const pageSize = 200

// Export returns all links, live or revoked, each followed by its tokens and codes, as they were at one moment near the
// beginning. It returns neither pending consents nor the feed. An error is the last element.
func (s *Store) Export(ctx context.Context) iter.Seq2[transfer.Row, error] {
	return func(yield func(transfer.Row, error) bool) {
		stopped := false
		err := s.db.Snapshot(ctx, func(tx *sql.Tx) error {
			for after := ""; ; {
				page, last, err := selectPage(ctx, tx, after)
				if err != nil || len(page) == 0 {
					return err
				}
				for _, row := range page {
					if !yield(row, nil) {
						stopped = true
						return nil
					}
				}
				after = last
			}
		})
		if err != nil && !stopped {
			yield(transfer.Row{}, err)
		}
	}
}

// selectPage returns the links after an id with what they own, and the id of the last. Only the database compares ids,
// because each may sort them in another order.
func selectPage(ctx context.Context, tx *sql.Tx, after string) (page []transfer.Row, last string, err error) {
	rows, err := tx.QueryContext(ctx, `SELECT `+linkColumns+` FROM links WHERE id > $1 ORDER BY id LIMIT $2`, after, pageSize)
	if err != nil {
		return nil, "", err
	}
	links, err := scanLinks(rows)
	if err != nil || len(links) == 0 {
		return nil, "", err
	}
	last = links[len(links)-1].ID
	owned := map[string][]transfer.Row{}
	if err := selectTokens(ctx, tx, after, last, owned); err != nil {
		return nil, "", err
	}
	if err := selectCodes(ctx, tx, after, last, owned); err != nil {
		return nil, "", err
	}
	for _, l := range links {
		page = append(page, transfer.Row{Link: &transfer.Link{
			ID: l.ID, ClientID: l.ClientID, Grant: l.Grant, Provider: l.Provider.ID, Issuer: l.Issuer, SubjectClaim: l.SubjectClaim,
			GroupsClaim: l.GroupsClaim, Subject: l.Subject, Claims: l.Claims, Scope: l.Scope, AlexaUser: l.AlexaUser,
			CreatedAt: seconds(l.CreatedAt), LastUsedAt: seconds(l.LastUsedAt), RevokedAt: seconds(l.RevokedAt), Reason: l.Reason,
		}})
		page = append(page, owned[l.ID]...)
	}
	return page, last, nil
}

func selectTokens(ctx context.Context, tx *sql.Tx, after, last string, owned map[string][]transfer.Row) error {
	rows, err := tx.QueryContext(ctx, `SELECT link_id, hash, kind, created_at, expires_at, parent, place, superseded_at FROM tokens
		WHERE link_id > $1 AND link_id <= $2 ORDER BY link_id, hash`, after, last)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var t transfer.Token
		if err := rows.Scan(&t.LinkID, &t.Hash, &t.Kind, &t.CreatedAt, &t.ExpiresAt, &t.Parent, &t.Place, &t.SupersededAt); err != nil {
			return err
		}
		owned[t.LinkID] = append(owned[t.LinkID], transfer.Row{Token: &t})
	}
	return rows.Err()
}

func selectCodes(ctx context.Context, tx *sql.Tx, after, last string, owned map[string][]transfer.Row) error {
	rows, err := tx.QueryContext(ctx, `SELECT link_id, hash, redirect_uri, code_challenge, expires_at, redeemed_at FROM codes
		WHERE link_id > $1 AND link_id <= $2 ORDER BY link_id, hash`, after, last)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var c transfer.Code
		if err := rows.Scan(&c.LinkID, &c.Hash, &c.RedirectURI, &c.CodeChallenge, &c.ExpiresAt, &c.RedeemedAt); err != nil {
			return err
		}
		owned[c.LinkID] = append(owned[c.LinkID], transfer.Row{Code: &c})
	}
	return rows.Err()
}
