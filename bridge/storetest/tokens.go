package storetest

import (
	"fmt"
	"slices"
	"time"

	"alexa-oidc-bridge/bridge"
)

// newCode adds a link by the code grant and returns the redemption of its code.
func (s *suite) newCode() bridge.Redemption {
	s.Helper()
	made := s.link(withCode)
	return bridge.Redemption{
		Code: made.Code.Hash, ClientID: "pizza", RedirectURI: made.Code.RedirectURI, CodeChallenge: made.Code.CodeChallenge,
		Tokens: s.newTokens(), Now: s.now, Permits: honourAll,
	}
}

func honourAll(*bridge.Link) bool { return true }

func honourNone(*bridge.Link) bool { return false }

// newTokens returns a new pair of tokens. The access token expires in an hour.
func (s *suite) newTokens() bridge.NewTokens {
	s.count++
	return bridge.NewTokens{
		Access: bridge.HashOf(fmt.Sprintf("access %d", s.count)), AccessExpiresAt: s.now.Add(time.Hour),
		Refresh: bridge.HashOf(fmt.Sprintf("refresh %d", s.count)),
	}
}

func (s *suite) redeem(redemption bridge.Redemption) error {
	return errOf(s.store.Redeem(s.Context(), redemption))
}

func (s *suite) mustRedeem() (bridge.Redemption, bridge.Link) {
	s.Helper()
	redemption := s.newCode()
	link, err := s.store.Redeem(s.Context(), redemption)
	s.must(err)
	return redemption, link
}

func (s *suite) redeemCode() {
	redemption := s.newCode()
	for _, tt := range []struct {
		name   string
		want   error
		change func(*bridge.Redemption)
	}{
		{"code", bridge.ErrNotFound, func(r *bridge.Redemption) { r.Code = bridge.HashOf("unknown") }},
		{"client", bridge.ErrMismatch, func(r *bridge.Redemption) { r.ClientID = "lights" }},
		{"redirect URI", bridge.ErrMismatch, func(r *bridge.Redemption) { r.RedirectURI += "/" }},
		{"verifier", bridge.ErrMismatch, func(r *bridge.Redemption) { r.CodeChallenge = "other" }},
		{"no verifier", bridge.ErrMismatch, func(r *bridge.Redemption) { r.CodeChallenge = "" }},
		{"permission", bridge.ErrSuspended, func(r *bridge.Redemption) { r.Permits = honourNone }},
	} {
		if err := s.redeem(with(redemption, tt.change)); err != tt.want {
			s.Errorf("another %s: %v", tt.name, err)
		}
	}
	redemption.RedirectURI = "" // the client sent none
	link, err := s.store.Redeem(s.Context(), redemption)
	s.must(err)
	found := s.lookup(redemption.Tokens.Access)
	inAnHour := found.ExpiresAt.Equal(s.now.Add(time.Hour))
	if found.Link.ID != link.ID || link.Grant != bridge.GrantAuthorizationCode || !inAnHour {
		s.Errorf("found %+v for %+v", found, link)
	}
	s.wantUnknown(redemption.Tokens.Refresh, redemption.Code) // which are no access tokens
}

func (s *suite) concurrentRedemptions() {
	redemption := s.newCode()
	callers := make([]bridge.Redemption, 32)
	for i := range callers {
		callers[i] = redemption
		callers[i].Tokens = s.newTokens()
	}
	errs := concurrently(len(callers), func(i int) error { return s.redeem(callers[i]) })
	first := s.wantOne(errs)
	s.wantActive("the token of the successful redemption is not active", callers[first].Tokens.Access)
	for _, err := range slices.Delete(errs, first, first+1) {
		s.wantError(err, bridge.ErrReplayed)
	}
}

func (s *suite) codeReplay() {
	s.now = s.now.Add(950 * time.Millisecond) // the store rounds times down, which must not shorten the grace
	redemption, _ := s.mustRedeem()
	again := redemption
	again.Tokens = s.newTokens()
	again.Now = s.now.Add(bridge.CodeReplayGrace)
	s.wantError(s.redeem(again), bridge.ErrReplayed)
	s.wantActive("a replay within the grace revoked the link", redemption.Tokens.Access)
	foreign := again
	foreign.ClientID, foreign.Now = "lights", s.now.Add(time.Minute)
	s.wantError(s.redeem(foreign), bridge.ErrMismatch)
	s.wantActive("another client revoked the link", redemption.Tokens.Access)
	again.Now = s.now.Add(bridge.CodeReplayGrace + time.Second)
	s.wantError(s.redeem(again), bridge.ErrReplayed)
	s.wantRevoked(redemption.Tokens.Access, bridge.ReasonCodeReplayed)
	s.wantUnknown(again.Tokens.Access)
}

