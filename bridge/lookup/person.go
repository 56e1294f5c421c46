package lookup

import (
	"encoding/json"
	"fmt"
	"time"
)

// Person is whose token it is, and by which link. It may be shared with other requests: do not change it. Methods of a
// nil Person return "".
type Person struct {
	UpstreamISS string // the issuer of the provider
	Subject     string // the person at the provider; unique only together with UpstreamISS
	// Claims are those that the skill is configured with and that the provider sent.
	Claims map[string]any

	LinkID    string
	ClientID  string // the skill
	Provider  string // its id in the bridge's configuration
	Scope     string // separated by spaces
	Issuer    string // the public URL of the bridge
	IssuedAt  time.Time
	ExpiresAt time.Time // zero: the token never expires
	Test      bool      // made by `links mint` for a test; see [Client.AllowTest]
}

// Key returns UpstreamISS and Subject as one string, by which a skill can store what belongs to the person.
func (p *Person) Key() string {
	if p == nil {
		return ""
	}
	return p.UpstreamISS + " " + p.Subject
}

// Claim returns a claim that is text, or "".
func (p *Person) Claim(name string) string {
	if p == nil {
		return ""
	}
	text, _ := p.Claims[name].(string)
	return text
}

// response is the response of the lookup endpoint (RFC 7662 §2.2).
type response struct {
	Active      *bool          `json:"active"`
	Issuer      string         `json:"iss"`
	Subject     string         `json:"sub"`
	ClientID    string         `json:"client_id"`
	Scope       string         `json:"scope"`
	IssuedAt    int64          `json:"iat"` // seconds since 1970
	ExpiresAt   int64          `json:"exp"` // seconds since 1970; 0: never
	LinkID      string         `json:"link_id"`
	Provider    string         `json:"provider"`
	UpstreamISS string         `json:"upstream_iss"`
	Claims      map[string]any `json:"claims"`
	Test        bool           `json:"test"`
}

// parseResponse returns a person or [ErrNotLinked] only for what a bridge responds: the page of a proxy says nothing
// about a link.
func parseResponse(body []byte) (*Person, error) {
	var r response
	err := json.Unmarshal(body, &r)
	if err != nil || r.Active == nil || *r.Active && (r.Subject == "" || r.UpstreamISS == "") {
		return nil, fmt.Errorf("%w: the response is not that of a bridge", ErrUnavailable)
	}
	if !*r.Active {
		return nil, ErrNotLinked
	}
	person := &Person{
		UpstreamISS: r.UpstreamISS, Subject: r.Subject, Claims: r.Claims, LinkID: r.LinkID, ClientID: r.ClientID,
		Provider: r.Provider, Scope: r.Scope, Issuer: r.Issuer, IssuedAt: time.Unix(r.IssuedAt, 0), Test: r.Test,
	}
	if r.ExpiresAt != 0 {
		person.ExpiresAt = time.Unix(r.ExpiresAt, 0)
	}
	return person, nil
}
