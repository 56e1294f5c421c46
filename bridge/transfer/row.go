package transfer

import (
	"cmp"
	"errors"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"alexa-oidc-bridge/bridge"
)

// Row is one row of the database: a link, what belongs to the link before it, or a tombstone. Exactly one field is set.
type Row struct {
	Link          *Link          `json:"link,omitempty"`
	Token         *Token         `json:"token,omitempty"`
	Code          *Code          `json:"code,omitempty"`
	UpstreamToken *UpstreamToken `json:"upstream_token,omitempty"` // not in version 2
	Tombstone     *Tombstone     `json:"tombstone,omitempty"`
}

// Owned reports whether the row belongs to the link before it.
func (r Row) Owned() bool { return r.Token != nil || r.Code != nil || r.UpstreamToken != nil }

// Link is a [bridge.Link]. Times are seconds since 1970, 0 for never, here and in [Token] and [Code].
type Link struct {
	ID           string        `json:"link_id"`
	ClientID     string        `json:"client_id"`
	Grant        bridge.Grant  `json:"grant"`
	Provider     string        `json:"provider"`
	Issuer       string        `json:"issuer"`
	SubjectClaim string        `json:"subject_claim"`
	EmailClaim   string        `json:"email_claim,omitempty"` // not in version 2
	GroupsClaim  string        `json:"groups_claim"`
	Subject      string        `json:"sub"`
	Claims       bridge.Claims `json:"claims"`
	Scope        string        `json:"scope"`
	AlexaUser    bridge.Hash   `json:"alexa_user"` // or empty
	CreatedAt    int64         `json:"created_at"`
	LastUsedAt   int64         `json:"last_used_at"`
	RevokedAt    int64         `json:"revoked_at"`
	Reason       bridge.Reason `json:"reason"`
	Actor        bridge.Actor  `json:"actor,omitempty"` // not in version 2

	// The names of a [bridge.Account]; not in version 2.
	UpstreamSub  string `json:"upstream_sub,omitempty"`
	UpstreamSID  string `json:"upstream_sid,omitempty"`
	DirectoryID  string `json:"directory_id,omitempty"`
	AccountEmail string `json:"account_email,omitempty"`

	CheckedAt int64 `json:"checked_at,omitempty"` // not in version 2
	TiedAt    int64 `json:"tied_at,omitempty"`    // to the Alexa user; not in version 2
}

// Token is an access or refresh token of a link.
type Token struct {
	LinkID    string      `json:"link_id"`
	Hash      bridge.Hash `json:"hash"`
	Kind      string      `json:"kind"` // access or refresh
	CreatedAt int64       `json:"created_at"`
	ExpiresAt int64       `json:"expires_at"` // 0: as long as the link

	// Of refresh tokens that rotate.
	Parent       bridge.Hash `json:"parent"`        // presented for this one, or empty
	Place        int64       `json:"place"`         // among the children of the parent
	SupersededAt int64       `json:"superseded_at"` // 0: not superseded
}

// Code is an authorization code of a link.
type Code struct {
	LinkID        string      `json:"link_id"`
	Hash          bridge.Hash `json:"hash"`
	RedirectURI   string      `json:"redirect_uri"`
	CodeChallenge string      `json:"code_challenge"`
	ExpiresAt     int64       `json:"expires_at"`
	RedeemedAt    int64       `json:"redeemed_at"` // 0: not redeemed
}

// UpstreamToken is the refresh token that the provider issued for a link. It is sealed, and can be used by who has one
// of the keys only. The other fields are those of [bridge.Recheck].
type UpstreamToken struct {
	LinkID     string `json:"link_id"`
	Provider   string `json:"provider"`
	Sealed     []byte `json:"sealed"`
	DueAt      int64  `json:"due_at"`
	Unanswered int64  `json:"unanswered"` // 0 or 1
	Stable     int64  `json:"stable"`     // 0 or 1, or 2 if the token was replaced once
	Failures   int64  `json:"failures"`
	DeadAt     int64  `json:"dead_at"`
}

// Tombstone is what is left of a link that was erased. Tombstones come before or after links, not among what a link
// owns, in any order: one may come before or after its link, in this file or in another.
type Tombstone struct {
	LinkID  string `json:"link_id"`
	EndedAt int64  `json:"ended_at"`
}

// Counts are numbers of rows.
type Counts struct {
	Links      int `json:"links"`
	Tokens     int `json:"tokens"`
	Codes      int `json:"codes"`
	Tombstones int `json:"tombstones,omitempty"` // not in version 2

	UpstreamTokens int `json:"upstream_tokens,omitempty"` // not in version 2
}

// MaxRowsPerLink bounds the tokens and codes of one link. They are in memory together, because an import adds a link
// with all that it owns in one transaction.
const MaxRowsPerLink = 100_000

// sequence checks rows and their order.
type sequence struct {
	id     string // of the last link or tombstone
	isLink bool   // whether that was a link
	owned  int    // its rows
	counts Counts
}

