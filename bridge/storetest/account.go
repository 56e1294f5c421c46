package storetest

import (
	"slices"
	"time"

	"alexa-oidc-bridge/bridge"
)

// account is a change to a link: the provider calls the person by these names.
func account(names bridge.Account) func(*bridge.NewLink) {
	return func(n *bridge.NewLink) { n.Link.Account = names }
}

// oneAccount has every name of an account.
var oneAccount = bridge.Account{Subject: "sub 1", Session: "sid 1", Directory: "id 1", Email: "ada@contoso.com"}

// eachName returns one account for each name of oneAccount, with this name only.
func eachName() []bridge.Account {
	return []bridge.Account{
		{Subject: oneAccount.Subject}, {Session: oneAccount.Session}, {Directory: oneAccount.Directory},
		{Email: oneAccount.Email},
	}
}

func (s *suite) wantLinks(name string, filter bridge.LinkFilter, want ...bridge.NewLink) {
	s.Helper()
	got := s.links(filter)
	if !slices.EqualFunc(got, want, func(l bridge.Link, n bridge.NewLink) bool { return l.ID == n.Link.ID }) {
		s.Errorf("%s: got %v, want %d links", name, got, len(want))
	}
}

func (s *suite) accounts() {
	ada := s.link(account(oneAccount))
	later := func(n *bridge.NewLink) { n.Link.CreatedAt = s.now.Add(time.Second) }
	s.link(account(bridge.Account{Subject: "sub 2", Session: "sid 2", Directory: "id 2", Email: "bob@contoso.com"}), later)
	s.link(later)
	for _, names := range append(eachName(), oneAccount) {
		s.wantLinks("by name", bridge.LinkFilter{Account: names}, ada)
		s.wantLinks("at the provider", bridge.LinkFilter{Account: names, Provider: "corp", Issuer: ada.Link.Issuer}, ada)
		s.wantLinks("at another provider", bridge.LinkFilter{Account: names, Provider: "other"})
		s.wantLinks("of another issuer", bridge.LinkFilter{Account: names, Issuer: "https://elsewhere.example.com"})
	}
	s.wantLinks("names of two", bridge.LinkFilter{Account: bridge.Account{Subject: "sub 1", Session: "sid 2"}})
	s.wantLinks("another case", bridge.LinkFilter{Account: bridge.Account{Directory: "ID 1"}})
	s.wantLinks("a name of another kind", bridge.LinkFilter{Account: bridge.Account{Session: oneAccount.Subject}})
}

// accountsOfOlderLinks has links from before names were recorded: their subject may be the sub of the ID token.
func (s *suite) accountsOfOlderLinks() {
	bySub := func(n *bridge.NewLink) { n.Link.SubjectClaim, n.Link.Subject = "sub", "sub 1" }
	older := s.link(bySub)
	s.link(bySub, account(bridge.Account{Subject: "another sub"}))
	s.link(func(n *bridge.NewLink) { n.Link.SubjectClaim, n.Link.Subject = "oid", "sub 1" })
	s.wantLinks("by sub", bridge.LinkFilter{Account: bridge.Account{Subject: "sub 1"}}, older)
	s.wantLinks("by sid", bridge.LinkFilter{Account: bridge.Account{Session: "sub 1"}})
	s.wantLinks("by sub and sid", bridge.LinkFilter{Account: bridge.Account{Subject: "sub 1", Session: "sid 1"}}, older)
}

