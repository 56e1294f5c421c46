package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"alexa-oidc-bridge/bridge"
)

const linkColumns = `links.id, links.client_id, links.grant_type, links.provider, links.issuer, links.subject_claim, links.groups_claim,
	links.subject, links.claims, links.scope, links.alexa_user, links.created_at, links.last_used_at, links.revoked_at, links.reason`

// Link makes a link with its first token; see [bridge.Store].
func (s *Store) Link(ctx context.Context, handle bridge.Hash, made bridge.NewLink) error {
	return s.write(ctx, func(tx *transaction) error {
		link := &made.Link
		if err := decide(tx, handle, bridge.DecisionLink, link.CreatedAt); err != nil {
			return err
		}
		if err := insertLink(tx, link); err != nil {
			return err
		}
		if err := insertFirst(tx, &made); err != nil || made.Code != nil {
			return err // a code may never be redeemed, so it replaces nothing yet
		}
		return replaceOldest(tx, link, made.MaxLinks, link.CreatedAt)
	})
}

// insertFirst adds what a link begins with: its token, or the code for its tokens.
func insertFirst(tx *transaction, made *bridge.NewLink) error {
	if made.Code != nil {
		return insertCode(tx, made.Link.ID, made.Code)
	}
	return insertToken(tx, newToken{
		hash: made.Token, linkID: made.Link.ID, kind: kindAccess, created: made.Link.CreatedAt, expires: made.ExpiresAt,
	})
}

func insertLink(tx *transaction, link *bridge.Link) error {
	claims, err := json.Marshal(link.Claims)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO links (id, client_id, grant_type, provider, issuer, subject_claim, groups_claim, subject, claims,
		email, scope, alexa_user, created_at, last_used_at, revoked_at, reason)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 0, 0, '')`,
		link.ID, link.ClientID, string(link.Grant), link.Provider.ID, link.Issuer, link.SubjectClaim, link.GroupsClaim,
		link.Subject, string(claims),
		lowerASCII(link.Claims.String(bridge.ClaimEmail)), link.Scope, string(link.AlexaUser), seconds(link.CreatedAt))
	return err
}

// replaceOldest revokes the live links of the same person and skill beyond the newest ones, of which the given one counts
// as the newest. Links whose code was not redeemed do not count yet.
func replaceOldest(tx *transaction, link *bridge.Link, limit int, now time.Time) error {
	if limit == 0 {
		return nil
	}
	person := []any{link.ClientID, link.Issuer, link.Subject}
	// Whoever counts the same person's links at the same time waits here until this transaction has ended, since what it
	// made cannot be seen before.
	if _, err := tx.Exec(`INSERT INTO persons_locked (client_id, issuer, subject) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, person...); err != nil {
		return err
	}
	_, err := tx.end(bridge.ReasonReplaced, now, `id IN (
		SELECT id FROM links WHERE client_id = $3 AND issuer = $4 AND subject = $5 AND revoked_at = 0 AND id <> $6
		AND NOT EXISTS (SELECT 1 FROM codes WHERE codes.link_id = links.id AND codes.redeemed_at = 0)
		ORDER BY created_at DESC, id DESC LIMIT $7 OFFSET $8)`, append(person, link.ID, everyRow, limit-1)...)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`DELETE FROM persons_locked WHERE client_id = $1 AND issuer = $2 AND subject = $3`, person...)
	return err
}

// everyRow is a limit that no table reaches: SQLite has no OFFSET without LIMIT.
const everyRow = int64(1) << 62

// Links lists links; see [bridge.Store].
func (s *Store) Links(ctx context.Context, filter bridge.LinkFilter) ([]bridge.Link, error) {
	reader, err := s.reader(ctx)
	if err != nil {
		return nil, err
	}
	condition, args := conditionOf(filter, 1)
	rows, err := reader.QueryContext(ctx, `SELECT `+linkColumns+` FROM links WHERE `+condition+` ORDER BY created_at, id`, args...)
	if err != nil {
		return nil, err
	}
	return scanLinks(rows)
}

// Revoke ends links; see [bridge.Store].
func (s *Store) Revoke(ctx context.Context, filter bridge.LinkFilter, reason bridge.Reason, now time.Time) ([]bridge.Link, error) {
	condition, args := conditionOf(filter, 3)
	var revoked []bridge.Link
	err := s.write(ctx, func(tx *transaction) (err error) {
		revoked, err = tx.end(reason, now, condition, args...)
		return err
	})
	if err != nil {
		return nil, err
	}
	return revoked, nil
}

// TouchLinks records uses; see [bridge.Store].
func (s *Store) TouchLinks(ctx context.Context, uses []bridge.Use) error {
	// In one order, so that two processes that note the same links do not wait for one another.
	slices.SortFunc(uses, func(a, b bridge.Use) int { return strings.Compare(a.LinkID, b.LinkID) })
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
			if _, err := tx.Exec(`UPDATE links SET alexa_user = $1 WHERE id = $2`, string(use.AlexaUser), use.LinkID); err != nil {
				return err
			}
		}
		return nil
	})
}

// conditionOf writes a filter as SQL. The first of its parameters is numbered as said.
func conditionOf(filter bridge.LinkFilter, first int) (condition string, args []any) {
	conditions := []string{"1 = 1"}
	place := func(value string) string {
		args = append(args, value)
		return placeholder(first + len(args) - 1)
	}
	equal := func(column, value string) {
		if value != "" {
			conditions = append(conditions, column+" = "+place(value))
		}
	}
	equal("client_id", filter.ClientID)
	equal("subject", filter.Subject)
	equal("email", lowerASCII(filter.Email))
	equal("provider", filter.Provider)
	equal("grant_type", string(filter.Grant))
	if len(filter.IDs) > 0 {
		var places []string
		for _, id := range filter.IDs {
			places = append(places, place(id))
		}
		conditions = append(conditions, "id IN ("+strings.Join(places, ", ")+")")
	}
	if filter.Live {
		conditions = append(conditions, "revoked_at = 0")
	}
	return strings.Join(conditions, " AND "), args
}

func placeholder(n int) string { return "$" + strconv.Itoa(n) }

func scanLinks(rows *sql.Rows) ([]bridge.Link, error) {
	defer rows.Close()
	var links []bridge.Link
	for rows.Next() {
		link, err := scanLink(rows)
		if err != nil {
			return nil, err
		}
		links = append(links, link)
	}
	return links, rows.Err()
}

// scanLink reads linkColumns and whatever columns come after them.
func scanLink(row interface{ Scan(...any) error }, more ...any) (bridge.Link, error) {
	var link bridge.Link
	var claims string
	var created, used, revoked int64
	err := row.Scan(append([]any{&link.ID, &link.ClientID, &link.Grant, &link.Provider.ID, &link.Issuer,
		&link.SubjectClaim, &link.GroupsClaim, &link.Subject, &claims, &link.Scope, &link.AlexaUser, &created, &used, &revoked, &link.Reason}, more...)...)
	if err != nil {
		return bridge.Link{}, err
	}
	link.CreatedAt, link.LastUsedAt, link.RevokedAt = timeOf(created), timeOf(used), timeOf(revoked)
	return link, link.Claims.UnmarshalJSON([]byte(claims))
}

// lowerASCII lowers A to Z only: whole Unicode lowering would make different addresses equal. What is no address at all, since
// it has a NUL, loses that, which PostgreSQL cannot keep.
func lowerASCII(text string) string {
	return strings.Map(func(r rune) rune {
		if r == 0 {
			return -1
		}
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, text)
}