func (s *suite) codeExpires() {
	redemption := s.newCode()
	redemption.Now = s.now.Add(time.Minute)
	s.wantError(s.redeem(redemption), bridge.ErrNotFound)
	s.wantSweep(redemption.Now, 100, 0)
	s.wantSweep(redemption.Now.Add(bridge.RedeemGrace-time.Second), 100, 0)
	s.wantSweep(redemption.Now.Add(bridge.RedeemGrace), 100, 2)
	if links := s.links(bridge.LinkFilter{}); len(links) != 1 || links[0].Reason != bridge.ReasonNotRedeemed {
		s.Errorf("%+v", links)
	}
	s.verifyFeed()
}

// codeReplaces verifies that a code counts for MaxLinks when it is redeemed, not before.
func (s *suite) codeReplaces() {
	first, _ := s.mustRedeem()
	second := s.newCode()
	s.wantActive("a code that was not redeemed revoked a link", first.Tokens.Access)
	third := s.link(ofOnePerson, func(n *bridge.NewLink) { n.MaxLinks = 1 })
	second.MaxLinks = 1
	s.must(s.redeem(second))
	s.wantRevoked(first.Tokens.Access, bridge.ReasonReplaced)
	s.wantRevoked(third.Token, bridge.ReasonReplaced)
	s.wantActive("the redeemed code's own link was revoked", second.Tokens.Access)
}

// newRefresh returns the use of a refresh token, with a successor to rotate, and with changes.
func (s *suite) newRefresh(token bridge.Hash, changes ...func(*bridge.Refresh)) bridge.Refresh {
	refresh := bridge.Refresh{Token: token, ClientID: "pizza", Tokens: s.newTokens(), Now: s.now, Permits: honourAll}
	return with(refresh, changes...)
}

// stable is a change to a refresh: without a successor.
func stable(refresh *bridge.Refresh) { refresh.Tokens.Refresh = "" }

func (s *suite) refresh(token bridge.Hash, changes ...func(*bridge.Refresh)) error {
	return errOf(s.store.Refresh(s.Context(), s.newRefresh(token, changes...)))
}

func (s *suite) mustRefresh(token bridge.Hash, changes ...func(*bridge.Refresh)) bridge.NewTokens {
	s.Helper()
	refresh := s.newRefresh(token, changes...)
	s.must(errOf(s.store.Refresh(s.Context(), refresh)))
	s.wantActive("the new access token is not active", refresh.Tokens.Access)
	return refresh.Tokens
}

func (s *suite) refreshStable() {
	redemption, link := s.mustRedeem()
	first := s.mustRefresh(redemption.Tokens.Refresh, stable)
	second := s.mustRefresh(redemption.Tokens.Refresh, stable)
	s.wantActive("a refresh ended an access token", redemption.Tokens.Access, first.Access, second.Access)
	s.mustRevoke(link.ID)
	for _, permits := range []func(*bridge.Link) bool{honourAll, honourNone} { // and not ErrSuspended
		late := s.newRefresh(redemption.Tokens.Refresh, stable, func(r *bridge.Refresh) { r.Permits = permits })
		s.wantError(errOf(s.store.Refresh(s.Context(), late)), bridge.ErrRevoked)
		s.wantUnknown(late.Tokens.Access)
	}
}

func (s *suite) refreshRotates() {
	redemption, _ := s.mustRedeem()
	root := redemption.Tokens.Refresh
	lost := s.mustRefresh(root) // as if the response was lost
	child := s.mustRefresh(root)
	grandchild := s.mustRefresh(child.Refresh) // confirms child
	s.mustRefresh(child.Refresh)               // lost: child stays good until one of its children is presented
	s.wantActive("superseding ended an access token", redemption.Tokens.Access, lost.Access)
	s.mustRefresh(grandchild.Refresh)
	s.wantError(s.refresh(lost.Refresh), bridge.ErrReplayed) // a superseded sibling
	s.wantRevoked(redemption.Tokens.Access, bridge.ReasonRefreshReplayed)
	s.wantError(s.refresh(grandchild.Refresh), bridge.ErrRevoked)
}

