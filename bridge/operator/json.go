// Package operator has what an operator's commands and the admin API share: the JSON of links and audit records, how
// a time and a reference are written, and whom a subject may stand for.
package operator

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf16"

	"alexa-oidc-bridge/bridge"
)

// Link is a link in the output of links list --json, and in the admin API.
type Link struct {
	LinkID     string     `json:"link_id"`
	ClientID   string     `json:"client_id"`
	Provider   string     `json:"provider"`
	Subject    string     `json:"sub"`
	Name       string     `json:"name"`  // empty: not kept with the link
	Email      string     `json:"email"` // empty: not kept with the link
	Grant      string     `json:"grant"`
	Scope      string     `json:"scope"`
	CreatedAt  *time.Time `json:"created_at"`
	LastUsedAt *time.Time `json:"last_used_at"` // null: never
	RevokedAt  *time.Time `json:"revoked_at"`   // null: live
	Reason     string     `json:"reason"`
	// Actor is who revoked the link, or who made it, if it is a live test link. Empty: another live link, or revoked
	// before actors were recorded.
	Actor string `json:"actor"`
	Test  bool   `json:"test,omitempty"` // made by links mint
}

// Links returns links as they are output. It is never nil, which would be null in JSON.
func Links(links []bridge.Link) []Link {
	list := make([]Link, len(links))
	for i, link := range links {
		list[i] = Link{
			LinkID: link.ID, ClientID: link.ClientID, Provider: link.Provider.ID, Subject: link.Subject,
			Name: link.Claims.DisplayName(), Email: link.Claims.String(bridge.ClaimEmail),
			Grant: string(link.Grant), Scope: link.Scope,
			CreatedAt: orNull(link.CreatedAt), LastUsedAt: orNull(link.LastUsedAt), RevokedAt: orNull(link.RevokedAt),
			Reason: string(link.Reason), Actor: string(link.Actor), Test: link.IsTest(),
		}
	}
	return list
}

// AuditRecord is a record in the output of audit --json, and in the admin API. The names are those of the log.
type AuditRecord struct {
	ID       string     `json:"id"`
	Time     *time.Time `json:"time"`
	Event    string     `json:"event"`
	Reason   string     `json:"reason"`
	Actor    string     `json:"actor"`
	ClientID string     `json:"client_id"`
	Provider string     `json:"provider"`
	LinkID   string     `json:"link_id"`
	Subject  string     `json:"sub"`
	Ref      string     `json:"ref"`
	Address  string     `json:"address"`
}

// AuditRecords returns records as they are output. It is never nil, which would be null in JSON.
func AuditRecords(records []bridge.AuditRecord) []AuditRecord {
	list := make([]AuditRecord, len(records))
	for i, r := range records {
		list[i] = AuditRecord{r.ID, orNull(r.At), string(r.Event), string(r.Reason), string(r.Actor), r.ClientID,
			r.Provider, r.LinkID, r.Subject, r.Ref, r.Address}
	}
	return list
}

func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// ASCII escapes all characters beyond ASCII in a JSON text, so that none can control a terminal.
func ASCII(text []byte) []byte {
	var b strings.Builder
	for _, r := range string(text) {
		switch {
		case r <= '~':
			b.WriteRune(r)
		case r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		}
	}
	return []byte(b.String())
}