// add checks the next row. Its errors do not quote the row.
func (s *sequence) add(row Row) error {
	switch {
	case row == Row{Link: row.Link} && row.Link != nil:
		return s.addLink(row.Link)
	case row == Row{Token: row.Token} && row.Token != nil:
		return s.addToken(row.Token)
	case row == Row{Code: row.Code} && row.Code != nil:
		return s.addCode(row.Code)
	case row == Row{UpstreamToken: row.UpstreamToken} && row.UpstreamToken != nil:
		return s.addUpstreamToken(row.UpstreamToken)
	case row == Row{Tombstone: row.Tombstone} && row.Tombstone != nil:
		return s.addTombstone(row.Tombstone)
	}
	return errors.New("it is not exactly one of a link, a token, a code, an upstream token and a tombstone")
}

func (s *sequence) addLink(l *Link) error {
	s.id, s.isLink, s.owned = l.ID, true, 0
	s.counts.Links++
	return cmp.Or(
		want(bridge.WellFormedLinkID(l.ID), "link_id is malformed"),
		want(l.Grant == bridge.GrantImplicit || l.Grant == bridge.GrantAuthorizationCode, "grant is unknown"),
		want(l.AlexaUser == "" || isHash(l.AlexaUser), "alexa_user is not a hash"),
		want(l.CreatedAt != 0, "created_at is missing"),
		want(len(l.Actor) <= bridge.MaxActor, "actor is too long"),
		wantTimes(l.CreatedAt, l.LastUsedAt, l.RevokedAt, l.CheckedAt, l.TiedAt),
		// Not the claims: people choose some of theirs, and must not be able to block an export.
		wantText(l.ClientID, l.Provider, l.Issuer, l.SubjectClaim, l.EmailClaim, l.GroupsClaim, l.Subject, l.Scope,
			string(l.Reason), string(l.Actor), l.UpstreamSub, l.UpstreamSID, l.DirectoryID, l.AccountEmail))
}

func (s *sequence) addToken(t *Token) error {
	s.counts.Tokens++
	return cmp.Or(
		s.addOwned(t.LinkID, t.Hash),
		want(t.Kind == "access" || t.Kind == "refresh", "kind is unknown"),
		want(t.Parent == "" || isHash(t.Parent), "parent is not a hash"),
		want(t.Place >= 0, "place is out of range"),
		wantTimes(t.CreatedAt, t.ExpiresAt, t.SupersededAt))
}

func (s *sequence) addCode(c *Code) error {
	s.counts.Codes++
	return cmp.Or(s.addOwned(c.LinkID, c.Hash), wantTimes(c.ExpiresAt, c.RedeemedAt),
		wantText(c.RedirectURI, c.CodeChallenge))
}

func (s *sequence) addUpstreamToken(t *UpstreamToken) error {
	s.counts.UpstreamTokens++
	return cmp.Or(
		s.addOwnedRow(t.LinkID),
		want(len(t.Sealed) > 0, "sealed is missing"),
		want(t.Unanswered|1 == 1 && t.Stable >= 0 && t.Stable <= 2 && t.Failures >= 0,
			"unanswered, stable or failures is out of range"),
		wantTimes(t.DueAt, t.DeadAt), wantText(t.Provider))
}

func (s *sequence) addTombstone(t *Tombstone) error {
	s.id, s.isLink = t.LinkID, false
	s.counts.Tombstones++
	return cmp.Or(
		want(bridge.WellFormedLinkID(t.LinkID), "link_id is malformed"),
		want(t.EndedAt > 0, "ended_at is missing"),
		wantTimes(t.EndedAt))
}

func (s *sequence) addOwned(linkID string, hash bridge.Hash) error {
	return cmp.Or(s.addOwnedRow(linkID), want(isHash(hash), "hash is not 64 hexadecimal digits"))
}

func (s *sequence) addOwnedRow(linkID string) error {
	s.owned++
	return cmp.Or(
		want(s.isLink && linkID == s.id, "it does not follow its link"),
		want(s.owned <= MaxRowsPerLink, "a link has more than 100,000 tokens and codes"))
}

func want(valid bool, problem string) error {
	if valid {
		return nil
	}
	return errors.New(problem)
}

// wantTimes verifies that times lie between 1970 and the year 9999.
func wantTimes(times ...int64) error {
	return want(slices.Min(times) >= 0 && slices.Max(times) <= 253402300799, "a time is out of range")
}

// wantText verifies that texts have no control character: C0, DEL or C1. A terminal could execute some, and
// PostgreSQL cannot store NUL, except escaped, as in claims.
func wantText(texts ...string) error {
	return want(!strings.ContainsFunc(strings.Join(texts, ""), unicode.IsControl), "a text has a control character")
}

var hashPattern = regexp.MustCompile(`^[0-9a-f]{64}$`)

func isHash(hash bridge.Hash) bool { return hashPattern.MatchString(string(hash)) }
