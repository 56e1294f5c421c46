package authorize

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/internal/httperror"
	"alexa-oidc-bridge/bridge/upstream"
	"alexa-oidc-bridge/templates"
)

// Try serves GET and POST /try/{ticket}: a test sign-in for an operator. GET shows a button, so that a preview of the
// URL uses up nothing. POST binds the ticket to this browser and starts the sign-in. It leads the same way as a link,
// and shows what came in place of making one.
func (h *Handler) Try(w http.ResponseWriter, r *http.Request) error {
	if !bridge.WellFormedTicket(r.PathValue("ticket")) {
		return h.httpError(r, nil, noTicket("the ticket is malformed"))
	}
	handle := bridge.HashOf(r.PathValue("ticket"))
	skill, err := h.ticketSkill(r.Context(), handle)
	if err != nil {
		return h.httpError(r, nil, err)
	}
	if r.Method == http.MethodGet {
		h.logPage(r, nil, h.Pages.TryStart(w, templates.TryStart{Skill: skill.Name}))
		return nil
	}
	if err := h.checkOrigin(r); err != nil {
		return h.httpError(r, nil, err)
	}
	if err := h.bindTicket(w, r, handle); err != nil {
		return h.httpError(r, nil, err)
	}
	f := newFlow(bridge.AuthorizationRequest{ClientID: skill.ClientID}, skill.Provider, h.Now())
	f.purpose = purposeTest
	if err := h.redirectToProvider(w, r, f, upstream.PromptDefault); err != nil {
		return h.testFailed(w, r, f, err)
	}
	return nil
}

// noTicket is the error for a ticket that is unknown, expired, or another browser's. It does not tell which.
func noTicket(cause string) error {
	return rejectedPage(templates.PageNoTicket, http.StatusNotFound, cause)
}

// ticketSkill returns the skill of a ticket.
func (h *Handler) ticketSkill(ctx context.Context, handle bridge.Hash) (*bridge.Skill, error) {
	ctx, cancel := bridge.WithStoreTimeout(ctx)
	defer cancel()
	pending, err := h.Store.PendingConsent(ctx, handle, h.Now())
	switch {
	case errors.Is(err, bridge.ErrNotFound):
		return nil, noTicket("the ticket is unknown or expired")
	case err != nil:
		return nil, storeError(err)
	}
	plain, err := h.Keys.Open(bridge.TicketPurpose, pending.Sealed, []byte(handle))
	if err != nil {
		return nil, noTicket("not a ticket")
	}
	var ticket bridge.Ticket
	if err := json.Unmarshal(plain, &ticket); err != nil {
		return nil, err
	}
	skill := h.Clients.Skill(ticket.ClientID)
	if skill == nil {
		return nil, noTicket("the skill of the ticket is not configured")
	}
	return skill, nil
}

// bindTicket binds a ticket to the first browser that presses the button. That one may repeat it.
func (h *Handler) bindTicket(w http.ResponseWriter, r *http.Request, handle bridge.Hash) error {
	ctx, cancel := bridge.WithStoreTimeout(r.Context())
	defer cancel()
	err := h.Store.Decide(ctx, handle, bridge.DecisionTest, h.Now())
	if _, decided := errors.AsType[*bridge.DecidedError](err); decided {
		if h.cookies.hasTicket(r, handle) {
			return nil
		}
		return noTicket("the ticket is used in another browser")
	}
	if err != nil {
		return storeError(err)
	}
	return h.cookies.putTicket(w, r, handle)
}

// finishTest shows the result of a test sign-in. Nothing is stored.
func (h *Handler) finishTest(w http.ResponseWriter, r *http.Request, f *flow, response upstream.Response) error {
	skill, provider := h.Clients.Skill(f.request.ClientID), h.Upstreams[f.provider]
	if skill == nil || provider == nil || skill.Provider != f.provider {
		return h.testFailed(w, r, f, errors.New("the configuration has changed since the sign-in began"))
	}
	known := h.Clients.Provider(f.provider)
	identity, err := h.identify(r, f, provider, response, wishOf(skill, known, h.Clients.AccountPolicy(f.provider)))
	if err != nil {
		return h.testFailed(w, r, f, err)
	}
	page, err := testResult(skill, known, identity)
	if err != nil {
		return h.testFailed(w, r, f, err)
	}
	h.flowLog(r.Context(), f).Info("test sign-in finished", "allowed", page.Allowed)
	h.logPage(r, f, h.Pages.TryResult(w, page))
	return nil
}