func (s *suite) refreshManySuccessors() {
	redemption, _ := s.mustRedeem()
	var successors []bridge.NewTokens
	for range bridge.MaxSuccessors + 2 {
		successors = append(successors, s.mustRefresh(redemption.Tokens.Refresh))
	}
	for _, oldest := range successors[:2] {
		s.wantError(s.refresh(oldest.Refresh), bridge.ErrNotFound)
		s.wantActive("an access token ended with its refresh token", oldest.Access)
	}
	s.mustRefresh(successors[2].Refresh)
}

func (s *suite) refreshErrors() {
	redemption, _ := s.mustRedeem()
	for want, change := range map[error]func(*bridge.Refresh){
		bridge.ErrMismatch:  func(r *bridge.Refresh) { r.ClientID = "lights" },
		bridge.ErrSuspended: func(r *bridge.Refresh) { r.Permits = honourNone },
		bridge.ErrScope:     func(r *bridge.Refresh) { r.Scope = "orders admin" },
		bridge.ErrNotFound:  func(r *bridge.Refresh) { r.Token = redemption.Tokens.Access },
	} {
		wrong := s.newRefresh(redemption.Tokens.Refresh, change)
		s.wantError(errOf(s.store.Refresh(s.Context(), wrong)), want)
		s.wantUnknown(wrong.Tokens.Access)
	}
	s.mustRefresh(redemption.Tokens.Refresh, func(r *bridge.Refresh) { r.Scope = "orders" })
}

func (s *suite) revokeByToken() {
	redemption, link := s.mustRedeem()
	tokens := redemption.Tokens
	revoke := func(token bridge.Hash, now time.Time, clients ...string) error {
		by := bridge.Revocation{Reason: bridge.ReasonClient, Actor: actorOf(bridge.ReasonClient), At: now}
		return errOf(s.store.RevokeByToken(s.Context(), token, clients, by))
	}
	s.wantError(revoke(tokens.Refresh, s.now, "lights"), bridge.ErrNotFound)
	s.wantError(revoke(tokens.Refresh, s.now), bridge.ErrNotFound)
	s.wantError(revoke(bridge.HashOf("unknown"), s.now, "pizza"), bridge.ErrNotFound)
	s.wantError(revoke(tokens.Access, s.now.Add(time.Hour), "pizza"), bridge.ErrNotFound) // expired
	s.wantActive("the link was revoked", tokens.Access)
	revoked, err := s.store.RevokeByToken(s.Context(), tokens.Refresh, []string{"lights", "pizza"},
		s.by(bridge.ReasonClient))
	if err != nil || revoked.ID != link.ID {
		s.Errorf("%+v, %v", revoked, err)
	}
	s.wantRevoked(tokens.Access, bridge.ReasonClient)
	s.wantError(revoke(tokens.Refresh, s.now, "pizza"), bridge.ErrNotFound)
}

func (s *suite) sweepTokens() {
	implicit := s.link(expiring)
	redemption, _ := s.mustRedeem()
	root := redemption.Tokens
	child := s.mustRefresh(root.Refresh)
	s.mustRefresh(child.Refresh) // supersedes the first
	s.must(errOf(s.store.Sweep(s.Context(), bridge.Sweep{Now: s.now.Add(59 * time.Minute), Limit: 100})))
	s.wantActive("a token was removed before it expired", implicit.Token, root.Access)
	forgotten := s.now.Add(bridge.ReplayMemory)
	s.now = s.now.Add(time.Hour)
	s.must(errOf(s.store.Sweep(s.Context(), bridge.Sweep{Now: s.now, Limit: 100})))
	links := s.links(bridge.LinkFilter{IDs: []string{implicit.Link.ID}})
	if len(links) != 1 || links[0].Reason != bridge.ReasonExpired {
		s.Errorf("a link without a token: %+v", links)
	}
	s.verifyFeed()
	s.wantUnknown(implicit.Token, root.Access)
	s.must(s.refresh(child.Refresh))
	s.wantError(s.refresh(root.Refresh), bridge.ErrReplayed) // still remembered
	s.must(errOf(s.store.Sweep(s.Context(), bridge.Sweep{Now: forgotten, Limit: 100})))
	s.wantError(s.refresh(root.Refresh), bridge.ErrNotFound)
}
