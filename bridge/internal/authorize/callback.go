package authorize

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/internal/oauth"
	"alexa-oidc-bridge/bridge/upstream"
	"alexa-oidc-bridge/templates"
)

// Callback answers GET /callback/{provider}, where a provider sends the browser back.
func (h *Handler) Callback(w http.ResponseWriter, r *http.Request) {
	f, response, found := h.returned(r)
	if !found {
		h.metrics.noCookie.Inc()
		h.log(r.Context(), nil).Warn("callback without its cookie", "provider", r.PathValue("provider"))
		h.show(w, r, http.StatusBadRequest, templates.ErrorPage{Fault: templates.FaultNoCookie})
		return
	}
	skill, provider, ok := h.skillOf(f)
	if !ok {
		h.show(w, r, http.StatusBadRequest, templates.ErrorPage{Fault: templates.FaultUnknownSkill})
		return
	}
	waiting, err := h.signIn(r.Context(), f, skill, provider, response)
	if err != nil {
		h.signInFailed(w, r, f, err)
		return
	}
	if !skill.Consent {
		h.link(w, r, f, skill)
		return
	}
	if f.signedIn.IsZero() {
		f.signedIn = h.deps.Now()
		if !h.keep(w, r, f) {
			return
		}
	}
	h.askConsent(w, r, f, skill, waiting)
}

// returned finds the flow that a callback belongs to, by the cookie of this very browser. It is not found for a foreign,
// empty or repeated state, for another provider's callback (RFC 9700 §4.4.2), and when its time is over.
func (h *Handler) returned(r *http.Request) (*flow, upstream.Response, bool) {
	var response upstream.Response
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, response, false
	}
	for _, name := range []string{"state", "code", "iss", "error"} {
		if _, once := oauth.Single(query, name); !once {
			return nil, response, false
		}
	}
	state := query.Get("state")
	f, found := h.cookies.find(r, state[:min(len(state), flowIDLength)], h.deps.Now())
	if !found || f.provider != r.PathValue("provider") ||
		subtle.ConstantTimeCompare([]byte(state), []byte(f.login().State)) != 1 {
		return nil, response, false
	}
	return f, upstream.Response{
		Code:             query.Get("code"),
		ISS:              query.Get("iss"),
		Error:            query.Get("error"),
		ErrorDescription: query.Get("error_description"),
	}, true
}

// signedIn is what waits for the person's decision.
type signedIn struct {
	Identity bridge.Identity // with the claims that will be kept
	Name     string          // for the page only, as is Email
	Email    string
}

const waitingPurpose = "pending consent"

// waiting returns what the flow's sign-in came to, while the person has not decided: ErrNotFound before the sign-in,
// DecidedError after the decision.
func (h *Handler) waiting(ctx context.Context, f *flow) (*signedIn, error) {
	ctx, cancel := inTime(ctx)
	defer cancel()
	pending, err := h.deps.Store.PendingConsent(ctx, f.handle(), h.deps.Now())
	if err != nil {
		return nil, err
	}
	if pending.Decision != "" {
		return nil, &bridge.DecidedError{Decision: pending.Decision, At: pending.DecidedAt}
	}
	plain, err := h.deps.Keys.Open(waitingPurpose, pending.Sealed, []byte(pending.Handle))
	if err != nil {
		return nil, err
	}
	var waiting signedIn
	return &waiting, json.Unmarshal(plain, &waiting)
}

// signInTimeout bounds all that is asked of a provider for one sign-in.
const signInTimeout = 45 * time.Second

// signIn takes the provider's answer and keeps who it is for the person's decision. What is kept already is not asked for
// again. Two requests at once, of a browser that loads the page twice, send the code only once; and it goes on when the
// browser has gone, so that loading the page again finds its result.
func (h *Handler) signIn(ctx context.Context, f *flow, skill *bridge.Skill, provider *upstream.Provider, response upstream.Response) (*signedIn, error) {
	result, err, _ := h.signIns.Do(string(f.handle()), func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), signInTimeout)
		defer cancel()
		waiting, err := h.waiting(ctx, f)
		if !errors.Is(err, bridge.ErrNotFound) {
			return waiting, err
		}
		err = h.signInOnce(ctx, f, skill, provider, response)
		if err != nil && !mayBeSecond(err) {
			return nil, err
		}
		// What is kept counts, and not what came back just now: another process may have been quicker.
		waiting, missing := h.waiting(ctx, f)
		if errors.Is(missing, bridge.ErrNotFound) && err != nil {
			return nil, err
		}
		return waiting, missing
	})
	if err != nil {
		return nil, err
	}
	return result.(*signedIn), nil
}

// mayBeSecond says whether a sign-in may have failed only because another process sent the code before.
func mayBeSecond(err error) bool {
	refused, ok := errors.AsType[*upstream.RefusedError](err)
	return ok && refused.Stage == upstream.StageToken
}

