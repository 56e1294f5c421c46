package recheck

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/keys"
)

// replaceToken stores a new refresh token, if there is one.
func (r *Rechecker) replaceToken(ctx context.Context, recheck *bridge.Recheck, token string) error {
	if token == "" {
		return nil
	}
	sealed := r.Keys.SealUpstreamToken(recheck.Link.ID, keys.UpstreamToken{
		ClientID: r.Upstreams[recheck.Link.Provider.ID].ClientID(), RefreshToken: token,
	})
	return r.insist(ctx, func(ctx context.Context) error {
		return r.Store.ReplaceUpstreamToken(ctx, recheck.Link.ID, recheck.Lease, sealed)
	})
}

// record records a verdict, or revokes the link and the sign-ins of its person.
func (r *Rechecker) record(ctx context.Context, recheck *bridge.Recheck, policy bridge.AccountPolicy, v verdict) error {
	link := &recheck.Link
	if v.outcome == gone {
		v.result.Revoke = &bridge.Revocation{Reason: v.reason, Actor: bridge.ActorProvider(link.Provider.ID), At: r.Now()}
	}
	if v.outcome == dying && recheck.DeadAt.IsZero() {
		r.Log.LogAttrs(ctx, slog.LevelWarn, "account gone", slog.String("link_id", link.ID),
			slog.String("client_id", link.ClientID),
			slog.String("provider", link.Provider.ID), slog.String("revoked_in", policy.DeadGrace.String()))
	}
	v.result.LinkID, v.result.Lease = link.ID, recheck.Lease
	v.result.Reason, v.result.At = reasonOf(recheck, v.outcome), r.Now()
	return r.insist(ctx, func(ctx context.Context) error { return r.Store.FinishRecheck(ctx, v.result) })
}

// reasonOf returns why an outcome is worth an audit record, or "": it is not that of the recheck before.
func reasonOf(recheck *bridge.Recheck, found outcome) bridge.Reason {
	switch {
	case found == unknown && recheck.Failures == 0:
		return bridge.ReasonAccountUnknown
	case found == dying && recheck.DeadAt.IsZero():
		return bridge.ReasonAccountGone
	case found == changed:
		return bridge.ReasonClaimsChanged
	case found == alive && recheck.Failures > 0:
		return bridge.ReasonAccountAlive
	}
	return ""
}

// insistInterval is how long after a failed write it is tried again.
const insistInterval = time.Second

// insist tries a write until it succeeds or the context ends: an answer of the provider that is lost may never come
// again.
func (r *Rechecker) insist(ctx context.Context, write func(context.Context) error) error {
	for {
		err := func() error {
			ctx, cancel := bridge.WithStoreTimeout(ctx)
			defer cancel()
			return write(ctx)
		}()
		if err == nil || errors.Is(err, bridge.ErrNotFound) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(insistInterval):
		}
	}
}
