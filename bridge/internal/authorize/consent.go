package authorize

import (
	"context"
	"crypto/subtle"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/internal/oauth"
	"alexa-oidc-bridge/bridge/upstream"
	"alexa-oidc-bridge/templates"
)

// doubleTap is how long after a decision the same answer is taken for the same tap, and answered in the same way.
const doubleTap = 60 * time.Second

// tapWindow is doubleTap, but for a link by a code no longer than the code may come again: Alexa would present it once more,
// which would end the link.
func tapWindow(f *flow, decision bridge.Decision) time.Duration {
	if decision == bridge.DecisionLink && f.grant() == bridge.GrantAuthorizationCode {
		return bridge.CodeReplayGrace
	}
	return doubleTap
}

// askConsent writes the consent page.
func (h *Handler) askConsent(w http.ResponseWriter, r *http.Request, f *flow, skill *bridge.Skill, waiting *signedIn) {
	err := h.deps.Pages.Consent(w, templates.ConsentPage{
		Skill:   skill.Name,
		Name:    waiting.Name,
		Email:   waiting.Email,
		Subject: displayable(waiting.Identity.Subject),
		Learns:  learns(skill, waiting.Identity.Claims),
		Scopes:  strings.Join(strings.Fields(f.request.Scope), ", "),
		Flow:    f.id(),
		Token:   f.formToken(),
	})
	if err != nil {
		h.log(r.Context(), f).Warn("page not written", "error", err)
	}
}

// learns tells what the skill's backend will be told: the claims that it is configured with and that there are.
func learns(skill *bridge.Skill, claims bridge.Claims) []templates.Learn {
	words := map[string]string{
		bridge.ClaimEmail:             "E-mail address",
		bridge.ClaimName:              "Name",
		bridge.ClaimPreferredUsername: "User name",
		bridge.ClaimGroups:            "Groups",
		"given_name":                  "First name",
		"family_name":                 "Last name",
		"phone_number":                "Telephone number",
		"locale":                      "Language",
	}
	var list []templates.Learn
	for _, name := range skill.Claims {
		if claims[name] == nil {
			continue
		}
		what, known := words[name]
		if !known {
			what = displayable(name)
		}
		list = append(list, templates.Learn{What: what, Value: displayable(strings.Join(claims.Strings(name), ", "))})
	}
	return list
}

// displayable takes out what could make a text read otherwise than it is: control and direction characters. It also cuts
// what is too long for a page.
func displayable(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.Is(unicode.C, r) || r == unicode.ReplacementChar {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, ""))
	if runes := []rune(text); len(runes) > 200 {
		text = string(runes[:200]) + "…"
	}
	return text
}

// Consent answers POST /consent, the person's decision.
func (h *Handler) Consent(w http.ResponseWriter, r *http.Request) {
	form, err := oauth.ReadForm(r)
	if err != nil {
		h.log(r.Context(), nil).Warn("consent not readable", "error", err)
		h.show(w, r, oauth.FormStatus(err), templates.ErrorPage{Fault: templates.FaultForeignPost})
		return
	}
	if !h.ownPost(r) {
		h.log(r.Context(), nil).Warn("consent from another site",
			"sec_fetch_site", upstream.LogText(r.Header.Get("Sec-Fetch-Site")), "origin", upstream.LogText(r.Header.Get("Origin")))
		h.show(w, r, http.StatusForbidden, templates.ErrorPage{Fault: templates.FaultForeignPost})
		return
	}
	f, decision, fault := h.answered(r, form)
	if fault != "" {
		h.log(r.Context(), f).Warn("consent refused", "reason", fault)
		h.show(w, r, http.StatusBadRequest, templates.ErrorPage{Fault: fault})
		return
	}
	h.decide(w, r, f, decision)
}

// ownPost says whether the browser sent the form from one of our pages, as far as it tells. `Origin: null` is what some
// browsers send for a page that came through redirects; the form's token stands behind this.
func (h *Handler) ownPost(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" {
		return false
	}
	origin := r.Header.Get("Origin")
	return origin == "" || origin == "null" || origin == h.config.PublicURL
}

// answered finds the flow that a form belongs to, by the cookie of this very browser, and reads the decision.
func (h *Handler) answered(r *http.Request, form url.Values) (*flow, bridge.Decision, templates.Fault) {
	for _, name := range []string{"flow", "token", "decision"} {
		if _, once := oauth.Single(form, name); !once {
			return nil, "", templates.FaultForeignPost
		}
	}
	f, found := h.cookies.find(r, form.Get("flow"), h.deps.Now())
	if !found {
		return nil, "", templates.FaultNoCookie
	}
	if subtle.ConstantTimeCompare([]byte(form.Get("token")), []byte(f.formToken())) != 1 {
		return f, "", templates.FaultForeignPost
	}
	decision := bridge.Decision(form.Get("decision"))
	switch decision {
	case bridge.DecisionLink, bridge.DecisionCancel, bridge.DecisionSwitch:
		return f, decision, ""
	}
	return f, "", templates.FaultForeignPost
}

