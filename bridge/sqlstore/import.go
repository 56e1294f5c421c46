package sqlstore

import (
	"context"
	"encoding/json"
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

// Import adds links that the database does not have, live or revoked, with all that they own. A link that the database has
// is not changed, with one exception: if it is live and revoked in the import, it is revoked now for the import's reason.
// So no link that is revoked on either side becomes live, and importing the same rows again changes nothing.
//
// The rows must be valid, as [transfer.Read] returns them. Each transaction adds whole links: an import that was
// interrupted is completed by running it again. What Import returns was done also when there is an error, which is that of
// the rows, a [*RowError], or the database's. The rows before an error of theirs are imported up to the last complete link.
func (s *Store) Import(ctx context.Context, rows iter.Seq2[transfer.Row, error], now func() time.Time) (Imported, error) {
	var done Imported
	var batch []transfer.Row
	first, lastLink := 1, 0 // the number of the batch's first row, and where its last link begins
	for row, err := range rows {
		if err != nil {
			return done, errors.Join(err, s.importBatch(ctx, batch[:lastLink], first, now(), &done))
		}
		if row.Link != nil && len(batch) >= importSize {
			if err := s.importBatch(ctx, batch, first, now(), &done); err != nil {
				return done, err
			}
			first, batch = first+len(batch), batch[:0]
		}
		if row.Link != nil {
			lastLink = len(batch)
		}
		batch = append(batch, row)
	}
	return done, s.importBatch(ctx, batch, first, now(), &done)
}

// importBatch imports whole links in one transaction.
func (s *Store) importBatch(ctx context.Context, rows []transfer.Row, first int, now time.Time, done *Imported) error {
	if len(rows) == 0 {
		return nil
	}
	var did Imported
	err := s.write(ctx, func(tx *transaction) error {
		batch := importing{tx: tx, now: now, done: *done}
		for i, row := range rows {
			err := batch.add(row)
			if errors.Is(err, ErrTaken) || errors.Is(err, ErrNoLink) {
				return &RowError{first + i, batch.linkID, err}
			}
			if err != nil {
				return err
			}
		}
		did = batch.done
		return nil
	})
	if err == nil {
		*done = did
	}
	return err
}

// importing is a transaction of an import.
type importing struct {
	tx   *transaction
	now  time.Time
	done Imported

	linkID string // of the last link
	isNew  bool   // whether this transaction inserted it for its last row
}

func (i *importing) add(row transfer.Row) error {
	switch {
	case row.Link != nil:
		return i.addLink(row.Link)
	case row.Token != nil && row.Token.LinkID == i.linkID:
		return i.addToken(row.Token)
	case row.Code != nil && row.Code.LinkID == i.linkID:
		return i.addCode(row.Code)
	}
	return ErrNoLink
}

func (i *importing) addLink(l *transfer.Link) error {
	i.linkID = l.ID
	claims, err := json.Marshal(l.Claims)
	if err != nil {
		return err
	}
	n, err := i.tx.ExecCount(`INSERT INTO links (id, client_id, grant_type, provider, issuer, subject_claim, groups_claim, subject,
		claims, email, scope, alexa_user, created_at, last_used_at, revoked_at, reason)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) ON CONFLICT (id) DO NOTHING`,
		l.ID, l.ClientID, string(l.Grant), l.Provider, l.Issuer, l.SubjectClaim, l.GroupsClaim, l.Subject, string(claims),
		emailKey(l.Claims.String(bridge.ClaimEmail)), l.Scope, string(l.AlexaUser), l.CreatedAt, l.LastUsedAt, l.RevokedAt, string(l.Reason))
	if err != nil {
		return err
	}
	if i.isNew = n == 1; i.isNew {
		i.done.Added++
		return nil
	}
	var revoked []bridge.Link
	if l.RevokedAt != 0 {
		revoked, err = i.tx.revokeLinks(l.Reason, i.now, `id = $3`, l.ID)
	}
	i.done.Revoked += len(revoked)
	i.done.Known += 1 - len(revoked)
	return err
}

// addToken adds a token of a new link. Those of a link that the database had are passed over: some may have been removed
// there for good reason.
func (i *importing) addToken(t *transfer.Token) error {
	if !i.isNew {
		return nil
	}
	return taken(i.tx.ExecCount(`INSERT INTO tokens (hash, link_id, kind, created_at, expires_at, parent, place, superseded_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (hash) DO NOTHING`,
		string(t.Hash), t.LinkID, t.Kind, t.CreatedAt, t.ExpiresAt, string(t.Parent), t.Place, t.SupersededAt))
}

func (i *importing) addCode(c *transfer.Code) error {
	if !i.isNew {
		return nil
	}
	return taken(i.tx.ExecCount(`INSERT INTO codes (hash, link_id, redirect_uri, code_challenge, expires_at, redeemed_at)
		VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (hash) DO NOTHING`,
		string(c.Hash), c.LinkID, c.RedirectURI, c.CodeChallenge, c.ExpiresAt, c.RedeemedAt))
}

// taken returns ErrTaken if an INSERT inserted nothing.
func taken(inserted int64, err error) error {
	if err == nil && inserted == 0 {
		err = ErrTaken
	}
	return err
}
