package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/transfer"
)

// Imported is what an import did, in numbers of links.
type Imported struct {
	Added   int // that the database did not have
	Revoked int // that were live, and are revoked in the import
	Known   int // that the database had, and that were not changed
	// Erased counts links that have a tombstone: those that were not added, and those of the database, or added before
	// in the same import, that were erased.
	Erased int
}

// RowError is the error of a row that cannot be imported. Rows are numbered from 1.
type RowError struct {
	Row    int
	LinkID string // of the last link up to the row
	Err    error
}

func (e *RowError) Error() string { return fmt.Sprintf("row %d, link %s: %v", e.Row, e.LinkID, e.Err) }

// Unwrap returns Err.
func (e *RowError) Unwrap() error { return e.Err }

// Errors in a [RowError].
var (
	ErrTaken  = errors.New("the token or code is in the database already, or twice in the import")
	ErrNoLink = errors.New("the token or code does not follow its link")
)

// importSize is how many rows a transaction of an import has, and as many more as its last link needs.
const importSize = 1000

// Import adds links that the database does not have, live or revoked, with all that they own. A link that the
// database has is not changed, with one exception: if it is live and revoked in the import, it is revoked now for the
// import's reason, by its actor. So no link that is revoked on either side becomes live, and importing the same rows
// again changes nothing.
//
// A link that has a tombstone, in the database or anywhere in the rows, is not added; if the database has it, it is
// revoked for ReasonErased by ActorSystem, and erased.
//
// The rows must be valid, as [transfer.Read] returns them. Each transaction adds whole links: an import that was
// interrupted is completed by running it again. What Import returns was done also when there is an error, which is
// that of the rows, a [*RowError], or the database's. The rows before an error of theirs are imported up to the last
// complete link.
func (s *Store) Import(ctx context.Context, rows iter.Seq2[transfer.Row, error], now func() time.Time) (
	Imported, error) {
	var state importing
	var batch []transfer.Row
	lastLink := 0 // where the last link or tombstone of the batch begins
	for row, err := range rows {
		if err != nil {
			err = errors.Join(err, s.importBatch(ctx, batch[:lastLink], now(), &state))
			return state.done, err
		}
		if !row.Owned() {
			if len(batch) >= importSize {
				if err := s.importBatch(ctx, batch, now(), &state); err != nil {
					return state.done, err
				}
				batch = batch[:0]
			}
			lastLink = len(batch)
		}
		batch = append(batch, row)
	}
	err := s.importBatch(ctx, batch, now(), &state)
	return state.done, err
}

// importing is the state of an import after some transactions, or in one.
type importing struct {
	tx   *transaction
	now  time.Time
	done Imported

	row    int    // the number of the last row
	linkID string // of the last link
	isNew  bool   // whether this import inserted it for its last row
}

// importBatch imports whole links in one transaction. It changes the state if it succeeds.
func (s *Store) importBatch(ctx context.Context, rows []transfer.Row, now time.Time, state *importing) error {
	if len(rows) == 0 {
		return nil
	}
	var next importing
	err := s.write(ctx, func(tx *transaction) error {
		next = *state
		next.tx, next.now = tx, now
		// One import after the other: a link and its tombstone in two imports at once would not see each other.
		return tx.lockPerson("", "", "import", func() error {
			for _, row := range rows {
				if err := next.add(row); err != nil {
					return err
				}
			}
			return nil
		})
	})
	if err == nil {
		*state = next
	}
	return err
}

func (i *importing) add(row transfer.Row) error {
	i.row++
	switch t, c := row.Token, row.Code; {
	case row.Link != nil:
		return i.addLink(row.Link)
	case row.Tombstone != nil:
		return i.addTombstone(row.Tombstone)
	case t != nil && t.LinkID == i.linkID:
		return i.addOwned(`INSERT INTO tokens (hash, link_id, kind, created_at, expires_at, parent, place, superseded_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (hash) DO NOTHING`,
			string(t.Hash), t.LinkID, t.Kind, t.CreatedAt, t.ExpiresAt, string(t.Parent), t.Place, t.SupersededAt)
	case row.UpstreamToken != nil && row.UpstreamToken.LinkID == i.linkID:
		u := row.UpstreamToken // unanswered: since the export, the provider may have replaced it
		return i.addOwned(`INSERT INTO upstream_tokens (`+upstreamTokenColumns+`, lease, leased_until)
			VALUES ($1, $2, $3, $4, 1, $5, $6, $7, '', 0) ON CONFLICT (link_id) DO NOTHING`,
			u.LinkID, u.Provider, encodeSealed(u.Sealed), u.DueAt, u.Stable, u.Failures, u.DeadAt)
	case c != nil && c.LinkID == i.linkID:
		return i.addOwned(`INSERT INTO codes (hash, link_id, redirect_uri, code_challenge, expires_at, redeemed_at)
			VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (hash) DO NOTHING`,
			string(c.Hash), c.LinkID, c.RedirectURI, c.CodeChallenge, c.ExpiresAt, c.RedeemedAt)
	}
	return &RowError{i.row, i.linkID, ErrNoLink}
}

func (i *importing) addLink(l *transfer.Link) error {
	i.linkID = l.ID
	n, err := insertLink(i.tx, l, ` ON CONFLICT (id) DO NOTHING`)
	if err != nil {
		return err
	}
	if i.isNew = n == 1; i.isNew {
		return i.keepErased(l.ID)
	}
	var revoked []bridge.Link
	if l.RevokedAt != 0 {
		by := bridge.Revocation{Reason: l.Reason, Actor: l.Actor, At: i.now}
		revoked, err = i.tx.revokeLinks(by, `id = $4`, l.ID)
	}
	i.done.Revoked += len(revoked)
	i.done.Known += 1 - len(revoked)
	return err
}

// keepErased removes a link that was just inserted, if it has a tombstone. A query before the INSERT could miss one
// that another transaction adds meanwhile, for which the INSERT waits.
func (i *importing) keepErased(id string) error {
	n, err := i.tx.ExecCount(`DELETE FROM links WHERE id = $1
		AND EXISTS (SELECT 1 FROM tombstones WHERE link_id = $1)`, id)
	i.isNew = n == 0
	i.done.Erased += int(n)
	i.done.Added += 1 - int(n)
	return err
}

// addTombstone adds a tombstone, and erases its link if the database has it.
func (i *importing) addTombstone(t *transfer.Tombstone) error {
	i.linkID, i.isNew = "", false
	_, err := i.tx.Exec(`INSERT INTO tombstones (link_id, ended_at) VALUES ($1, $2) ON CONFLICT (link_id) DO NOTHING`,
		t.LinkID, t.EndedAt)
	if err != nil {
		return err
	}
	by := bridge.Revocation{Reason: bridge.ReasonErased, Actor: bridge.ActorSystem, At: i.now}
	erased, err := forgetMatching(i.tx, bridge.LinkFilter{IDs: []string{t.LinkID}}, by)
	i.done.Erased += len(erased)
	return err
}

// addOwned adds a token or code of a new link. Those of a link that the database had are skipped: some may have been
// removed there for good reason.
func (i *importing) addOwned(insert string, args ...any) error {
	if !i.isNew {
		return nil
	}
	n, err := i.tx.ExecCount(insert, args...)
	if err == nil && n == 0 {
		err = &RowError{i.row, i.linkID, ErrTaken}
	}
	return err
}
