package storetest

import (
	"errors"
	"time"

	"alexa-oidc-bridge/bridge"
)

// signIn returns a link of one person, who signed in some time after now.
func (s *suite) signIn(after time.Duration, changes ...func(*bridge.NewLink)) bridge.NewLink {
	made := s.newLink(ofOnePerson, func(n *bridge.NewLink) { n.SignedInAt = s.now.Add(after) })
	return with(made, changes...)
}

// elsewhere is a change to a link: it is of a person of another provider.
func elsewhere(n *bridge.NewLink) { n.Link.Provider.ID = "other" }

// wantSignIn verifies whether sign-ins lead to links.
func (s *suite) wantSignIn(name string, want error, links ...bridge.NewLink) {
	s.Helper()
	for i, made := range links {
		handle := s.createPending()
		if err := s.store.Link(s.Context(), handle, made); !errors.Is(err, want) {
			s.Errorf("%s: sign-in %d: %v, want %v", name, i, err, want)
		}
		if want != nil {
			s.wantUnknown(made.Token)
			s.must(s.store.Decide(s.Context(), handle, bridge.DecisionSwitch, s.now)) // it was not decided
		}
	}
}

func (s *suite) mustRevokeBy(filter bridge.LinkFilter, at time.Time) {
	s.Helper()
	by := bridge.Revocation{Reason: bridge.ReasonOperator, Actor: actorOf(bridge.ReasonOperator), At: at}
	s.must(errOf(s.store.Revoke(s.Context(), filter, by)))
}

func (s *suite) revokeSignIns() {
	s.mustRevokeBy(bridge.LinkFilter{Subject: "somebody else"}, s.now)
	for _, filter := range []bridge.LinkFilter{{}, {Provider: "corp"}, {IDs: []string{"lnk_x"}},
		{Email: "person1@contoso.com"}, {IDs: []string{"lnk_x"}, Subject: onePerson, Issuer: s.signIn(0).Link.Issuer}} {
		s.mustRevokeBy(filter, s.now.Add(time.Hour))
	}
	s.wantSignIn("of nobody by subject", nil, s.signIn(0), s.signIn(0, withCode))

	s.mustRevokeBy(bridge.LinkFilter{Subject: onePerson, Provider: "corp", ClientID: "no skill"}, s.now)
	unknown := s.signIn(0, func(n *bridge.NewLink) { n.SignedInAt = time.Time{} })
	s.wantSignIn("before", bridge.ErrSignInRevoked, s.signIn(-time.Minute), s.signIn(999*time.Millisecond), unknown,
		s.signIn(0, withCode))
	s.wantSignIn("after", nil, s.signIn(time.Second), s.signIn(time.Second, withCode))
	s.wantSignIn("at another provider", nil, s.signIn(0, elsewhere))
	s.mustRevokeBy(bridge.LinkFilter{Subject: onePerson, Provider: "corp"}, s.now.Add(-time.Hour))
	s.wantSignIn("before the later of two", bridge.ErrSignInRevoked, s.signIn(0))

	s.mustRevokeBy(bridge.LinkFilter{Subject: onePerson}, s.now.Add(time.Minute))
	s.wantSignIn("at every provider", bridge.ErrSignInRevoked, s.signIn(time.Minute), s.signIn(time.Minute, elsewhere))
	s.wantSignIn("afterwards", nil, s.signIn(61*time.Second), s.signIn(61*time.Second, elsewhere))
}

func (s *suite) forgetSignIns() {
	made := s.signIn(0)
	s.must(s.store.Link(s.Context(), s.createPending(), made))
	s.wantForgotten(bridge.LinkFilter{IDs: []string{made.Link.ID}}, []string{made.Link.ID}, []string{made.Link.ID})
	s.wantSignIn("forgotten by id", nil, s.signIn(0))
	s.wantForgotten(bridge.LinkFilter{Subject: onePerson, Provider: "other"}, nil, nil)
	s.wantSignIn("forgotten at another provider", nil, s.signIn(0))
	s.wantSignIn("forgotten there", bridge.ErrSignInRevoked, s.signIn(0, elsewhere))
}

// sweepSignIns sweeps revocations that no sign-in can be older than.
func (s *suite) sweepSignIns() {
	for _, subject := range []string{onePerson, "another", "a third"} {
		s.mustRevokeBy(bridge.LinkFilter{Subject: subject}, s.now)
	}
	s.wantSweep(s.now.Add(bridge.SignInMemory-time.Second), 100, 0)
	s.wantSignIn("still remembered", bridge.ErrSignInRevoked, s.signIn(0))
	for _, want := range []int{3, 1, 0} { // the first counts the consent that led to no link
		s.wantSweep(s.now.Add(bridge.SignInMemory), 2, want)
	}
	s.wantSignIn("swept", nil, s.signIn(0))
}

// concurrentSignIns races links with the revocation of their sign-ins. Whichever is first, no link stays live.
func (s *suite) concurrentSignIns() {
	for i := range 10 {
		links, handles := make([]bridge.NewLink, 8), make([]bridge.Hash, 8)
		for i := range links {
			links[i], handles[i] = s.signIn(0), s.createPending()
		}
		filter := bridge.LinkFilter{Subject: onePerson}
		if i%2 == 0 {
			filter.Provider = "corp"
		}
		errs := concurrently(len(links)+1, func(i int) error {
			if i == len(links) {
				return errOf(s.store.Revoke(s.Context(), filter, s.by(bridge.ReasonOperator)))
			}
			return s.store.Link(s.Context(), handles[i], links[i])
		})
		s.must(errs[len(links)])
		for _, err := range errs[:len(links)] {
			if err != nil {
				s.wantError(err, bridge.ErrSignInRevoked)
			}
		}
		if live := s.links(bridge.LinkFilter{Subject: onePerson, Live: true}); len(live) != 0 {
			s.Fatalf("%d links are live", len(live))
		}
		s.now = s.now.Add(time.Second)
	}
	s.verifyFeed()
}

// dropClaims ends links for every reason, and verifies which keep their claims.
func (s *suite) dropClaims() {
	kept, operator := s.link(ofOnePerson), s.link()
	replaced := s.link(ofOnePerson, func(n *bridge.NewLink) { n.Link.CreatedAt = s.now.Add(-time.Hour) })
	unredeemed := s.link(withCode)
	s.mustRevoke(operator.Link.ID)
	s.link(ofOnePerson, func(n *bridge.NewLink) { n.Link.CreatedAt, n.MaxLinks = s.now.Add(time.Second), 2 })
	s.must(errOf(s.store.Sweep(s.Context(),
		bridge.Sweep{Now: unredeemed.Code.ExpiresAt.Add(bridge.RedeemGrace), Limit: 100})))
	for _, tt := range []struct {
		made   bridge.NewLink
		reason bridge.Reason
		kept   bool
	}{
		{kept, "", true},
		{operator, bridge.ReasonOperator, true},
		{replaced, bridge.ReasonReplaced, false},
		{unredeemed, bridge.ReasonNotRedeemed, false},
	} {
		links := s.links(bridge.LinkFilter{IDs: []string{tt.made.Link.ID}})
		byEmail := s.links(bridge.LinkFilter{Email: tt.made.Link.Claims.String(bridge.ClaimEmail)})
		if len(links) != 1 || links[0].Reason != tt.reason || links[0].Subject != tt.made.Link.Subject ||
			len(links[0].Claims) > 0 != tt.kept || len(byEmail) > 0 != tt.kept {
			s.Errorf("%q: %+v, by e-mail %d; want claims: %v", tt.reason, links, len(byEmail), tt.kept)
		}
	}
	s.verifyFeed()
}
