package storetest

import (
	"time"

	"alexa-oidc-bridge/bridge"
)

// refresh presents a refresh token, with a successor to rotate.
func (s *suite) refresh(token bridge.Hash, rotate bool, now time.Time) (bridge.NewTokens, error) {
	refresh := s.newRefresh(token, now)
	if !rotate {
		refresh.Tokens.Refresh = ""
	}
	return refresh.Tokens, errOf(s.store.Refresh(s.Context(), refresh))
}

func (s *suite) newRefresh(token bridge.Hash, now time.Time) bridge.Refresh {
	tokens := s.newTokens("r")
	tokens.AccessExpiresAt = now.Add(time.Hour)
	return bridge.Refresh{Token: token, ClientID: "pizza", Tokens: tokens, Now: now, Honours: honourAll}
}

func (s *suite) mustRefresh(token bridge.Hash, rotate bool) bridge.NewTokens {
	s.Helper()
	tokens, err := s.refresh(token, rotate, s.now)
	s.must(err)
	s.wantActive(tokens.Access, "the new access token is not active")
	return tokens
}

func (s *suite) refreshStable() {
	redemption, link := s.mustRedeem()
	first := s.mustRefresh(redemption.Tokens.Refresh, false)
	second := s.mustRefresh(redemption.Tokens.Refresh, false)
	for _, token := range []bridge.Hash{redemption.Tokens.Access, first.Access, second.Access} {
		s.wantActive(token, "a refresh ended an access token")
	}
	s.mustRevoke(link.ID)
	s.wantError(errOf(s.refresh(redemption.Tokens.Refresh, false, s.now)), bridge.ErrRevoked)
	refresh := s.newRefresh(redemption.Tokens.Refresh, s.now)
	refresh.Honours = func(*bridge.Link) bool { return false }
	s.wantError(errOf(s.store.Refresh(s.Context(), refresh)), bridge.ErrRevoked) // and not ErrSuspended
}

func (s *suite) refreshRotates() {
	redemption, _ := s.mustRedeem()
	root := redemption.Tokens.Refresh
	lost := s.mustRefresh(root, true) // as if the response was lost
	child := s.mustRefresh(root, true)
	grandchild := s.mustRefresh(child.Refresh, true) // confirms child
	s.mustRefresh(child.Refresh, true)               // lost: child stays good until one of its children is presented
	s.wantActive(redemption.Tokens.Access, "superseding ended an access token")
	s.wantActive(lost.Access, "superseding ended an access token")
	s.mustRefresh(grandchild.Refresh, true)
	s.wantError(errOf(s.refresh(lost.Refresh, true, s.now)), bridge.ErrReplayed) // a superseded sibling
	s.wantRevoked(redemption.Tokens.Access, bridge.ReasonRefreshReplayed)
	s.wantError(errOf(s.refresh(grandchild.Refresh, true, s.now)), bridge.ErrRevoked)
}

func (s *suite) refreshManySuccessors() {
	redemption, _ := s.mustRedeem()
	var successors []bridge.NewTokens
	for range bridge.MaxSuccessors + 2 {
		successors = append(successors, s.mustRefresh(redemption.Tokens.Refresh, true))
	}
	for i := range 2 {
		s.wantError(errOf(s.refresh(successors[i].Refresh, true, s.now)), bridge.ErrNotFound)
		s.wantActive(successors[i].Access, "an access token ended with its refresh token")
	}
	s.mustRefresh(successors[2].Refresh, true)
}

func (s *suite) refreshErrors() {
	redemption, _ := s.mustRedeem()
	refresh := s.newRefresh(redemption.Tokens.Refresh, s.now)
	for want, change := range map[error]func(*bridge.Refresh){
		bridge.ErrMismatch:  func(r *bridge.Refresh) { r.ClientID = "lights" },
		bridge.ErrSuspended: func(r *bridge.Refresh) { r.Honours = func(*bridge.Link) bool { return false } },
		bridge.ErrScope:     func(r *bridge.Refresh) { r.Scope = "orders admin" },
		bridge.ErrNotFound:  func(r *bridge.Refresh) { r.Token = redemption.Tokens.Access },
	} {
		wrong := refresh
		change(&wrong)
		s.wantError(errOf(s.store.Refresh(s.Context(), wrong)), want)
		s.wantError(errOf(s.store.Lookup(s.Context(), wrong.Tokens.Access)), bridge.ErrNotFound)
	}
	refresh.Scope = "orders"
	s.must(errOf(s.store.Refresh(s.Context(), refresh)))
}

func (s *suite) revokeByToken() {
	redemption, link := s.mustRedeem()
	revoke := func(token bridge.Hash, now time.Time, clients ...string) error {
		_, err := s.store.RevokeByToken(s.Context(), token, clients, now)
		return err
	}
	s.wantError(revoke(redemption.Tokens.Refresh, s.now, "lights"), bridge.ErrNotFound)
	s.wantError(revoke(redemption.Tokens.Refresh, s.now), bridge.ErrNotFound)
	s.wantError(revoke(bridge.HashOf("unknown"), s.now, "pizza"), bridge.ErrNotFound)
	s.wantError(revoke(redemption.Tokens.Access, s.now.Add(time.Hour), "pizza"), bridge.ErrNotFound) // expired
	s.wantActive(redemption.Tokens.Access, "the link was revoked")
	revoked, err := s.store.RevokeByToken(s.Context(), redemption.Tokens.Refresh, []string{"lights", "pizza"}, s.now)
	if err != nil || revoked.ID != link.ID || s.lookup(redemption.Tokens.Access).Active(s.now) {
		s.Errorf("%+v, %v", revoked, err)
	}
	s.wantError(revoke(redemption.Tokens.Refresh, s.now, "pizza"), bridge.ErrNotFound)
}

func (s *suite) sweepTokens() {
	implicit := s.newLink()
	implicit.ExpiresAt = s.now.Add(time.Hour)
	s.link(implicit)
	redemption, _ := s.mustRedeem()
	child := s.mustRefresh(redemption.Tokens.Refresh, true)
	s.mustRefresh(child.Refresh, true) // supersedes the first
	s.mustSweep(s.now.Add(59 * time.Minute))
	s.wantActive(implicit.Token, "a token was removed before it expired")
	s.wantActive(redemption.Tokens.Access, "a token was removed before it expired")
	later := s.now.Add(time.Hour)
	s.mustSweep(later)
	links := s.links(bridge.LinkFilter{IDs: []string{implicit.Link.ID}})
	if len(links) != 1 || links[0].Reason != bridge.ReasonExpired {
		s.Errorf("a link without a token: %+v", links)
	}
	for _, token := range []bridge.Hash{implicit.Token, redemption.Tokens.Access} {
		s.wantError(errOf(s.store.Lookup(s.Context(), token)), bridge.ErrNotFound)
	}
	s.must(errOf(s.refresh(child.Refresh, true, later)))
	s.wantError(errOf(s.refresh(redemption.Tokens.Refresh, true, later)), bridge.ErrReplayed) // still remembered
	s.mustSweep(s.now.Add(bridge.ReplayMemory))
	s.wantError(errOf(s.refresh(redemption.Tokens.Refresh, true, later)), bridge.ErrNotFound)
}
