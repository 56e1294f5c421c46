package authorize

import (
	"cmp"
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/internal/httperror"
	"alexa-oidc-bridge/bridge/internal/oauth"
	"alexa-oidc-bridge/bridge/keys"
	"alexa-oidc-bridge/bridge/upstream"
	"alexa-oidc-bridge/templates"
)

// Consent serves POST /consent, the person's decision. A GET comes from a person who loads the address again.
func (h *Handler) Consent(w http.ResponseWriter, r *http.Request) error {
	if r.Method == http.MethodGet {
		e := rejectedPage(templates.PageFormReload, http.StatusMethodNotAllowed, "the address of a form was opened as a page")
		e.Header = http.Header{"Allow": {http.MethodPost}}
		return h.httpError(r, nil, e)
	}
	f, decision, err := h.readDecision(r)
	if err == nil {
		err = h.decide(w, r, f, decision)
	}
	return h.httpError(r, f, err)
}

func (h *Handler) decide(w http.ResponseWriter, r *http.Request, f *flow, decision bridge.Decision) error {
	skill, provider, err := h.configured(f)
	if err != nil {
		return err
	}
	switch {
	case f.outcome != "" && decision == bridge.DecisionCancel:
		return h.returnToAlexa(w, r, f)
	case f.outcome != "" && (decision == bridge.DecisionLink || f.outcome == outcomeSetupFault):
		return &outcomeError{f.outcome}
	case decision == bridge.DecisionLink:
		return h.link(w, r, f, skill)
	case decision == bridge.DecisionCancel:
		return h.cancel(w, r, f)
	}
	return h.switchAccount(w, r, f, provider)
}

// returnToAlexa sends the person back who leaves the page of an outcome. It may be repeated.
func (h *Handler) returnToAlexa(w http.ResponseWriter, r *http.Request, f *flow) error {
	code := oauth.AccessDenied
	if f.outcome == outcomeSetupFault {
		code = oauth.ServerError
	}
	h.logSampled(r.Context(), f, "returned to Alexa", "error", code)
	httperror.Redirect(w, errorResponse(&f.request, h.PublicURL, oauth.Errorf(code, "The account was not linked.")))
	return nil
}

// readDecision returns the flow that a form belongs to, by the cookie of this browser, and the decision.
func (h *Handler) readDecision(r *http.Request) (*flow, bridge.Decision, error) {
	form, err := oauth.ReadForm(r)
	if err != nil {
		return nil, "", invalidForm(err)
	}
	if err := h.checkOrigin(r); err != nil {
		return nil, "", err
	}
	if err := oauth.CheckRepeated(form, "flow", "token", "decision"); err != nil {
		return nil, "", invalidForm(err)
	}
	f, found := h.cookies.find(r, form.Get("flow"), h.Now())
	if !found {
		return nil, "", rejectedPage(templates.PageNoCookie, http.StatusBadRequest,
			"decision without the cookie of its flow")
	}
	if f.purpose != purposeLink {
		return nil, "", rejectedPage(templates.PageForeignPost, http.StatusBadRequest, "the sign-in is not for a link")
	}
	decision, err := checkForm(f, form)
	return f, decision, err
}

func invalidForm(err error) error {
	status := http.StatusBadRequest
	if e, ok := errors.AsType[*oauth.Error](err); ok {
		status = e.Status()
	}
	return rejectedPage(templates.PageForeignPost, status, err.Error())
}

// checkOrigin checks that the form was sent by one of our pages, as far as the browser says; its token is checked in
// any case.
func (h *Handler) checkOrigin(r *http.Request) error {
	if err := h.CheckOrigin(r); err != nil {
		return rejectedPage(templates.PageForeignPost, http.StatusForbidden, err.Error())
	}
	return nil
}

func checkForm(f *flow, form url.Values) (bridge.Decision, error) {
	if subtle.ConstantTimeCompare([]byte(form.Get("token")), []byte(f.formToken())) != 1 {
		return "", rejectedPage(templates.PageForeignPost, http.StatusBadRequest, "the token of the form is wrong")
	}
	switch decision := bridge.Decision(form.Get("decision")); decision {
	case bridge.DecisionLink, bridge.DecisionCancel, bridge.DecisionSwitch:
		return decision, nil
	}
	return "", rejectedPage(templates.PageForeignPost, http.StatusBadRequest, "the decision of the form is unknown")
}

// link makes the link and sends the browser to Alexa with its token or code, whose hash is durable before it is sent.
func (h *Handler) link(w http.ResponseWriter, r *http.Request, f *flow, skill *bridge.Skill) error {
	made, err := h.createLink(r, f, skill)
	if err != nil && !h.isRepeated(f, bridge.DecisionLink, err) {
		return err
	}
	if err == nil {
		h.linked.WithLabelValues(skill.ClientID, f.provider, string(f.grant())).Inc()
		h.flowLog(r.Context(), f).Info("linked", "link_id", made.Link.ID, "grant", f.grant(),
			"event", bridge.AuditLinked, "actor", bridge.ActorPerson, "address", made.Address)
	}
	if f.grant() == bridge.GrantAuthorizationCode {
		httperror.Redirect(w, codeResponse(&f.request, f.code(), h.PublicURL))
	} else {
		httperror.Redirect(w, tokenResponse(&f.request, f.accessToken(), skill.ImplicitLifetime))
	}
	return nil
}

