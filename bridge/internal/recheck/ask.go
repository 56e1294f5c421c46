package recheck

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/upstream"
)

// outcome is what a recheck found out, as the metric says it.
type outcome string

const (
	alive   outcome = "alive"
	changed outcome = "claims_changed"
	gone    outcome = "gone"
	dying   outcome = "dying" // gone, but the policy lets the link live for some time
	unknown outcome = "unknown"
)

// verdict is the outcome of a recheck and what follows from it.
type verdict struct {
	outcome outcome
	reason  bridge.Reason // of revoking the link; only if it is gone
	result  bridge.RecheckResult
}

// ask asks the provider about the account of a link.
//
// The first context lasts as long as the process. What the provider is asked takes a bounded time of it, but a new
// refresh token is stored however long the store is out of reach.
func (r *Rechecker) ask(process context.Context, q *queue, recheck *bridge.Recheck,
	policy bridge.AccountPolicy) verdict {
	ctx, cancel := context.WithTimeout(process, timeout)
	defer cancel()
	if !recheck.DeadAt.IsZero() {
		return r.dead(recheck.DeadAt, policy)
	}
	link := &recheck.Link
	if link.Issuer != q.provider.Issuer() { // the token is another provider's, who alone may see it
		return r.cannotTell(ctx, q, recheck, policy, errOtherIssuer)
	}
	token, err := r.Keys.OpenUpstreamToken(link.ID, recheck.Sealed)
	if err != nil {
		return r.cannotTell(ctx, q, recheck, policy, errNotOpened)
	}
	if token.ClientID != q.provider.ClientID() { // the provider would refuse it, though the account lives
		return r.cannotTell(ctx, q, recheck, policy, errOtherClient)
	}
	asked := r.Now() // the answer may take long to arrive and to be stored, and the account may end meanwhile
	renewal, err := q.provider.Renew(ctx, upstream.Person{
		RefreshToken: token.RefreshToken, Sub: link.Account.Subject, Subject: link.Subject,
	})
	if err == nil || isGone(err) {
		q.answered()
	}
	if isGone(err) && (!recheck.Unanswered || recheck.Stable) {
		return r.dead(r.Now(), policy)
	}
	if err != nil {
		return r.cannotTell(ctx, q, recheck, policy, err)
	}
	// Before anything else: the old token may be dead already.
	if err := r.replaceToken(process, recheck, renewal.RefreshToken); err != nil {
		recheck.Unanswered = true
		return r.cannotTell(ctx, q, recheck, policy, err)
	}
	recheck.Unanswered, recheck.Stable = false, renewal.RefreshToken == ""
	return r.judge(ctx, q, recheck, policy, renewal, asked)
}

var (
	errOtherIssuer = errors.New("the link is of another issuer than the provider's")
	errOtherClient = errors.New("the refresh token was issued to another client_id")
	errNotOpened   = errors.New("the stored refresh token cannot be opened by any of the keys")
)

func isGone(err error) bool {
	e, ok := errors.AsType[*upstream.Error](err)
	return ok && e.Kind == upstream.Gone
}

// dead returns the verdict on an account that ended at a time.
func (r *Rechecker) dead(at time.Time, policy bridge.AccountPolicy) verdict {
	end := at.Add(policy.DeadGrace)
	if !r.Now().Before(end) {
		return verdict{outcome: gone, reason: bridge.ReasonAccountGone}
	}
	return verdict{outcome: dying, result: bridge.RecheckResult{CheckedAt: end, DueAt: end, DeadAt: at}}
}

