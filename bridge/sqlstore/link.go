package sqlstore

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/transfer"
)

// Link makes a link; see [bridge.Store].
func (s *Store) Link(ctx context.Context, handle bridge.Hash, made bridge.NewLink) error {
	return s.write(ctx, func(tx *transaction) error {
		link := &made.Link
		if err := decide(tx, handle, bridge.DecisionLink, link.CreatedAt); err != nil {
			return err
		}
		if err := checkSignIn(tx, &made); err != nil {
			return err
		}
		tx.audit(link, bridge.AuditRecord{
			At: link.CreatedAt, Event: bridge.AuditLinked, Actor: bridge.ActorPerson, Origin: made.Origin,
		})
		if made.Code == nil {
			if err := insertWithToken(tx, &made); err != nil {
				return err
			}
			return revokeOldest(tx, link, made.MaxLinks, link.CreatedAt, made.Origin)
		}
		if _, err := insertLink(tx, rowOf(link), ""); err != nil {
			return err
		}
		if err := insertUpstreamToken(tx, &made); err != nil {
			return err
		}
		return insertCode(tx, link.ID, made.Code) // which may never be redeemed, so it replaces nothing yet
	})
}

// Mint makes a test link; see [bridge.Store].
func (s *Store) Mint(ctx context.Context, made bridge.NewLink) error {
	link := &made.Link
	switch {
	case !link.IsTest():
		return errors.New("sqlstore: only a test link can be made without consent")
	case made.ExpiresAt.IsZero() || made.ExpiresAt.After(link.CreatedAt.Add(bridge.MaxTestLifetime)):
		return errors.New("sqlstore: the token of a test link must expire within 24 hours")
	}
	return s.write(ctx, func(tx *transaction) error {
		tx.audit(link, bridge.AuditRecord{
			At: link.CreatedAt, Event: bridge.AuditMinted, Actor: link.Actor, Origin: made.Origin,
		})
		return insertWithToken(tx, &made)
	})
}

// insertWithToken adds a link with its first token.
func insertWithToken(tx *transaction, made *bridge.NewLink) error {
	link := &made.Link
	if _, err := insertLink(tx, rowOf(link), ""); err != nil {
		return err
	}
	if err := insertUpstreamToken(tx, made); err != nil {
		return err
	}
	return insertToken(tx, newToken{
		hash: made.Token, linkID: link.ID, kind: kindAccess, created: link.CreatedAt, expires: made.ExpiresAt,
	})
}

// insertLink adds a link and returns how many were added, which an ON CONFLICT clause can make 0.
func insertLink(tx *transaction, l *transfer.Link, onConflict string) (int64, error) {
	claims, err := json.Marshal(l.Claims)
	if err != nil {
		return 0, err
	}
	return tx.ExecCount(`INSERT INTO links (id, client_id, grant_type, provider, issuer, subject_claim, email_claim,
		groups_claim, subject, claims, email, scope, alexa_user, created_at, last_used_at, revoked_at, reason, actor,
		upstream_sub, upstream_sid, directory_id, account_email, checked_at, tied_at)
		VALUES `+placeholders(1, 24)+onConflict,
		l.ID, l.ClientID, string(l.Grant), l.Provider, l.Issuer, l.SubjectClaim, l.EmailClaim, l.GroupsClaim, l.Subject,
		string(claims), bridge.EmailKey(l.Claims.String(bridge.ClaimEmail)), l.Scope, string(l.AlexaUser), l.CreatedAt,
		l.LastUsedAt,
		l.RevokedAt, string(l.Reason), string(l.Actor), l.UpstreamSub, l.UpstreamSID, l.DirectoryID, l.AccountEmail,
		l.CheckedAt, l.TiedAt)
}

func insertCode(tx *transaction, linkID string, code *bridge.NewCode) error {
	_, err := tx.Exec(`INSERT INTO codes (hash, link_id, redirect_uri, code_challenge, expires_at, redeemed_at)
		VALUES ($1, $2, $3, $4, $5, 0)`,
		string(code.Hash), linkID, code.RedirectURI, code.CodeChallenge, seconds(code.ExpiresAt))
	return err
}

// Kinds of tokens in the table.
const (
	kindAccess  = "access"
	kindRefresh = "refresh"
)

type newToken struct {
	hash             bridge.Hash
	linkID, kind     string
	created, expires time.Time
	parent           bridge.Hash // the refresh token that was presented for this one, when refresh tokens rotate
	place            int64       // among the children of the parent, from 1
}