func (h *Handler) createLink(r *http.Request, f *flow, skill *bridge.Skill) (bridge.NewLink, error) {
	result, err := h.storedResult(r.Context(), f)
	if err != nil {
		return bridge.NewLink{}, err
	}
	f.person = result.Identity
	link := bridge.Link{
		ID:        bridge.NewLinkID(),
		ClientID:  skill.ClientID,
		Grant:     f.grant(),
		Identity:  result.Identity,
		Scope:     f.request.Scope,
		Account:   result.Account,
		CreatedAt: h.Now(),
	}
	// A restart may have changed the configuration since the person signed in.
	if reason := h.Clients.CheckLink(&link); reason != "" {
		rule := bridge.Rule{Reason: reason, Detail: "the configuration has changed since the sign-in"}
		return bridge.NewLink{}, &notAllowedError{rule, result}
	}
	made := f.newLink(link, result.SignedInAt, skill)
	made.Origin = h.Origin(r)
	ctx, cancel := bridge.WithStoreTimeout(r.Context())
	defer cancel()
	if result.RefreshToken != "" {
		made.Link.CheckedAt = cmp.Or(result.AnsweredAt, link.CreatedAt) // the consent page may have waited
		made.UpstreamToken = h.Keys.SealUpstreamToken(link.ID, keys.UpstreamToken{
			ClientID: h.Upstreams[f.provider].ClientID(), RefreshToken: result.RefreshToken,
		})
		made.RecheckAt = h.Clients.AccountPolicy(f.provider).RecheckDue(made.Link.CheckedAt)
	}
	if err := h.Store.Link(ctx, f.handle(), made); err != nil {
		return bridge.NewLink{}, fmt.Errorf("%w: %w", errNotLinked, err)
	}
	return made, nil
}

// cancel tells Alexa that the person does not want the link.
func (h *Handler) cancel(w http.ResponseWriter, r *http.Request, f *flow) error {
	result, err := h.storedResult(r.Context(), f)
	if err == nil {
		err = h.storeDecision(r.Context(), f, bridge.DecisionCancel)
	}
	if err != nil && !h.isRepeated(f, bridge.DecisionCancel, err) {
		return err
	}
	if err == nil {
		h.notLinked.WithLabelValues(f.clientID(), string(bridge.ReasonCancelled)).Inc()
		h.flowLog(r.Context(), f).Info("not linked", "reason", bridge.ReasonCancelled,
			"event", bridge.AuditRefused, "actor", bridge.ActorPerson, "address", h.Origin(r).Address)
		h.recordRefusal(r, f, result.Identity, bridge.ReasonCancelled)
	}
	// Without a reference, so that a repeated decision gets the same response.
	denied := oauth.Errorf(oauth.AccessDenied, "The person cancelled.")
	httperror.Redirect(w, errorResponse(&f.request, h.PublicURL, denied))
	return nil
}

// switchAccount starts a new flow for the same authorization request, and lets the person choose another account. It
// also serves pages that offer another try, when there is nothing to decide yet.
func (h *Handler) switchAccount(w http.ResponseWriter, r *http.Request, f *flow, provider *upstream.Provider) error {
	// First, so that nothing is decided while the provider is unavailable.
	if err := provider.Discover(r.Context()); err != nil {
		return err
	}
	err := h.storeDecision(r.Context(), f, bridge.DecisionSwitch)
	if err != nil && !errors.Is(err, bridge.ErrNotFound) && !h.isRepeated(f, bridge.DecisionSwitch, err) {
		return err
	}
	return h.redirectToProvider(w, r, newFlow(f.request, f.provider, h.Now()), upstream.PromptAccount)
}

func (h *Handler) storeDecision(ctx context.Context, f *flow, decision bridge.Decision) error {
	ctx, cancel := bridge.WithStoreTimeout(ctx)
	defer cancel()
	return storeError(h.Store.Decide(ctx, f.handle(), decision, h.Now()))
}

// repeatWindow is how long after a decision the same decision is taken for a double tap, and gets the same response.
const repeatWindow = 60 * time.Second

// isRepeated reports whether an error means that the same decision was made a moment ago. For a link by a code, a
// moment is no longer than the code may be presented again: later, Alexa would present it once more, and the link
// would be revoked.
func (h *Handler) isRepeated(f *flow, decision bridge.Decision, err error) bool {
	window := repeatWindow
	if decision == bridge.DecisionLink && f.grant() == bridge.GrantAuthorizationCode {
		window = bridge.CodeReplayGrace
	}
	decided, ok := errors.AsType[*bridge.DecidedError](err)
	return ok && decided.Decision == decision && h.Now().Sub(decided.At) < window
}
