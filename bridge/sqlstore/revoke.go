package sqlstore

import (
	"context"
	"errors"
	"slices"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/sqlstore/internal/engine"
)

// Links lists links; see [bridge.Store].
func (s *Store) Links(ctx context.Context, filter bridge.LinkFilter) ([]bridge.Link, error) {
	if err := checkCursor(filter); err != nil {
		return nil, err
	}
	query, args := selectMatching(linkColumns, filter)
	rows, err := s.db.Reader.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return scanLinks(rows)
}

// checkCursor returns an error if the cursor of a filter is malformed.
func checkCursor(filter bridge.LinkFilter) error {
	if filter.After == "" {
		return nil
	}
	_, _, err := bridge.ParseLinkCursor(filter.After)
	return err
}

// selectMatching returns the query for columns of the links that match a filter, the oldest first.
func selectMatching(columns string, filter bridge.LinkFilter) (query string, args []any) {
	condition, args := filterCondition(filter, 1)
	query = `SELECT ` + columns + ` FROM links WHERE ` + condition + ` ORDER BY created_at, id`
	if filter.Limit > 0 {
		args = append(args, filter.Limit)
		query += ` LIMIT ` + placeholder(len(args))
	}
	return query, args
}

// Revoke revokes links; see [bridge.Store].
func (s *Store) Revoke(ctx context.Context, filter bridge.LinkFilter, by bridge.Revocation) ([]bridge.Link, error) {
	if filter.Limit > 0 {
		if filter.OnePerson || by.Recheck || by.Token != "" {
			return nil, errors.New("sqlstore: a Limit cannot be combined with OnePerson, Recheck or Token")
		}
		filter.Live = true
	}
	return s.inBatches(ctx, filter, revokeSize, func(batch bridge.LinkFilter) ([]bridge.Link, error) {
		return s.revoke(ctx, filter, batch, by)
	})
}

// revoke revokes the links of a batch, and the sign-ins of the person whom the filter names.
func (s *Store) revoke(ctx context.Context, filter, batch bridge.LinkFilter, by bridge.Revocation) (
	[]bridge.Link, error) {
	condition, args := filterCondition(batch, 4)
	if by.Recheck {
		condition += ` AND ` + withoutUpstreamToken
	}
	return writeResult(ctx, s, func(tx *transaction) (revoked []bridge.Link, err error) {
		if err := tx.useToken(by.Token, by.TokenExpiresAt); err != nil {
			return nil, err
		}
		if err := tx.revokeSignIns(filter, by.At); err != nil {
			return nil, err
		}
		err = tx.rememberDisabled(filter, by, func() error {
			revoked, err = tx.revokeLinks(by, condition, args...)
			return err
		})
		if err == nil && filter.OnePerson && severalPersons(revoked) {
			err = bridge.ErrAmbiguous
		}
		if err == nil && by.Recheck {
			due, dueArgs := filterCondition(filter, 2)
			err = tx.makeDue(due, dueArgs...)
		}
		return revoked, err
	})
}

func severalPersons(links []bridge.Link) bool {
	return slices.ContainsFunc(links, func(link bridge.Link) bool { return link.Person() != links[0].Person() })
}

// useToken records the hash of a JWT or an event, or returns ErrTokenUsed.
func (tx *transaction) useToken(token bridge.Hash, expiresAt time.Time) error {
	if token == "" {
		return nil
	}
	n, err := tx.ExecCount(`INSERT INTO used_tokens (hash, expires_at) VALUES ($1, $2) ON CONFLICT (hash) DO NOTHING`,
		string(token), seconds(expiresAt))
	if err == nil && n == 0 {
		err = bridge.ErrTokenUsed
	}
	return err
}

// How many links a transaction revokes, or erases, at most if there is a limit, so that no other write waits long for
// it. On SQLite, of other writes 90 in 100 waited less than 15 ms while 25 links were revoked at a time, and 50 ms with
// 100, which was not faster.
const (
	revokeSize = 25
	forgetSize = 2 * eraseSize
)

// inBatches calls a function with a filter. If that has a limit, the links are selected before, because a search may
// take long, and the function gets their ids. It is called again if none of them is left: another one was faster.
func (s *Store) inBatches(ctx context.Context, filter bridge.LinkFilter, size int,
	do func(bridge.LinkFilter) ([]bridge.Link, error)) ([]bridge.Link, error) {
	if err := checkCursor(filter); err != nil {
		return nil, err
	}
	if filter.Limit <= 0 {
		return do(filter)
	}
	for {
		batch, found, err := s.selectBatch(ctx, filter, size)
		if err != nil {
			return nil, err
		}
		links, err := do(batch)
		if err != nil || len(links) > 0 || found == 0 {
			inOrder := func(a, b bridge.Link) int { return slices.Index(batch.IDs, a.ID) - slices.Index(batch.IDs, b.ID) }
			slices.SortFunc(links, inOrder)
			return links, err
		}
	}
}

// selectBatch returns a filter of the oldest links that match a filter with a limit. It has always size ids, so that a
// statement has one text for all numbers of links. The last id fills up the list; no link has an empty one.
func (s *Store) selectBatch(ctx context.Context, filter bridge.LinkFilter, size int) (
	batch bridge.LinkFilter, found int, err error) {
	filter.Limit = min(filter.Limit, size)
	query, args := selectMatching("id", filter)
	ids, err := engine.Texts(s.db.Reader.QueryContext(ctx, query, args...))
	if err != nil {
		return bridge.LinkFilter{}, 0, err
	}
	batch, found = filter, len(ids)
	batch.Limit, batch.After, batch.IDs = 0, "", make([]string, size)
	for i := range batch.IDs {
		if found > 0 {
			batch.IDs[i] = ids[min(i, found-1)]
		}
	}
	return batch, found, nil
}
