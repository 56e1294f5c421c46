package sqlstore

import (
	"context"
	"database/sql"
	"encoding/base64"
	"iter"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/transfer"
)

// pageSize is how many links of an export are in memory at a time.
const pageSize = 200

// Export returns the tombstones of links that were erased, and all links, live or revoked, each followed by what it
// owns, as they were at one moment near the beginning. It returns neither pending consents nor the feed. An error
// is the last element.
func (s *Store) Export(ctx context.Context) iter.Seq2[transfer.Row, error] {
	return func(yield func(transfer.Row, error) bool) {
		more := true
		err := s.db.Snapshot(ctx, func(tx *sql.Tx) error {
			yieldRow := func(row transfer.Row) bool {
				more = more && yield(row, nil)
				return more
			}
			if err := eachRow(ctx, tx, selectTombstones, yieldRow); err != nil {
				return err
			}
			return eachRow(ctx, tx, selectLinks, yieldRow)
		})
		if err != nil && more {
			yield(transfer.Row{}, err)
		}
	}
}

// selectPageFunc selects rows after an id, and returns the id of the last. Only the database compares ids, because each
// may sort them in another order.
type selectPageFunc func(ctx context.Context, tx *sql.Tx, after string) (page []transfer.Row, last string, err error)

// eachRow yields the rows of all pages, until yield returns false.
func eachRow(ctx context.Context, tx *sql.Tx, selectPage selectPageFunc, yield func(transfer.Row) bool) error {
	for after := ""; ; {
		page, last, err := selectPage(ctx, tx, after)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, row := range page {
			if !yield(row) {
				return nil
			}
		}
		after = last
	}
}

func selectTombstones(ctx context.Context, tx *sql.Tx, after string) (page []transfer.Row, last string, err error) {
	rows, err := tx.QueryContext(ctx, `SELECT link_id, ended_at FROM tombstones
		WHERE link_id > $1 ORDER BY link_id LIMIT $2`, after, pageSize)
	if err != nil {
		return nil, "", err
	}
	defer rows.Close()
	for rows.Next() {
		var t transfer.Tombstone
		if err := rows.Scan(&t.LinkID, &t.EndedAt); err != nil {
			return nil, "", err
		}
		page, last = append(page, transfer.Row{Tombstone: &t}), t.LinkID
	}
	return page, last, rows.Err()
}

// selectLinks selects links with what they own.
func selectLinks(ctx context.Context, tx *sql.Tx, after string) (page []transfer.Row, last string, err error) {
	rows, err := tx.QueryContext(ctx, `SELECT `+linkColumns+` FROM links WHERE id > $1 ORDER BY id LIMIT $2`,
		after, pageSize)
	if err != nil {
		return nil, "", err
	}
	links, err := scanLinks(rows)
	if err != nil || len(links) == 0 {
		return nil, "", err
	}
	last = links[len(links)-1].ID
	owned := map[string][]transfer.Row{}
	err = eachOwned(ctx, tx,
		`link_id, hash, kind, created_at, expires_at, parent, place, superseded_at FROM tokens`, after, last,
		func(rows *sql.Rows) error {
			var t transfer.Token
			err := rows.Scan(&t.LinkID, &t.Hash, &t.Kind, &t.CreatedAt, &t.ExpiresAt, &t.Parent, &t.Place, &t.SupersededAt)
			owned[t.LinkID] = append(owned[t.LinkID], transfer.Row{Token: &t})
			return err
		})
	if err != nil {
		return nil, "", err
	}
	err = eachOwned(ctx, tx,
		`link_id, hash, redirect_uri, code_challenge, expires_at, redeemed_at FROM codes`, after, last,
		func(rows *sql.Rows) error {
			var c transfer.Code
			err := rows.Scan(&c.LinkID, &c.Hash, &c.RedirectURI, &c.CodeChallenge, &c.ExpiresAt, &c.RedeemedAt)
			owned[c.LinkID] = append(owned[c.LinkID], transfer.Row{Code: &c})
			return err
		})
	if err != nil {
		return nil, "", err
	}
	err = eachOwned(ctx, tx, upstreamTokenColumns+` FROM upstream_tokens`, after, last, func(rows *sql.Rows) error {
		t, err := scanUpstreamToken(rows)
		owned[t.LinkID] = append(owned[t.LinkID], transfer.Row{UpstreamToken: &t})
		return err
	})
	for _, link := range links {
		page = append(page, transfer.Row{Link: rowOf(&link)})
		page = append(page, owned[link.ID]...)
	}
	return page, last, err
}

func rowOf(l *bridge.Link) *transfer.Link {
	return &transfer.Link{
		ID: l.ID, ClientID: l.ClientID, Grant: l.Grant, Provider: l.Provider.ID, Issuer: l.Issuer,
		SubjectClaim: l.SubjectClaim,
		EmailClaim:   l.EmailClaim, GroupsClaim: l.GroupsClaim, Subject: l.Subject, Claims: l.Claims, Scope: l.Scope,
		AlexaUser: l.AlexaUser, CreatedAt: seconds(l.CreatedAt), LastUsedAt: seconds(l.LastUsedAt),
		RevokedAt: seconds(l.RevokedAt), Reason: l.Reason, Actor: l.Actor,
		UpstreamSub: l.Account.Subject, UpstreamSID: l.Account.Session,
		DirectoryID: l.Account.Directory, AccountEmail: l.Account.Email,
		CheckedAt: seconds(l.CheckedAt), TiedAt: seconds(l.TiedAt),
	}
}

// upstreamTokenColumns are all but the lease of a recheck: no recheck runs in another database.
const upstreamTokenColumns = `link_id, provider, sealed, due_at, unanswered, stable, failures, dead_at`

func scanUpstreamToken(rows *sql.Rows) (t transfer.UpstreamToken, err error) {
	var sealed string
	err = rows.Scan(&t.LinkID, &t.Provider, &sealed, &t.DueAt, &t.Unanswered, &t.Stable, &t.Failures, &t.DeadAt)
	if err != nil {
		return t, err
	}
	t.Unanswered = min(t.Unanswered, 1) // lost or not: elsewhere it is in doubt in any case
	t.Sealed, err = base64.StdEncoding.DecodeString(sealed)
	return t, err
}

// eachOwned selects what the links after an id and up to another own, in the order of its second column.
func eachOwned(ctx context.Context, tx *sql.Tx, columns, after, last string, scan func(*sql.Rows) error) error {
	rows, err := tx.QueryContext(ctx, `SELECT `+columns+` WHERE link_id > $1 AND link_id <= $2 ORDER BY 1, 2`, after, last)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
