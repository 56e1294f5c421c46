package storetest

import (
	"time"

	"alexa-oidc-bridge/bridge"
)

// refresh presents a refresh token, with a successor to rotate.
func (s *suite) refresh(token bridge.Hash, rotate bool, now time.Time) (bridge.NewTokens, error) {
	tokens := s.newTokens("r")
	if !rotate {
		tokens.Refresh = ""
	}
	tokens.AccessExpiresAt = now.Add(time.Hour)
	_, err := s.store.Refresh(s.Context(), bridge.Refresh{Token: token, ClientID: "pizza", Tokens: tokens, Now: now, Honours: honourAll})
	return tokens, err
}

func (s *suite) mustRefresh(token bridge.Hash, rotate bool) bridge.NewTokens {
	s.Helper()
	tokens, err := s.refresh(token, rotate, s.now)
	if err != nil {
		s.Fatalf("Refresh: %v", err)
	}
	s.wantActive(tokens.Access, s.now, "the new access token is not active")
	return tokens
}

func (s *suite) refreshStable() {
	redemption, link := s.mustRedeem()
	first := s.mustRefresh(redemption.Tokens.Refresh, false)
	second := s.mustRefresh(redemption.Tokens.Refresh, false)
	for _, token := range []bridge.Hash{redemption.Tokens.Access, first.Access, second.Access} {
		s.wantActive(token, s.now, "a refresh ended an access token")
	}
	s.mustRevoke(link.ID)
	_, err := s.refresh(redemption.Tokens.Refresh, false, s.now)
	s.wantError(err, bridge.ErrRevoked)
	_, err = s.store.Refresh(s.Context(), bridge.Refresh{Token: redemption.Tokens.Refresh, ClientID: "pizza", Tokens: s.newTokens("r"),
		Now: s.now, Honours: func(*bridge.Link) bool { return false }})
	s.wantError(err, bridge.ErrRevoked) // and not ErrSuspended
}

func (s *suite) refreshRotates() {
	redemption, _ := s.mustRedeem()
	root := redemption.Tokens.Refresh
	lost := s.mustRefresh(root, true) // as if the response was lost
	child := s.mustRefresh(root, true)
	grandchild := s.mustRefresh(child.Refresh, true) // confirms child
	s.mustRefresh(child.Refresh, true)               // lost: child stays good until one of its children is presented
	if !s.lookup(redemption.Tokens.Access).Active(s.now) || !s.lookup(lost.Access).Active(s.now) {
		s.Error("superseding ended an access token")
	}
	s.mustRefresh(grandchild.Refresh, true)
	_, err := s.refresh(lost.Refresh, true, s.now) // a superseded sibling
	s.wantError(err, bridge.ErrReplayed)
	found := s.lookup(redemption.Tokens.Access)
	if found.Active(s.now) || found.Link.Reason != bridge.ReasonRefreshReplayed {
		s.Errorf("after a replay: %+v", found.Link)
	}
	_, err = s.refresh(grandchild.Refresh, true, s.now)
	s.wantError(err, bridge.ErrRevoked)
}

func (s *suite) refreshManySuccessors() {
	redemption, _ := s.mustRedeem()
	var successors []bridge.NewTokens
	for range bridge.MaxSuccessors + 2 {
		successors = append(successors, s.mustRefresh(redemption.Tokens.Refresh, true))
	}
	for i := range 2 {
		_, err := s.refresh(successors[i].Refresh, true, s.now)
		s.wantError(err, bridge.ErrNotFound)
		s.wantActive(successors[i].Access, s.now, "an access token ended with its refresh token")
	}
	s.mustRefresh(successors[2].Refresh, true)
}

func (s *suite) refreshErrors() {
	redemption, _ := s.mustRedeem()
	refresh := bridge.Refresh{Token: redemption.Tokens.Refresh, ClientID: "pizza", Tokens: s.newTokens("n"), Now: s.now, Honours: honourAll}
	for want, change := range map[error]func(*bridge.Refresh){
		bridge.ErrMismatch:  func(r *bridge.Refresh) { r.ClientID = "lights" },
		bridge.ErrSuspended: func(r *bridge.Refresh) { r.Honours = func(*bridge.Link) bool { return false } },
		bridge.ErrScope:     func(r *bridge.Refresh) { r.Scope = "orders admin" },
		bridge.ErrNotFound:  func(r *bridge.Refresh) { r.Token = redemption.Tokens.Access },
	} {
		wrong := refresh
		change(&wrong)
		_, err := s.store.Refresh(s.Context(), wrong)
		s.wantError(err, want)
		s.wantNoToken(wrong.Tokens.Access)
	}
	refresh.Scope = "orders"
	if _, err := s.store.Refresh(s.Context(), refresh); err != nil {
		s.Errorf("afterwards: %v", err)
	}
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
	s.wantActive(redemption.Tokens.Access, s.now, "the link was revoked")
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
	if !s.lookup(implicit.Token).Active(s.now) || !s.lookup(redemption.Tokens.Access).Active(s.now) {
		s.Error("a token was removed before it expired")
	}
	later := s.now.Add(time.Hour)
	s.mustSweep(later)
	links, err := s.store.Links(s.Context(), bridge.LinkFilter{IDs: []string{implicit.Link.ID}})
	if err != nil || links[0].Reason != bridge.ReasonExpired {
		s.Errorf("a link without a token: %+v, %v", links, err)
	}
	s.wantNoToken(implicit.Token)
	s.wantNoToken(redemption.Tokens.Access)
	if _, err := s.refresh(child.Refresh, true, later); err != nil {
		s.Errorf("a live refresh token was removed: %v", err)
	}
	_, err = s.refresh(redemption.Tokens.Refresh, true, later)
	s.wantError(err, bridge.ErrReplayed) // it is still remembered
	s.mustSweep(s.now.Add(bridge.ReplayMemory))
	_, err = s.refresh(redemption.Tokens.Refresh, true, later)
	s.wantError(err, bridge.ErrNotFound)
}