// insertToken adds a token to a link, or returns ErrRevoked. The transaction must have locked or inserted the link's
// row, so that the link is not revoked between this statement and the commit.
func insertToken(tx *transaction, token newToken) error {
	n, err := tx.ExecCount(`INSERT INTO tokens (hash, link_id, kind, created_at, expires_at, parent, place, superseded_at)
		SELECT $1, id, $2, CAST($3 AS BIGINT), CAST($4 AS BIGINT), $5, CAST($6 AS BIGINT), 0
		FROM links WHERE id = $7 AND revoked_at = 0`,
		string(token.hash), token.kind, seconds(token.created), seconds(token.expires), string(token.parent), token.place,
		token.linkID)
	if err == nil && n == 0 {
		err = bridge.ErrRevoked
	}
	return err
}

// insertPair adds an access token and, if there is one, a refresh token.
func insertPair(tx *transaction, linkID string, tokens bridge.NewTokens, now time.Time, parent bridge.Hash,
	place int64) error {
	access := newToken{hash: tokens.Access, linkID: linkID, kind: kindAccess, created: now,
		expires: tokens.AccessExpiresAt}
	if err := insertToken(tx, access); err != nil || tokens.Refresh == "" {
		return err
	}
	return insertToken(tx, newToken{hash: tokens.Refresh, linkID: linkID, kind: kindRefresh, created: now,
		expires: tokens.RefreshExpiresAt, parent: parent, place: place})
}

// noLimit is a LIMIT that no table reaches: SQLite has no OFFSET without LIMIT.
const noLimit = int64(1) << 62

// revokeOldest revokes the oldest live links of the same person and skill beyond the limit. The given link counts as
// the newest; links whose code was not redeemed do not count, nor those whose subject is from another claim: it may be
// another person's.
func revokeOldest(tx *transaction, link *bridge.Link, limit int, now time.Time, origin bridge.Origin) error {
	if limit == 0 {
		return nil
	}
	return tx.lockPerson(link.ClientID, link.Issuer, link.Subject, func() error {
		by := bridge.Revocation{Reason: bridge.ReasonReplaced, Actor: bridge.ActorPerson, At: now, Origin: origin}
		_, err := tx.revokeLinks(by, `id IN (
			SELECT id FROM links WHERE client_id = $4 AND issuer = $5 AND subject = $6 AND subject_claim = $7 AND revoked_at = 0
			AND id <> $8 AND NOT EXISTS (SELECT 1 FROM codes WHERE codes.link_id = links.id AND codes.redeemed_at = 0)
			ORDER BY created_at DESC, id DESC LIMIT $9 OFFSET $10)`,
			link.ClientID, link.Issuer, link.Subject, link.SubjectClaim, link.ID, noLimit, limit-1)
		return err
	})
}

// RevokeByToken revokes the link of a live token; see [bridge.Store].
func (s *Store) RevokeByToken(ctx context.Context, token bridge.Hash, clients []string, by bridge.Revocation) (
	bridge.Link, error) {
	if len(clients) == 0 {
		return bridge.Link{}, bridge.ErrNotFound
	}
	args := []any{string(token), seconds(by.At)}
	for _, client := range clients {
		args = append(args, client)
	}
	// A read first: whoever invents tokens must not make others wait for a write.
	var links int
	query := `SELECT COUNT(*) FROM links WHERE revoked_at = 0 AND ` + revocable(1, len(clients))
	err := s.db.Reader.QueryRowContext(ctx, query, args...).Scan(&links)
	if err == nil && links == 0 {
		err = bridge.ErrNotFound
	}
	if err != nil {
		return bridge.Link{}, err
	}
	return writeResult(ctx, s, func(tx *transaction) (bridge.Link, error) {
		revoked, err := tx.revokeLinks(by, revocable(4, len(clients)), args...)
		if err != nil {
			return bridge.Link{}, err
		}
		if len(revoked) == 0 {
			return bridge.Link{}, bridge.ErrNotFound
		}
		return revoked[0], nil
	})
}

// revocable returns the condition that a link has a good token and is one of the clients'. Its parameters are numbered
// from the first: the token, the time, and the clients.
func revocable(first, clients int) string {
	return `id IN (SELECT link_id FROM tokens WHERE hash = ` + placeholder(first) + ` AND superseded_at = 0
		AND (expires_at = 0 OR expires_at > ` + placeholder(first+1) + `)) AND client_id IN ` + placeholders(first+2, clients)
}
