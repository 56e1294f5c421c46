package people

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/internal/httperror"
	"alexa-oidc-bridge/templates"
)

const (
	cookiePurpose   = "cookie: links of a person"
	sessionLifetime = 10 * time.Minute // from the sign-in
	sessionCookie   = "links"
	noticeCookie    = "links-notice"
)

// session is a person who is signed in, in one browser.
type session struct {
	person      bridge.Identity // without claims
	name, email string          // for the page
	token       string          // that a form of the session has
}

// SignedIn begins a session of a person who has just signed in, and shows the page of their links.
func (h *Handler) SignedIn(w http.ResponseWriter, r *http.Request, person bridge.Identity) error {
	err := h.cookies.Put(w, r, h.cookies.Name(sessionCookie), map[any]any{
		"provider": person.ID, "issuer": person.Issuer, "subject_claim": person.SubjectClaim, "subject": person.Subject,
		"name":  templates.Displayable(person.Claims.DisplayName()),
		"email": templates.Displayable(person.Claims.String(bridge.ClaimEmail)),
		"token": rand.Text(), "signed_in": h.Now().Unix(),
	})
	if err != nil {
		return fmt.Errorf("people: the session: %w", err)
	}
	httperror.Redirect(w, Path)
	return nil
}

// session returns who is signed in in this browser, or nil. Nobody is ten minutes after the sign-in, and after what
// identifies people at their provider was changed in the configuration.
func (h *Handler) session(r *http.Request) *session {
	values, ok := h.cookies.Find(r, h.cookies.Name(sessionCookie))
	if !ok {
		return nil
	}
	text := func(name string) string { value, _ := values[name].(string); return value }
	signedIn, _ := values["signed_in"].(int64)
	provider := h.Clients.Provider(text("provider"))
	s := &session{
		person: bridge.Identity{Provider: provider, Subject: text("subject")},
		name:   text("name"), email: text("email"), token: text("token"),
	}
	if provider.ID == "" || provider.Issuer != text("issuer") || provider.SubjectClaim != text("subject_claim") ||
		s.person.Subject == "" || s.token == "" || h.Now().Sub(time.Unix(signedIn, 0)) >= sessionLifetime {
		return nil
	}
	return s
}

// signOut ends the session of this browser.
func (h *Handler) signOut(w http.ResponseWriter) {
	http.SetCookie(w, h.cookies.Removal(h.cookies.Name(sessionCookie)))
}

// putNotice lets the next page say what was done. It has a cookie of its own, so that a response that comes late does
// not bring back a session that has ended.
func (h *Handler) putNotice(w http.ResponseWriter, r *http.Request, notice templates.LinksNotice) error {
	return h.cookies.Put(w, r, h.cookies.Name(noticeCookie),
		map[any]any{"event": string(notice.Event), "skill": notice.Skill, "at": h.Now().Unix()})
}

// takeNotice returns the notice for this page, and removes it.
func (h *Handler) takeNotice(w http.ResponseWriter, r *http.Request) templates.LinksNotice {
	values, ok := h.cookies.Find(r, h.cookies.Name(noticeCookie))
	if !ok {
		return templates.LinksNotice{}
	}
	http.SetCookie(w, h.cookies.Removal(h.cookies.Name(noticeCookie)))
	event, _ := values["event"].(string)
	skill, _ := values["skill"].(string)
	at, _ := values["at"].(int64)
	if h.Now().Sub(time.Unix(at, 0)) >= noticeLifetime {
		return templates.LinksNotice{}
	}
	return templates.LinksNotice{Event: templates.LinksEvent(event), Skill: skill}
}

// noticeLifetime is how long a notice waits for its page: the redirect to it follows at once.
const noticeLifetime = time.Minute