// cannotTell returns the verdict after an error. The later one of two failures of a link is asked about later.
func (r *Rechecker) cannotTell(ctx context.Context, q *queue, recheck *bridge.Recheck, policy bridge.AccountPolicy,
	err error) verdict {
	unanswered, stage := recheck.Unanswered, ""
	if e, ok := errors.AsType[*upstream.Error](err); ok {
		unanswered, stage = unanswered || e.Unanswered, e.Stage
		switch e.Kind {
		case upstream.OutOfReach:
			q.failed(r.Now(), 1)
		case upstream.RateLimited:
			q.failed(r.Now(), outageFailures)
		}
	}
	wait := retryIn(policy, recheck.Failures)
	level, hint := adviceFor(err)
	const message = "account not checked"
	r.Sampler.Log(ctx, r.Log, level, message, message, "link_id", recheck.Link.ID, "provider", recheck.Link.Provider.ID,
		"failures", recheck.Failures+1, "retry_in", wait.String(), "error", err, "stage", stage, "hint", hint)
	return verdict{outcome: unknown, result: bridge.RecheckResult{
		DueAt: r.Now().Add(wait), Unanswered: unanswered, Lost: isGone(err),
	}}
}

// adviceFor returns how loud an error is logged, and what to do about it. What is set up wrongly is an ERROR.
func adviceFor(err error) (level slog.Level, hint string) {
	e, isUpstream := errors.AsType[*upstream.Error](err)
	switch {
	case errors.Is(err, errNotOpened):
		return slog.LevelError, "put back the key that was removed from keys, or let the person link again"
	case errors.Is(err, errOtherClient):
		return slog.LevelError, "set client_id back to the one before, or let the person link again"
	case errors.Is(err, errOtherIssuer):
		return slog.LevelError, "set issuer back to the one before, or revoke the link"
	case errors.Is(err, upstream.ErrOtherPerson):
		return slog.LevelError, "let the provider's operator find out whom it issued the refresh token to"
	case isUpstream && e.Kind == upstream.Gone:
		return slog.LevelWarn,
			"an earlier answer was lost, or the database comes from a copy, so that the provider may only have replaced " +
				"this refresh token: let the person link again"
	case isUpstream && e.Kind == upstream.Misconfigured:
		return slog.LevelError, e.Hint
	case isUpstream:
		return slog.LevelWarn, e.Hint
	}
	return slog.LevelWarn, ""
}

// retryIn returns how long to wait after a failure, of which there were some before: twice as long each time, and at
// last as long as after an answer.
func retryIn(policy bridge.AccountPolicy, before int) time.Duration {
	first := max(time.Second, min(policy.RecheckAfter, firstRetry))
	return min(first<<min(before, 12), max(first, min(policy.RecheckAfter, maxRetry)))
}

// judge returns the verdict on an account that lived when the provider was asked.
func (r *Rechecker) judge(ctx context.Context, q *queue, recheck *bridge.Recheck, policy bridge.AccountPolicy,
	renewal *upstream.Renewal, asked time.Time) verdict {
	link := &recheck.Link
	v := verdict{outcome: alive, result: bridge.RecheckResult{
		CheckedAt: asked, DueAt: policy.RecheckDue(asked), Stable: recheck.Stable,
	}}
	skill := r.Clients.Skill(link.ClientID)
	if skill == nil || link.SubjectClaim != q.provider.SubjectClaim() || link.GroupsClaim != q.provider.GroupsClaim() ||
		link.EmailClaim != "" && link.EmailClaim != q.provider.EmailClaim() {
		return v // the configuration suspends the link, so that nobody can say what its claims mean
	}
	wish := upstream.Wish{Needed: skill.SignInClaims(link.Provider), Wanted: append(policy.Claims(), skill.Claims...)}
	identity, complete, err := renewal.Identity(ctx, wish)
	if errors.Is(err, upstream.ErrSubjectChanged) {
		return verdict{outcome: gone, reason: bridge.ReasonSubjectChanged}
	}
	var said bridge.Claims
	if err == nil {
		err = json.Unmarshal(identity.Claims, &said)
	}
	if err != nil {
		return r.cannotTell(ctx, q, recheck, policy, err)
	}
	claims := renewedClaims(link.Claims, said, complete)
	rule := bridge.FirstFailed(skill.SignInRules(link.Provider, claims))
	if rule.Reason != "" && r.Clients.CheckLink(link) == "" { // not if the configuration suspends it, whatever the claims
		return verdict{outcome: gone, reason: rule.Reason}
	}
	if v.result.Renewed = r.renewed(ctx, link, skill, policy, claims, identity, complete); v.result.Renewed != nil {
		v.outcome = changed
	}
	return v
}
