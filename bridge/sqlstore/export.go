package sqlstore

import (
	"context"
	"database/sql"
	"iter"

	"alexa-oidc-bridge/bridge"
)

// pageSize is how many links of an export are in memory at a time.
const pageSize = 500

// Export returns all links with everything they own, in the order of their ids as the database sorts them. They are as they
// were at one moment near the beginning, however long it takes and whatever is written meanwhile. Sign-ins that wait for a
// decision, and the feed, are no part of it. After an error there is nothing more.
func (s *Store) Export(ctx context.Context) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		wanted := true
		err := s.export(ctx, func(record Record) bool {
			wanted = yield(record, nil)
			return wanted
		})
		if err != nil && wanted {
			yield(Record{}, err)
		}
	}
}

func (s *Store) export(ctx context.Context, yield func(Record) bool) error {
	reader, err := s.reader(ctx)
	if err != nil {
		return err
	}
	tx, err := reader.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return err
	}
	defer tx.Rollback() // nothing was written
	if s.options.Driver == PostgreSQL {
		// Whoever takes the records may be slow: a pipe, another network. The transaction holds no lock that anybody waits for.
		if _, err := tx.ExecContext(ctx, `SET LOCAL idle_in_transaction_session_timeout = 0`); err != nil {
			return err
		}
	}
	for after := ""; ; {
		page, err := readPage(ctx, tx, after)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, record := range page {
			if !yield(record) {
				return nil
			}
		}
		after = page[len(page)-1].Link.ID
	}
}

// readPage reads the links that follow an id, and what belongs to them. Ids are compared by the database only, since each
// may sort them in its own way.
func readPage(ctx context.Context, tx *sql.Tx, after string) ([]Record, error) {
	rows, err := tx.QueryContext(ctx, `SELECT `+linkColumns+` FROM links WHERE id > $1 ORDER BY id LIMIT $2`, after, pageSize)
	if err != nil {
		return nil, err
	}
	links, err := scanLinks(rows)
	if err != nil || len(links) == 0 {
		return nil, err
	}
	page := make([]Record, len(links))
	owners := make(map[string]*Record, len(links))
	for i, link := range links {
		page[i].Link = link
		owners[link.ID] = &page[i]
	}
	last := links[len(links)-1].ID
	if err := readTokens(ctx, tx, after, last, owners); err != nil {
		return nil, err
	}
	return page, readCodes(ctx, tx, after, last, owners)
}

func readTokens(ctx context.Context, tx *sql.Tx, after, last string, owners map[string]*Record) error {
	rows, err := tx.QueryContext(ctx, `SELECT link_id, hash, kind, created_at, expires_at, parent, place, superseded_at FROM tokens
		WHERE link_id > $1 AND link_id <= $2 ORDER BY link_id, hash`, after, last)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var owner string
		var token TokenRecord
		var created, expires, superseded int64
		if err := rows.Scan(&owner, &token.Hash, &token.Kind, &created, &expires, &token.Parent, &token.Place, &superseded); err != nil {
			return err
		}
		token.CreatedAt, token.ExpiresAt, token.SupersededAt = timeOf(created), timeOf(expires), timeOf(superseded)
		owners[owner].Tokens = append(owners[owner].Tokens, token)
	}
	return rows.Err()
}

func readCodes(ctx context.Context, tx *sql.Tx, after, last string, owners map[string]*Record) error {
	rows, err := tx.QueryContext(ctx, `SELECT link_id, hash, redirect_uri, code_challenge, expires_at, redeemed_at FROM codes
		WHERE link_id > $1 AND link_id <= $2 ORDER BY link_id, hash`, after, last)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var owner string
		var code bridge.NewCode
		var expires, redeemed int64
		if err := rows.Scan(&owner, &code.Hash, &code.RedirectURI, &code.CodeChallenge, &expires, &redeemed); err != nil {
			return err
		}
		code.ExpiresAt = timeOf(expires)
		owners[owner].Codes = append(owners[owner].Codes, CodeRecord{code, timeOf(redeemed)})
	}
	return rows.Err()
}