func (h *Handler) decide(w http.ResponseWriter, r *http.Request, f *flow, decision bridge.Decision) {
	skill, provider, ok := h.skillOf(f)
	if !ok {
		h.show(w, r, http.StatusBadRequest, templates.ErrorPage{Fault: templates.FaultUnknownSkill})
		return
	}
	switch decision {
	case bridge.DecisionLink:
		h.link(w, r, f, skill)
	case bridge.DecisionCancel:
		h.cancel(w, r, f)
	case bridge.DecisionSwitch:
		h.switchAccount(w, r, f, provider)
	}
}

// link makes the link and sends the browser back to Alexa with its token or its code, whose hash is on disk before it leaves.
func (h *Handler) link(w http.ResponseWriter, r *http.Request, f *flow, skill *bridge.Skill) {
	made, err := h.makeLink(r, f, skill)
	if h.undecidable(w, r, f, bridge.DecisionLink, err) {
		return
	}
	if err == nil {
		h.metrics.made.WithLabelValues(skill.ClientID, string(f.grant())).Inc()
		h.log(r.Context(), f).Info("linked", "link_id", made, "grant", f.grant())
	}
	if f.grant() == bridge.GrantAuthorizationCode {
		redirect(w, codeAnswer(&f.request, f.code(), h.config.PublicURL))
		return
	}
	redirect(w, tokenAnswer(&f.request, f.accessToken(), skill.ImplicitLifetime))
}

func (h *Handler) makeLink(r *http.Request, f *flow, skill *bridge.Skill) (linkID string, err error) {
	waiting, err := h.waiting(r.Context(), f)
	if err != nil {
		return "", err
	}
	now := h.deps.Now()
	made := bridge.NewLink{
		Link: bridge.Link{
			ID:        bridge.NewLinkID(),
			ClientID:  skill.ClientID,
			Grant:     f.grant(),
			Identity:  waiting.Identity,
			Scope:     f.request.Scope,
			CreatedAt: now,
		},
		MaxLinks: skill.MaxLinksPerPerson,
	}
	// The configuration may have changed since the person signed in, by a restart.
	if reason := skill.Refusal(&made.Link, h.config.Providers[f.provider]); reason != "" {
		return "", &notAllowedError{reason}
	}
	f.begins(&made, skill)
	ctx, cancel := inTime(r.Context())
	defer cancel()
	return made.Link.ID, h.deps.Store.Link(ctx, f.handle(), made)
}

func (h *Handler) decideAgainst(ctx context.Context, f *flow, decision bridge.Decision) error {
	ctx, cancel := inTime(ctx)
	defer cancel()
	return h.deps.Store.Decide(ctx, f.handle(), decision, h.deps.Now())
}

// cancel tells Alexa that the person does not want the link.
func (h *Handler) cancel(w http.ResponseWriter, r *http.Request, f *flow) {
	err := h.decideAgainst(r.Context(), f, bridge.DecisionCancel)
	if h.undecidable(w, r, f, bridge.DecisionCancel, err) {
		return
	}
	if err == nil {
		h.metrics.refused.WithLabelValues(f.request.ClientID, "cancelled").Inc()
		h.log(r.Context(), f).Info("not linked", "reason", "cancelled")
	}
	answer := oauth.Errorf(oauth.AccessDenied, "The person cancelled.") // the same each time, for a second tap
	redirect(w, errorAnswer(&f.request, h.config.PublicURL, answer))
}

// switchAccount begins again with the same request of Alexa's, and lets the person choose another account. It also serves
// where a sign-in came to nothing and may be tried again, when there is nothing to decide yet.
func (h *Handler) switchAccount(w http.ResponseWriter, r *http.Request, f *flow, provider *upstream.Provider) {
	down := restartPage(templates.FaultProviderDown, f)
	if err := provider.Discover(r.Context()); err != nil { // asked first, so that nothing is decided when it is down
		h.providerDown(w, r, f, err, down)
		return
	}
	err := h.decideAgainst(r.Context(), f, bridge.DecisionSwitch)
	if !errors.Is(err, bridge.ErrNotFound) && h.undecidable(w, r, f, bridge.DecisionSwitch, err) {
		return
	}
	next := newFlow(f.request, f.provider, h.deps.Now())
	h.begin(w, r, next, upstream.PromptAccount, down)
}

// undecidable answers a decision that cannot be taken. It lets pass what can: no error, and the same decision again so
// soon that it is the same tap.
func (h *Handler) undecidable(w http.ResponseWriter, r *http.Request, f *flow, decision bridge.Decision, err error) bool {
	decided, isDecided := errors.AsType[*bridge.DecidedError](err)
	switch {
	case err == nil:
		return false
	case isDecided && decided.Decision == decision && h.deps.Now().Sub(decided.At) < tapWindow(f, decision):
		return false
	case isDecided:
		h.log(r.Context(), f).Info("decided again", "decision", decision, "before", decided.Decision)
		h.show(w, r, http.StatusBadRequest, templates.ErrorPage{Fault: templates.FaultDecided})
	case errors.Is(err, bridge.ErrNotFound):
		h.log(r.Context(), f).Warn("decided without a sign-in, or too late")
		h.show(w, r, http.StatusBadRequest, templates.ErrorPage{Fault: templates.FaultNoCookie})
	case refusedFor(err) != "":
		h.refuse(w, r, f, oauth.AccessDenied, refusedFor(err), err)
	default:
		h.storeFailed(w, r, f, err, templates.ErrorPage{Fault: templates.FaultStoreUnavailable})
	}
	return true
}
