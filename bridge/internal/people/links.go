package people

import (
	"context"
	"crypto/subtle"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/internal/httperror"
	"alexa-oidc-bridge/bridge/internal/oauth"
	"alexa-oidc-bridge/templates"
)

const (
	// maxRows is how many links the page shows. A person can have more only if the operator permits it.
	maxRows = 100
	// maxRevoked is how many links one transaction ends.
	maxRevoked = 50
)

// showLinks shows the links of who is signed in, the newest first.
func (h *Handler) showLinks(w http.ResponseWriter, r *http.Request, s *session) error {
	ctx, cancel := bridge.WithStoreTimeout(r.Context())
	defer cancel()
	links, err := h.linksOf(ctx, s)
	if err != nil {
		return mapError(err)
	}
	slices.Reverse(links)
	page := templates.LinksPage{
		Name: s.name, Email: s.email, Subject: templates.Displayable(s.person.Subject),
		More: max(len(links)-maxRows, 0), Token: s.token, Switch: signInURL(s.person.ID, true), Notice: h.takeNotice(w, r),
	}
	if len(h.Providers) > 1 {
		page.Switch = signInURL("", true)
	}
	for _, link := range links[:min(len(links), maxRows)] {
		page.Links = append(page.Links, templates.LinkRow{
			ID: link.ID, Skill: h.skillName(link.ClientID), Since: day(link.CreatedAt), LastUsed: day(link.LastUsedAt),
		})
	}
	h.logPage(r, h.Pages.Links(w, page))
	return nil
}

// linksOf returns the live links of a person, the oldest first.
func (h *Handler) linksOf(ctx context.Context, s *session) ([]bridge.Link, error) {
	links, err := h.Store.Links(ctx, bridge.LinkFilter{Issuer: s.person.Issuer, Subject: s.person.Subject, Live: true})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errStore, err)
	}
	// A subject that was taken from another claim may be another person's.
	return slices.DeleteFunc(links, func(link bridge.Link) bool { return link.SubjectClaim != s.person.SubjectClaim }), nil
}

// skillName returns the name of a skill, or its client id if it is not configured any more.
func (h *Handler) skillName(clientID string) string {
	if skill := h.Clients.Skill(clientID); skill != nil {
		return skill.Name
	}
	return templates.Displayable(clientID)
}

// day returns the day of a time in words, or "" for the zero time.
func day(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2 January 2006")
}

// What a form says that does not name a link.
const (
	decisionAll     = "all"      // end all links
	decisionSignOut = "sign_out" // of this page
)

// Unlink serves POST /links/unlink. The response is a redirect to the page of links, which says what was done, so that
// loading that again does nothing. A GET comes from a person who loads the address again.
func (h *Handler) Unlink(w http.ResponseWriter, r *http.Request) error {
	if r.Method == http.MethodGet {
		httperror.Redirect(w, Path)
		return nil
	}
	form, s, err := h.readForm(r)
	if err != nil {
		return h.formError(err)
	}
	notice := templates.LinksNotice{Event: templates.NoticeSignedOut}
	if form.Get("decision") == decisionSignOut {
		h.signOut(w)
	} else if notice, err = h.unlink(r, s, form); err != nil {
		return mapError(err)
	}
	if err := h.putNotice(w, r, notice); err != nil {
		return err
	}
	httperror.Redirect(w, Path)
	return nil
}

// readForm returns a form that was sent from the page of the session.
func (h *Handler) readForm(r *http.Request) (url.Values, *session, error) {
	form, err := oauth.ReadForm(r)
	if err != nil {
		return nil, nil, err
	}
	if err := h.CheckOrigin(r); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", errForeign, err)
	}
	if err := oauth.CheckRepeated(form, "token", "link_id", "decision"); err != nil {
		return nil, nil, err
	}
	s := h.session(r)
	if s == nil {
		return nil, nil, errSignedOut
	}
	if subtle.ConstantTimeCompare([]byte(form.Get("token")), []byte(s.token)) != 1 {
		return nil, nil, errToken
	}
	decision, id := form.Get("decision"), form.Get("link_id")
	if (id == "") != (decision == decisionAll || decision == decisionSignOut) || id != "" && decision != "" {
		return nil, nil, errDecision
	}
	return form, s, nil
}

// unlink ends the link that a form names, or all links of the person.
func (h *Handler) unlink(r *http.Request, s *session, form url.Values) (templates.LinksNotice, error) {
	ctx, cancel := bridge.WithStoreTimeout(r.Context())
	defer cancel()
	links, err := h.linksOf(ctx, s)
	if err != nil {
		return templates.LinksNotice{}, err
	}
	var ids []string
	for _, link := range links {
		if form.Get("decision") == decisionAll || link.ID == form.Get("link_id") {
			ids = append(ids, link.ID)
		}
	}
	revoked, err := h.revoke(ctx, r, s, ids)
	switch {
	case err != nil:
		return templates.LinksNotice{}, fmt.Errorf("%w: %w", errStore, err)
	case len(revoked) == 0:
		return templates.LinksNotice{Event: templates.NoticeNoLink}, nil
	case form.Get("decision") == decisionAll:
		return templates.LinksNotice{Event: templates.NoticeUnlinkedAll}, nil
	}
	return templates.LinksNotice{Event: templates.NoticeUnlinked, Skill: h.skillName(revoked[0].ClientID)}, nil
}

// revoke ends those of the links that are the person's and live.
func (h *Handler) revoke(ctx context.Context, r *http.Request, s *session, ids []string) ([]bridge.Link, error) {
	var revoked []bridge.Link
	by := bridge.Revocation{Reason: bridge.ReasonUnlinked, Actor: bridge.ActorPerson, At: h.Now(), Origin: h.Origin(r)}
	for chunk := range slices.Chunk(ids, maxRevoked) {
		filter := bridge.LinkFilter{IDs: chunk, Issuer: s.person.Issuer, Subject: s.person.Subject}
		some, err := h.Store.Revoke(ctx, filter, by)
		if err != nil {
			return nil, err
		}
		revoked = append(revoked, some...)
	}
	return revoked, nil
}