func (s *suite) onlyOnePerson() {
	shared := bridge.Account{Email: "team@contoso.com"}
	ada, bob := s.link(ofOnePerson, account(shared)), s.link(account(shared))
	filter := bridge.LinkFilter{Account: shared, OnePerson: true}
	by := with(s.by(bridge.ReasonAccountRevoked),
		func(r *bridge.Revocation) { r.Token, r.TokenExpiresAt = "a token", s.now.Add(time.Hour) })
	s.wantError(errOf(s.store.Revoke(s.Context(), filter, by)), bridge.ErrAmbiguous)
	s.wantActive("a link of several persons was revoked", ada.Token, bob.Token)
	s.wantSignIn("after an ambiguous revocation", nil, s.signIn(0, account(shared), ofOnePerson))

	s.mustRevoke(bob.Link.ID)
	revoked, err := s.store.Revoke(s.Context(), filter, by) // by the same token
	if err != nil || len(revoked) != 2 {
		s.Errorf("revoked %v, %v; want both links of one person", revoked, err)
	}
	s.wantRevoked(ada.Token, bridge.ReasonAccountRevoked)
}

func (s *suite) revokeAccountSignIns() {
	for _, names := range eachName() {
		s.mustRevokeBy(bridge.LinkFilter{Account: names, Provider: "corp"}, s.now)
		s.wantSignIn("before", bridge.ErrSignInRevoked, s.signIn(0, account(names)),
			s.signIn(0, account(oneAccount), withCode))
		s.wantSignIn("after", nil, s.signIn(time.Second, account(names)))
		s.wantSignIn("of somebody else", nil, s.signIn(0, account(bridge.Account{Subject: "sub 2"})))
		s.wantSignIn("at another provider", nil, s.signIn(0, account(names), elsewhere))
		s.now = s.now.Add(time.Minute)
	}
}

func (s *suite) usedTokens() {
	ada, bob := s.link(account(oneAccount)), s.link()
	by := with(s.by(bridge.ReasonLoggedOut),
		func(r *bridge.Revocation) { r.Token, r.TokenExpiresAt = "a token", s.now.Add(time.Hour) })
	s.must(errOf(s.store.Revoke(s.Context(), bridge.LinkFilter{Account: oneAccount}, by)))
	s.wantRevoked(ada.Token, bridge.ReasonLoggedOut)

	again := bridge.LinkFilter{IDs: []string{bob.Link.ID}}
	s.wantError(errOf(s.store.Revoke(s.Context(), again, by)), bridge.ErrTokenUsed)
	s.wantActive("a used token revoked a link", bob.Token)
	s.wantSweep(s.now.Add(time.Hour-time.Second), 100, 6) // consents and sign-ins
	s.wantError(errOf(s.store.Revoke(s.Context(), again, by)), bridge.ErrTokenUsed)
	s.wantSweep(s.now.Add(time.Hour), 100, 1)
	s.must(errOf(s.store.Revoke(s.Context(), again, by)))

	errs := concurrently(8, func(int) error {
		by := by
		by.Token = "another token"
		return errOf(s.store.Revoke(s.Context(), again, by))
	})
	for i, first := 0, s.wantOne(errs); i < len(errs); i++ {
		if i != first {
			s.wantError(errs[i], bridge.ErrTokenUsed)
		}
	}
}

// unnamedLinks counts the links of a provider that no logout token matches by the sub.
func (s *suite) unnamedLinks() {
	at := func(change func(*bridge.Link)) func(*bridge.NewLink) {
		return func(n *bridge.NewLink) { n.Link.Provider.ID = "older"; change(&n.Link) }
	}
	older := at(func(*bridge.Link) {})
	s.link() // at another provider
	first := s.link(older)
	s.link(older)
	s.link(at(func(l *bridge.Link) { l.SubjectClaim = "sub" }))
	s.link(at(func(l *bridge.Link) { l.Account.Subject = "a sub" }))
	s.link(at(func(l *bridge.Link) { l.Issuer = bridge.TestIssuer }))
	s.mustRevoke(s.link(older).Link.ID)
	for limit, want := range map[int]bridge.UnnamedLinks{9: {All: 3, OtherSubject: 2}, 1: {All: 1, OtherSubject: 1}} {
		got, err := s.store.CountUnnamedLinks(s.Context(), first.Link.Provider, limit)
		if s.must(err); got != want {
			s.Errorf("up to %d: %+v, want %+v", limit, got, want)
		}
	}
}
