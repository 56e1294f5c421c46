package transfer

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"alexa-oidc-bridge/bridge"
)

// Row is one row of the database: a link, or a token or code of the link before it. Exactly one field is set.
type Row struct {
	Link  *Link  `json:"link,omitempty"`
	Token *Token `json:"token,omitempty"`
	Code  *Code  `json:"code,omitempty"`
}

// Link is a [bridge.Link]. Times are seconds since 1970, 0 for never, here and in [Token] and [Code].
type Link struct {
	ID           string        `json:"link_id"`
	ClientID     string        `json:"client_id"`
	Grant        bridge.Grant  `json:"grant"`
	Provider     string        `json:"provider"`
	Issuer       string        `json:"issuer"`
	SubjectClaim string        `json:"subject_claim"`
	GroupsClaim  string        `json:"groups_claim"`
	Subject      string        `json:"sub"`
	Claims       bridge.Claims `json:"claims"`
	Scope        string        `json:"scope"`
	AlexaUser    bridge.Hash   `json:"alexa_user"` // or empty
	CreatedAt    int64         `json:"created_at"`
	LastUsedAt   int64         `json:"last_used_at"`
	RevokedAt    int64         `json:"revoked_at"`
	Reason       bridge.Reason `json:"reason"`
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

// Counts are numbers of rows.
type Counts struct {
	Links  int `json:"links"`
	Tokens int `json:"tokens"`
	Codes  int `json:"codes"`
}

// MaxRowsPerLink bounds the tokens and codes of one link. They are in memory together, because an import adds a link with
// all that it owns in one transaction.
const MaxRowsPerLink = 100_000

// sequence checks rows and their order.
type sequence struct {
	link   string // the id of the last link
	owned  int    // its rows
	counts Counts
}

// add checks the next row. Its errors do not quote the row.
func (s *sequence) add(row Row) error {
	if s.owned++; s.owned > MaxRowsPerLink && row.Link == nil {
		return fmt.Errorf("a link has more than %d tokens and codes", MaxRowsPerLink)
	}
	switch {
	case row.Link != nil && row.Token == nil && row.Code == nil:
		s.link, s.owned = row.Link.ID, 0
		s.counts.Links++
		return row.Link.check()
	case row.Token != nil && row.Link == nil && row.Code == nil:
		s.counts.Tokens++
		return s.checkOwner(row.Token.LinkID, row.Token.check)
	case row.Code != nil && row.Link == nil && row.Token == nil:
		s.counts.Codes++
		return s.checkOwner(row.Code.LinkID, row.Code.check)
	}
	return errors.New("it is not exactly one of a link, a token and a code")
}

func (s *sequence) checkOwner(linkID string, check func() error) error {
	if linkID == "" || linkID != s.link {
		return errors.New("it does not follow its link")
	}
	return check()
}

var (
	linkIDPattern = regexp.MustCompile(`^lnk_[a-z0-9]{1,60}$`)
	hashPattern   = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

func (l *Link) check() error {
	switch {
	case !linkIDPattern.MatchString(l.ID):
		return errors.New("link_id is malformed")
	case l.Grant != bridge.GrantImplicit && l.Grant != bridge.GrantAuthorizationCode:
		return errors.New("grant is unknown")
	case l.AlexaUser != "" && !isHash(l.AlexaUser):
		return errors.New("alexa_user is not a hash")
	case l.CreatedAt == 0:
		return errors.New("created_at is missing")
	case l.RevokedAt == 0 && l.Reason != "":
		return errors.New("a live link has a reason")
	case !areTimes(l.CreatedAt, l.LastUsedAt, l.RevokedAt):
		return errors.New("a time is out of range")
	case hasControl(l.ClientID, l.Provider, l.Issuer, l.SubjectClaim, l.GroupsClaim, l.Subject, l.Scope, string(l.Reason)):
		return errors.New("a text has a control character")
	}
	return nil
}

func (t *Token) check() error {
	rotates := t.Parent != "" || t.Place != 0 || t.SupersededAt != 0
	switch {
	case !isHash(t.Hash):
		return errors.New("hash is not 64 hexadecimal digits")
	case t.Kind != "access" && t.Kind != "refresh":
		return errors.New("kind is unknown")
	case t.Kind == "access" && rotates:
		return errors.New("an access token has a parent, a place or superseded_at")
	case t.Parent != "" && !isHash(t.Parent):
		return errors.New("parent is not a hash")
	case t.Place < 0 || !areTimes(t.CreatedAt, t.ExpiresAt, t.SupersededAt):
		return errors.New("a number is out of range")
	}
	return nil
}

func (c *Code) check() error {
	switch {
	case !isHash(c.Hash):
		return errors.New("hash is not 64 hexadecimal digits")
	case !areTimes(c.ExpiresAt, c.RedeemedAt):
		return errors.New("a time is out of range")
	case hasControl(c.RedirectURI, c.CodeChallenge):
		return errors.New("a text has a control character")
	}
	return nil
}

func isHash(hash bridge.Hash) bool { return hashPattern.MatchString(string(hash)) }

// areTimes reports whether times lie between 1970 and the year 9999.
func areTimes(times ...int64) bool {
	for _, t := range times {
		if t < 0 || t > 253402300799 {
			return false
		}
	}
	return true
}

// hasControl reports whether a text has a control character: C0, DEL or C1. A terminal could execute some, and PostgreSQL
// cannot store NUL. Claims may have them, escaped as in the database: people choose some of their claims themselves, and
// must not be able to block an export.
func hasControl(texts ...string) bool {
	for _, text := range texts {
		if strings.ContainsFunc(text, unicode.IsControl) {
			return true
		}
	}
	return false
}
