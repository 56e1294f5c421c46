package sqlstore

import (
	"errors"
	"fmt"
	"regexp"
	"time"

	"alexa-oidc-bridge/bridge"
)

// Record is a link with everything it owns, as it moves from one database to another. Tokens and codes are in it as they are
// kept, by their hashes.
type Record struct {
	Link   bridge.Link
	Tokens []TokenRecord
	Codes  []CodeRecord
}

// TokenRecord is a token of a link.
type TokenRecord struct {
	Hash      bridge.Hash
	Kind      string // access or refresh
	CreatedAt time.Time
	ExpiresAt time.Time // zero: as long as the link

	// Of refresh tokens that rotate.
	Parent       bridge.Hash // presented for this one, or empty
	Place        int64       // among the children of the parent
	SupersededAt time.Time   // zero: not superseded
}

// CodeRecord is an authorization code of a link.
type CodeRecord struct {
	bridge.NewCode
	RedeemedAt time.Time // zero: not redeemed
}

// rows is how many rows a record has in the database.
func (r *Record) rows() int { return 1 + len(r.Tokens) + len(r.Codes) }

var (
	linkIDForm = regexp.MustCompile(`^lnk_[a-z0-9]{1,60}$`)
	hashForm   = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// check finds what no link of this program has, and what could never be looked up. It repeats nothing of the record.
func (r *Record) check() error {
	link := &r.Link
	switch {
	case !linkIDForm.MatchString(link.ID):
		return errors.New("its link_id is malformed")
	case link.Grant != bridge.GrantImplicit && link.Grant != bridge.GrantAuthorizationCode:
		return errors.New("its grant is unknown")
	case link.AlexaUser != "" && !wellFormed(link.AlexaUser):
		return errors.New("its alexa_user is not a hash")
	case link.CreatedAt.IsZero():
		return errors.New("it has no created_at")
	case !link.Revoked() && link.Reason != "":
		return errors.New("it has a reason but no revoked_at")
	case !plausible(link.CreatedAt, link.LastUsedAt, link.RevokedAt):
		return errors.New("a time is out of range")
	}
	seen := map[bridge.Hash]bool{}
	for i := range r.Tokens {
		if err := r.Tokens[i].check(seen); err != nil {
			return fmt.Errorf("token %d: %w", i+1, err)
		}
	}
	clear(seen)
	for i := range r.Codes {
		if err := r.Codes[i].check(seen); err != nil {
			return fmt.Errorf("code %d: %w", i+1, err)
		}
	}
	return nil
}

func (t *TokenRecord) check(seen map[bridge.Hash]bool) error {
	rotates := t.Parent != "" || t.Place != 0 || !t.SupersededAt.IsZero()
	switch {
	case t.Kind != kindAccess && t.Kind != kindRefresh:
		return errors.New("its kind is unknown")
	case t.Kind == kindAccess && rotates:
		return errors.New("an access token does not rotate")
	case t.Parent != "" && !wellFormed(t.Parent):
		return errors.New("its parent is not a hash")
	case t.Place < 0 || !plausible(t.CreatedAt, t.ExpiresAt, t.SupersededAt):
		return errors.New("a number is out of range")
	}
	return checkHash(t.Hash, seen)
}

func (c *CodeRecord) check(seen map[bridge.Hash]bool) error {
	if !plausible(c.ExpiresAt, c.RedeemedAt) {
		return errors.New("a time is out of range")
	}
	return checkHash(c.Hash, seen)
}

func checkHash(hash bridge.Hash, seen map[bridge.Hash]bool) error {
	switch {
	case !wellFormed(hash):
		return errors.New("its hash is not 64 hexadecimal digits")
	case seen[hash]:
		return errors.New("its hash is there twice")
	}
	seen[hash] = true
	return nil
}

func wellFormed(hash bridge.Hash) bool { return hashForm.MatchString(string(hash)) }

// plausible says whether times are none, or within the years that a date can be written with.
func plausible(times ...time.Time) bool {
	for _, t := range times {
		if !t.IsZero() && (t.Unix() < 0 || t.Year() > 9999) {
			return false
		}
	}
	return true
}

// recordForm is how a record is written in a file.
type recordForm struct {
	LinkID       string        `json:"link_id"`
	ClientID     string        `json:"client_id"`
	Grant        bridge.Grant  `json:"grant"`
	Provider     string        `json:"provider"`
	Issuer       string        `json:"issuer"`
	SubjectClaim string        `json:"subject_claim"`
	GroupsClaim  string        `json:"groups_claim"`
	Subject      string        `json:"sub"`
	Claims       bridge.Claims `json:"claims"`
	Scope        string        `json:"scope"`
	AlexaUser    bridge.Hash   `json:"alexa_user"`
	CreatedAt    int64         `json:"created_at"`
	LastUsedAt   int64         `json:"last_used_at"`
	RevokedAt    int64         `json:"revoked_at"`
	Reason       bridge.Reason `json:"reason"`
	Tokens       []tokenForm   `json:"tokens"`
	Codes        []codeForm    `json:"codes"`
}

type tokenForm struct {
	Hash         bridge.Hash `json:"hash"`
	Kind         string      `json:"kind"`
	CreatedAt    int64       `json:"created_at"`
	ExpiresAt    int64       `json:"expires_at"`
	Parent       bridge.Hash `json:"parent"`
	Place        int64       `json:"place"`
	SupersededAt int64       `json:"superseded_at"`
}

type codeForm struct {
	Hash          bridge.Hash `json:"hash"`
	RedirectURI   string      `json:"redirect_uri"`
	CodeChallenge string      `json:"code_challenge"`
	ExpiresAt     int64       `json:"expires_at"`
	RedeemedAt    int64       `json:"redeemed_at"`
}

func formOf(record *Record) *recordForm {
	link := &record.Link
	form := &recordForm{
		LinkID: link.ID, ClientID: link.ClientID, Grant: link.Grant, Provider: link.Provider.ID, Issuer: link.Issuer,
		SubjectClaim: link.SubjectClaim, GroupsClaim: link.GroupsClaim, Subject: link.Subject, Claims: link.Claims,
		Scope: link.Scope, AlexaUser: link.AlexaUser, CreatedAt: seconds(link.CreatedAt), LastUsedAt: seconds(link.LastUsedAt),
		RevokedAt: seconds(link.RevokedAt), Reason: link.Reason,
		Tokens: make([]tokenForm, len(record.Tokens)), Codes: make([]codeForm, len(record.Codes)),
	}
	for i, t := range record.Tokens {
		form.Tokens[i] = tokenForm{t.Hash, t.Kind, seconds(t.CreatedAt), seconds(t.ExpiresAt), t.Parent, t.Place, seconds(t.SupersededAt)}
	}
	for i, c := range record.Codes {
		form.Codes[i] = codeForm{c.Hash, c.RedirectURI, c.CodeChallenge, seconds(c.ExpiresAt), seconds(c.RedeemedAt)}
	}
	return form
}

func (f *recordForm) record() Record {
	record := Record{Link: bridge.Link{
		ID: f.LinkID, ClientID: f.ClientID, Grant: f.Grant, Scope: f.Scope, AlexaUser: f.AlexaUser,
		Identity: bridge.Identity{
			Provider: bridge.Provider{ID: f.Provider, Issuer: f.Issuer, SubjectClaim: f.SubjectClaim, GroupsClaim: f.GroupsClaim},
			Subject:  f.Subject, Claims: f.Claims,
		},
		CreatedAt: timeOf(f.CreatedAt), LastUsedAt: timeOf(f.LastUsedAt), RevokedAt: timeOf(f.RevokedAt), Reason: f.Reason,
	}}
	for _, t := range f.Tokens {
		record.Tokens = append(record.Tokens, TokenRecord{t.Hash, t.Kind, timeOf(t.CreatedAt), timeOf(t.ExpiresAt),
			t.Parent, t.Place, timeOf(t.SupersededAt)})
	}
	for _, c := range f.Codes {
		record.Codes = append(record.Codes, CodeRecord{
			bridge.NewCode{Hash: c.Hash, RedirectURI: c.RedirectURI, CodeChallenge: c.CodeChallenge, ExpiresAt: timeOf(c.ExpiresAt)},
			timeOf(c.RedeemedAt)})
	}
	return record
}
