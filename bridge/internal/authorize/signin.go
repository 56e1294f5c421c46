package authorize

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/upstream"
	"alexa-oidc-bridge/templates"
)

// signInResult is what is stored until the person decides.
type signInResult struct {
	Identity bridge.Identity // with the claims that a link stores
	Account  bridge.Account
	// RefreshToken is the provider's, if its policy keeps one.
	RefreshToken string
	Name         string // for the page only, as is Email
	Email        string
	Fresh        bool // the provider says that the person authenticated for this flow
	// SignedInAt is when the person signed in; zero: the result was stored by a version that did not record it.
	SignedInAt time.Time
	// AnsweredAt is when the provider was asked, and so when the account lived; zero: as of SignedInAt.
	AnsweredAt time.Time
}

const sealPurpose = "pending consent"

// signIn exchanges the provider's response for an identity and stores it until the person decides. A result that is
// stored already is returned without another exchange.
func (h *Handler) signIn(r *http.Request, f *flow, skill *bridge.Skill, provider *upstream.Provider,
	response upstream.Response) (*signInResult, error) {
	stored, err := h.storedResult(r.Context(), f)
	if !errors.Is(err, bridge.ErrNotFound) {
		return stored, err
	}
	err = h.withinLimits(r, f, provider, func(ctx context.Context) (err error) {
		stored, err = h.exchangeOnce(ctx, f, skill, provider, response)
		return err
	})
	return stored, err
}

// exchangeOnce shares one exchange between the concurrent requests of a browser. It goes on when the browser closes the
// connection, so that loading the page again finds its result.
func (h *Handler) exchangeOnce(ctx context.Context, f *flow, skill *bridge.Skill, provider *upstream.Provider,
	response upstream.Response) (*signInResult, error) {
	result, err, _ := h.signIns.Do(string(f.handle()), func() (any, error) {
		stored, err := h.storedResult(ctx, f) // by a request before this one
		if !errors.Is(err, bridge.ErrNotFound) {
			return stored, err
		}
		exchangeErr := h.exchange(ctx, f, skill, provider, response)
		if exchangeErr != nil && !mayBeExchangedElsewhere(exchangeErr) {
			return nil, exchangeErr
		}
		// The stored result counts, not this one: another replica may have been faster.
		stored, err = h.storedResult(ctx, f)
		if errors.Is(err, bridge.ErrNotFound) && exchangeErr != nil {
			return nil, exchangeErr
		}
		return stored, err
	})
	if err != nil {
		return nil, err
	}
	return result.(*signInResult), nil
}

// mayBeExchangedElsewhere reports whether an exchange may have failed only because another replica sent the code
// before.
func mayBeExchangedElsewhere(err error) bool {
	e, ok := errors.AsType[*upstream.Error](err)
	return ok && e.Kind == upstream.Outdated && e.Stage == upstream.StageToken
}

// exchange learns who signed in, checks that the person may link the skill, and stores the result.
func (h *Handler) exchange(ctx context.Context, f *flow, skill *bridge.Skill, provider *upstream.Provider,
	response upstream.Response) error {
	if err := h.countCode(f, response); err != nil {
		return err
	}
	known, policy, came := h.Clients.Provider(f.provider), h.Clients.AccountPolicy(f.provider), h.Now()
	identity, err := provider.Identify(ctx, f.login(), response, wishOf(skill, known, policy))
	if err != nil {
		return err
	}
	if len(identity.Unread) > 0 {
		h.flowLog(ctx, f).Warn("provider's answer not readable in full", "problems", identity.Unread)
	}
	var claims bridge.Claims
	if err := json.Unmarshal(identity.Claims, &claims); err != nil {
		return err
	}
	kept := claims.Only(skill.KeptClaims())
	if err := kept.CheckSize(); err != nil {
		return &upstream.Error{Kind: upstream.Misconfigured, Stage: upstream.StageUserinfo, Err: err,
			Hint: "let the provider send fewer groups, or name fewer claims in claims"}
	}
	if policy.Offline && identity.RefreshToken == "" {
		h.flowLog(ctx, f).Warn("no refresh token from the provider",
			"hint", "the link will not be checked again: let the provider issue refresh tokens to this client, "+
				"or set offline: false")
	}
	person := bridge.Identity{Provider: known, Subject: identity.Subject, Claims: claims}
	account := policy.Account(person, identity.Sub, identity.SID)
	person.Claims = kept
	result := &signInResult{
		Identity: person,
		Account:  account,
		Name:     templates.Displayable(claims.DisplayName()),
		Email:    templates.Displayable(claims.String(bridge.ClaimEmail)),
		Fresh: !identity.AuthTime.Before(f.started.Truncate(time.Second)) &&
			identity.AuthTime.Before(h.Now().Add(clockSkew)),

		SignedInAt: f.signedInAt(identity.AuthTime, came),
		AnsweredAt: came,
	}
	if policy.Offline {
		result.RefreshToken = identity.RefreshToken
	}
	if rule := bridge.FirstFailed(skill.SignInRules(known, claims)); rule.Reason != "" {
		return &notAllowedError{rule, result}
	}
	return h.storeResult(ctx, f, result)
}

// clockSkew is how far ahead of ours the clock of a provider may be.
const clockSkew = time.Minute

// wishOf returns the claims that a skill and its provider's policy wish for. Those that only a page shows are not asked
// for.
func wishOf(skill *bridge.Skill, provider bridge.Provider, policy bridge.AccountPolicy) upstream.Wish {
	return upstream.Wish{Needed: skill.SignInClaims(provider), Wanted: slices.Concat(skill.Claims, policy.Claims())}
}

// storedResult returns the result of the flow's sign-in: [bridge.ErrNotFound] before the sign-in,
// [*bridge.DecidedError] after the decision.
func (h *Handler) storedResult(ctx context.Context, f *flow) (*signInResult, error) {
	ctx, cancel := bridge.WithStoreTimeout(ctx)
	defer cancel()
	pending, err := h.Store.PendingConsent(ctx, f.handle(), h.Now())
	if err != nil {
		return nil, storeError(err)
	}
	if pending.Decision != "" {
		return nil, &bridge.DecidedError{Decision: pending.Decision, At: pending.DecidedAt}
	}
	plain, err := h.Keys.Open(sealPurpose, pending.Sealed, []byte(pending.Handle))
	if err != nil {
		return nil, err
	}
	var result signInResult
	if err := json.Unmarshal(plain, &result); err != nil {
		return nil, err
	}
	return &result, nil
}

// storeError marks an error of the store that is not one of its answers.
func storeError(err error) error {
	_, decided := errors.AsType[*bridge.DecidedError](err)
	if err == nil || decided || errors.Is(err, bridge.ErrNotFound) {
		return err
	}
	return fmt.Errorf("%w: %w", errStore, err)
}

func (h *Handler) storeResult(ctx context.Context, f *flow, result *signInResult) error {
	plain, err := json.Marshal(result)
	if err != nil {
		return err
	}
	ctx, cancel := bridge.WithStoreTimeout(ctx)
	defer cancel()
	err = h.Store.CreatePendingConsent(ctx, bridge.PendingConsent{
		Handle:    f.handle(),
		Person:    result.Identity.Person(),
		Sealed:    h.Keys.Seal(sealPurpose, plain, []byte(f.handle())),
		ExpiresAt: h.Now().Add(bridge.PendingConsentLifetime),
	})
	if err != nil {
		return fmt.Errorf("%w: %w", errNotStored, err)
	}
	return nil
}