func (h *Handler) signInOnce(ctx context.Context, f *flow, skill *bridge.Skill, provider *upstream.Provider, response upstream.Response) error {
	needed := skill.KeptClaims()
	if skill.Consent {
		needed = append(needed, bridge.ClaimName, bridge.ClaimEmail) // for the page
	}
	identity, err := provider.Identify(ctx, f.login(), response, needed)
	if err != nil {
		return err
	}
	var claims bridge.Claims
	if err := json.Unmarshal(identity.Claims, &claims); err != nil {
		return err
	}
	if reason := skill.Allow.Refusal(claims); reason != "" {
		return &notAllowedError{reason}
	}
	return h.await(ctx, f, &signedIn{
		Identity: bridge.Identity{
			Provider: h.config.Providers[f.provider],
			Subject:  identity.Subject,
			Claims:   claims.Only(skill.KeptClaims()),
		},
		Name:  displayable(claims.DisplayName()),
		Email: displayable(claims.String(bridge.ClaimEmail)),
	})
}

func (h *Handler) await(ctx context.Context, f *flow, waiting *signedIn) error {
	plain, err := json.Marshal(waiting)
	if err != nil {
		return err
	}
	ctx, cancel := inTime(ctx)
	defer cancel()
	err = h.deps.Store.CreatePendingConsent(ctx, bridge.PendingConsent{
		Handle:    f.handle(),
		Sealed:    h.deps.Keys.Seal(waitingPurpose, plain, []byte(f.handle())),
		ExpiresAt: h.deps.Now().Add(bridge.PendingConsentLifetime),
	})
	if err != nil {
		return &notKeptError{err}
	}
	return nil
}

// notKeptError means that a sign-in succeeded but its result could not be kept. Its code is spent.
type notKeptError struct{ cause error }

func (e *notKeptError) Error() string { return "the sign-in could not be kept: " + e.cause.Error() }
func (e *notKeptError) Unwrap() error { return e.cause }

// notAllowedError means that the skill's allow does not hold for the person.
type notAllowedError struct{ reason bridge.Reason }

func (e *notAllowedError) Error() string { return "not allowed: " + string(e.reason) }

// signInFailed answers a callback that led to nobody.
func (h *Handler) signInFailed(w http.ResponseWriter, r *http.Request, f *flow, err error) {
	if unavailable, ok := errors.AsType[*upstream.UnavailableError](err); ok {
		h.providerDown(w, r, f, unavailable, restartPage(templates.FaultProviderDown, f))
		return
	}
	if _, ok := errors.AsType[*upstream.EmbeddedBrowserError](err); ok {
		h.log(r.Context(), f).Warn("the provider refuses an embedded browser", "error", err)
		h.show(w, r, http.StatusForbidden, restartPage(templates.FaultEmbeddedBrowser, f))
		return
	}
	if _, ok := errors.AsType[*bridge.DecidedError](err); ok {
		h.log(r.Context(), f).Info("callback after the decision")
		h.show(w, r, http.StatusBadRequest, templates.ErrorPage{Fault: templates.FaultDecided})
		return
	}
	if reason := refusedFor(err); reason != "" {
		h.refuse(w, r, f, oauth.AccessDenied, reason, err)
		return
	}
	page := templates.ErrorPage{Fault: templates.FaultStoreUnavailable, Retry: templates.RetryReload}
	if _, ok := errors.AsType[*notKeptError](err); ok {
		page = restartPage(templates.FaultStoreUnavailable, f)
	}
	h.storeFailed(w, r, f, err, page)
}

// refusedFor says why nobody is linked after an error that ends a sign-in for good; it is empty for any other.
func refusedFor(err error) bridge.Reason {
	if notAllowed, ok := errors.AsType[*notAllowedError](err); ok {
		return notAllowed.reason
	}
	if _, ok := errors.AsType[*upstream.RefusedError](err); ok {
		return "provider_refused"
	}
	if errors.Is(err, upstream.ErrGroupsOverage) {
		return bridge.ReasonGroupsOverage
	}
	return ""
}

// storeFailed answers a request whose result could not be kept or read. Nothing was decided by it.
func (h *Handler) storeFailed(w http.ResponseWriter, r *http.Request, f *flow, err error, page templates.ErrorPage) {
	h.metrics.refused.WithLabelValues(f.request.ClientID, string(templates.FaultStoreUnavailable)).Inc()
	h.log(r.Context(), f).Error("store unavailable", "error", err)
	w.Header().Set("Retry-After", "5")
	h.show(w, r, http.StatusServiceUnavailable, page)
}

// restartPage offers to begin the flow's sign-in again.
func restartPage(fault templates.Fault, f *flow) templates.ErrorPage {
	return templates.ErrorPage{Fault: fault, Retry: templates.RetryRestart, Flow: f.id(), Token: f.formToken()}
}