// testFailed shows the operator why a test sign-in failed.
func (h *Handler) testFailed(w http.ResponseWriter, r *http.Request, f *flow, err error) error {
	page, attrs := templates.TryResult{Skill: h.skillName(f), Failure: err.Error()}, f.attrs()
	if e, ok := errors.AsType[*upstream.Error](err); ok {
		page.Failure, page.Hint = fmt.Sprintf("%s, at %s: %v", e.Kind, e.Stage, e.Err), e.Hint
		attrs = append(attrs, "stage", e.Stage, "hint", e.Hint)
	}
	return &httperror.Error{
		Message: "test sign-in failed", Level: slog.LevelWarn, Err: err, Attrs: attrs, Status: http.StatusOK,
		Render: func(w http.ResponseWriter) error { return h.Pages.TryResult(w, page) },
	}
}

func (h *Handler) skillName(f *flow) string {
	if skill := h.Clients.Skill(f.request.ClientID); skill != nil {
		return skill.Name
	}
	return f.request.ClientID
}

// testResult says what the provider sent, what a link would keep of it, and what allow says.
func testResult(skill *bridge.Skill, provider bridge.Provider,
	identity *upstream.Identity) (templates.TryResult, error) {
	var claims bridge.Claims
	var idToken, userinfo map[string]json.RawMessage
	for text, into := range map[*json.RawMessage]any{
		&identity.Claims: &claims, &identity.IDToken: &idToken, &identity.Userinfo: &userinfo,
	} {
		if len(*text) == 0 {
			continue
		}
		if err := json.Unmarshal(*text, into); err != nil {
			return templates.TryResult{}, err
		}
	}
	page := templates.TryResult{
		Skill:    skill.Name,
		Issuer:   identity.Issuer,
		Subject:  templates.Displayable(identity.Subject),
		Allowed:  true,
		Sent:     sentClaims(idToken, userinfo),
		Problems: identity.Unread,
	}
	kept := claims.Only(skill.KeptClaims())
	if err := kept.CheckSize(); err != nil {
		return templates.TryResult{}, err
	}
	for _, name := range slices.Sorted(maps.Keys(kept)) {
		text, err := json.Marshal(kept[name])
		if err != nil {
			return templates.TryResult{}, err
		}
		value := templates.Displayable(string(text))
		page.Kept = append(page.Kept, templates.TryClaim{Name: templates.Displayable(name), Value: value})
	}
	for _, rule := range skill.SignInRules(provider, claims) {
		page.Allowed = page.Allowed && rule.Reason == ""
		page.Rules = append(page.Rules, templates.TryRule{Name: rule.Name, Holds: rule.Reason == "", Detail: rule.Detail})
	}
	return page, nil
}

// sentClaims lists the claims as they came. Those that bind them to the sign-in are not shown, nor tokens of others.
func sentClaims(idToken, userinfo map[string]json.RawMessage) []templates.TryClaim {
	hidden := []string{"nonce", "at_hash", "c_hash", "s_hash", "sid", "_claim_sources"}
	var sent []templates.TryClaim
	for _, source := range []struct {
		name   string
		claims map[string]json.RawMessage
	}{{"ID token", idToken}, {"userinfo", userinfo}} {
		for _, name := range slices.Sorted(maps.Keys(source.claims)) {
			if !slices.Contains(hidden, name) && !strings.HasSuffix(name, "_token") {
				value := templates.Displayable(string(source.claims[name]))
				sent = append(sent, templates.TryClaim{Source: source.name, Name: templates.Displayable(name), Value: value})
			}
		}
	}
	return sent
}
