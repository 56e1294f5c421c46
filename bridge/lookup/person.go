package lookup

import (
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

// parseResponse returns a person or [ErrNotLinked] only for what a bridge responds (RFC 7662 §2.2): the page of a proxy
// says nothing about a link.
func parseResponse(body []byte) (*Person, error) {
	r := readObject(body)
	active, known := r.root["active"].(bool)
	if known && !active {
		return nil, ErrNotLinked
	}
	person := &Person{
		UpstreamISS: r.text("upstream_iss"), Subject: r.text("sub"), Claims: member[object](r, "claims", r.root["claims"]),
		LinkID: r.text("link_id"), ClientID: r.text("client_id"), Provider: r.text("provider"), Scope: r.text("scope"),
		Issuer: r.text("iss"), IssuedAt: time.Unix(r.time("iat"), 0), Test: member[bool](r, "test", r.root["test"]),
	}
	if expires := r.time("exp"); expires != 0 {
		person.ExpiresAt = time.Unix(expires, 0)
	}
	if r.err != nil || !active || person.Subject == "" || person.UpstreamISS == "" {
		return nil, fmt.Errorf("%w: the response is not that of a bridge", ErrUnavailable)
	}
	return person, nil
}
