package recheck

import (
	"context"
	"log/slog"
	"maps"
	"reflect"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/upstream"
)

// renewedClaims returns the claims of a person after a recheck. If not every source of claims has answered, those that
// are missing stay as they were.
func renewedClaims(before, said bridge.Claims, complete bool) bridge.Claims {
	if complete {
		return said
	}
	claims := bridge.Claims{}
	maps.Copy(claims, before)
	if _, ok := said[bridge.ClaimEmail]; ok {
		delete(claims, bridge.ClaimEmailVerified) // which was about the address before
	}
	maps.Copy(claims, said)
	return claims
}

// renewed returns what is new about the person of a link, or nil.
func (r *Rechecker) renewed(ctx context.Context, link *bridge.Link, skill *bridge.Skill, policy bridge.AccountPolicy,
	claims bridge.Claims, identity *upstream.Identity, complete bool) *bridge.Renewed {
	person := link.Identity
	person.Claims = claims
	renewed := &bridge.Renewed{
		Claims:  claims.Only(skill.KeptClaims()),
		Account: renewedAccount(link.Account, policy.Account(person, identity.Sub, identity.SID), complete),
	}
	if err := renewed.Claims.CheckSize(); err != nil {
		const message = "claims not renewed"
		r.Sampler.Log(ctx, r.Log, slog.LevelError, message, message, "link_id", link.ID, "error", err)
		renewed.Claims = link.Claims
	}
	if renewed.Account == link.Account && reflect.DeepEqual(renewed.Claims, link.Claims) {
		return nil
	}
	return renewed
}

// renewedAccount keeps the sid, which an ID token has at the sign-in only, and what was not answered.
func renewedAccount(before, said bridge.Account, complete bool) bridge.Account {
	keep := func(said *string, before string, always bool) {
		if *said == "" && (always || !complete) {
			*said = before
		}
	}
	keep(&said.Subject, before.Subject, true)
	keep(&said.Session, before.Session, true)
	keep(&said.Directory, before.Directory, false)
	keep(&said.Email, before.Email, false)
	return said
}
