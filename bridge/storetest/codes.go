package storetest

import (
	"slices"
	"time"

	"alexa-oidc-bridge/bridge"
)

const onePerson = "one person"

// newCodeLink returns a link by the code grant. All are of one person.
func (s *suite) newCodeLink() bridge.NewLink {
	made := s.newLink()
	made.Link.Grant, made.Token = bridge.GrantAuthorizationCode, ""
	made.Link.Subject = onePerson
	made.Code = &bridge.NewCode{
		Hash: bridge.HashOf("code of " + made.Link.ID), RedirectURI: "https://example.com/back",
		CodeChallenge: "challenge", ExpiresAt: s.now.Add(time.Minute),
	}
	return made
}

// newCode adds a link by the code grant and returns the redemption of its code.
func (s *suite) newCode() bridge.Redemption {
	s.Helper()
	made := s.link(s.newCodeLink())
	return bridge.Redemption{
		Code: made.Code.Hash, ClientID: "pizza", RedirectURI: made.Code.RedirectURI, CodeChallenge: made.Code.CodeChallenge,
		Tokens: s.newTokens(made.Link.ID), Now: s.now, Honours: honourAll,
	}
}

func honourAll(*bridge.Link) bool { return true }

// newTokens returns a new pair of tokens. The access token expires in an hour.
func (s *suite) newTokens(of string) bridge.NewTokens {
	s.count++
	return bridge.NewTokens{
		Access: bridge.HashOf(of + "access" + string(rune(s.count))), AccessExpiresAt: s.now.Add(time.Hour),
		Refresh: bridge.HashOf(of + "refresh" + string(rune(s.count))),
	}
}

func (s *suite) mustRedeem() (bridge.Redemption, bridge.Link) {
	s.Helper()
	redemption := s.newCode()
	link, err := s.store.Redeem(s.Context(), redemption)
	s.must(err)
	return redemption, link
}

func (s *suite) redeem() {
	redemption, link := s.mustRedeem()
	found := s.lookup(redemption.Tokens.Access)
	if found.Link.ID != link.ID || link.Grant != bridge.GrantAuthorizationCode || !found.ExpiresAt.Equal(s.now.Add(time.Hour)) {
		s.Errorf("found %+v for %+v", found, link)
	}
	for _, noAccessToken := range []bridge.Hash{redemption.Tokens.Refresh, redemption.Code} {
		s.wantError(errOf(s.store.Lookup(s.Context(), noAccessToken)), bridge.ErrNotFound)
	}
	redemption.Code = bridge.HashOf("unknown")
	s.wantError(errOf(s.store.Redeem(s.Context(), redemption)), bridge.ErrNotFound)
}

func (s *suite) redeemMismatch() {
	redemption := s.newCode()
	for name, change := range map[string]func(*bridge.Redemption){
		"client":       func(r *bridge.Redemption) { r.ClientID = "lights" },
		"redirect URI": func(r *bridge.Redemption) { r.RedirectURI += "/" },
		"verifier":     func(r *bridge.Redemption) { r.CodeChallenge = "other" },
		"no verifier":  func(r *bridge.Redemption) { r.CodeChallenge = "" },
	} {
		wrong := redemption
		change(&wrong)
		if _, err := s.store.Redeem(s.Context(), wrong); err != bridge.ErrMismatch {
			s.Errorf("another %s: %v", name, err)
		}
	}
	wrong := redemption
	wrong.Honours = func(*bridge.Link) bool { return false }
	s.wantError(errOf(s.store.Redeem(s.Context(), wrong)), bridge.ErrSuspended)

	redemption.RedirectURI = "" // the client sent none
	s.must(errOf(s.store.Redeem(s.Context(), redemption)))
}

func (s *suite) concurrentRedemptions() {
	redemption := s.newCode()
	const callers = 32
	pairs := make([]bridge.NewTokens, callers)
	for i := range pairs {
		pairs[i] = s.newTokens("x")
	}
	errs := concurrently(callers, func(i int) error {
		mine := redemption
		mine.Tokens = pairs[i]
		return errOf(s.store.Redeem(s.Context(), mine))
	})
	first := s.wantOne(errs)
	s.wantActive(pairs[first].Access, "the token of the successful redemption is not active")
	for _, err := range slices.Delete(errs, first, first+1) {
		s.wantError(err, bridge.ErrReplayed)
	}
}

func (s *suite) codeReplay() {
	s.now = s.now.Add(950 * time.Millisecond) // the store rounds times down, which must not shorten the grace
	redemption, _ := s.mustRedeem()
	again := redemption
	again.Tokens = s.newTokens("again")
	again.Now = s.now.Add(bridge.CodeReplayGrace)
	s.wantError(errOf(s.store.Redeem(s.Context(), again)), bridge.ErrReplayed)
	s.wantActive(redemption.Tokens.Access, "a replay within the grace revoked the link")
	foreign := again
	foreign.ClientID, foreign.Now = "lights", s.now.Add(time.Minute)
	s.wantError(errOf(s.store.Redeem(s.Context(), foreign)), bridge.ErrMismatch)
	s.wantActive(redemption.Tokens.Access, "another client revoked the link")
	again.Now = s.now.Add(bridge.CodeReplayGrace + time.Second)
	s.wantError(errOf(s.store.Redeem(s.Context(), again)), bridge.ErrReplayed)
	s.wantRevoked(redemption.Tokens.Access, bridge.ReasonCodeReplayed)
	s.wantError(errOf(s.store.Lookup(s.Context(), again.Tokens.Access)), bridge.ErrNotFound)
}

func (s *suite) codeExpires() {
	redemption := s.newCode()
	redemption.Now = s.now.Add(time.Minute)
	s.wantError(errOf(s.store.Redeem(s.Context(), redemption)), bridge.ErrNotFound)
	for _, early := range []time.Duration{0, bridge.RedeemGrace - time.Second} {
		s.wantSweep(redemption.Now.Add(early), 100, 0)
	}
	s.wantSweep(redemption.Now.Add(bridge.RedeemGrace), 100, 2)
	if links := s.links(bridge.LinkFilter{}); len(links) != 1 || links[0].Reason != bridge.ReasonNotRedeemed {
		s.Errorf("%+v", links)
	}
}

// codeReplaces verifies that a code counts for MaxLinks when it is redeemed, not before.
func (s *suite) codeReplaces() {
	first, _ := s.mustRedeem()
	second := s.newCode()
	s.wantActive(first.Tokens.Access, "a code that was not redeemed revoked a link")
	third := s.newLink() // by the implicit grant, with a limit of one
	third.Link.Subject = onePerson
	third.MaxLinks = 1
	s.link(third)
	second.MaxLinks = 1
	s.must(errOf(s.store.Redeem(s.Context(), second)))
	for i, want := range map[bridge.Hash]bool{first.Tokens.Access: false, third.Token: false, second.Tokens.Access: true} {
		if s.lookup(i).Active(s.now) != want {
			s.Errorf("active = %v", !want)
		}
	}
}
