package storetest

import (
	"errors"
	"reflect"
	"slices"
	"time"

	"alexa-oidc-bridge/bridge"
)

func (s *suite) pendingConsent() {
	handle := s.createPending("a person")
	s.must(s.store.CreatePendingConsent(s.Context(),
		bridge.PendingConsent{Handle: handle, Sealed: []byte("other"), ExpiresAt: s.now.Add(time.Hour)})) // the first stays
	want := bridge.PendingConsent{Handle: handle, Person: "a person", Sealed: []byte("sealed\x00"),
		ExpiresAt: s.now.Add(10 * time.Minute)}
	verify := func() {
		s.Helper()
		got, err := s.store.PendingConsent(s.Context(), handle, s.now)
		if err != nil || !reflect.DeepEqual(got, want) {
			s.Errorf("got %+v, %v, want %+v", got, err, want)
		}
	}
	verify()
	s.must(s.store.Decide(s.Context(), handle, bridge.DecisionCancel, s.now.Add(time.Second)))
	want.Decision, want.DecidedAt = bridge.DecisionCancel, s.now.Add(time.Second)
	verify()
	s.wantError(errOf(s.store.PendingConsent(s.Context(), bridge.HashOf("unknown"), s.now)), bridge.ErrNotFound)
}

func (s *suite) pendingConsentExpires() {
	handle := s.createPending()
	end := s.now.Add(10 * time.Minute)
	s.must(errOf(s.store.PendingConsent(s.Context(), handle, end.Add(-time.Second))))
	s.wantError(errOf(s.store.PendingConsent(s.Context(), handle, end)), bridge.ErrNotFound)
	s.wantError(s.store.Decide(s.Context(), handle, bridge.DecisionCancel, end), bridge.ErrNotFound)
	late := s.newLink(func(n *bridge.NewLink) { n.Link.CreatedAt = end })
	s.wantError(s.store.Link(s.Context(), handle, late), bridge.ErrNotFound)
	s.wantUnknown(late.Token)
}

// mint makes a test link, which ends as any other, and no link that could be taken for a person's.
func (s *suite) mint() {
	skill := &bridge.Skill{
		ClientID: "pizza", Provider: "corp", Grants: []bridge.Grant{bridge.GrantAuthorizationCode},
		Scopes: []string{"a", "b"},
	}
	claims := bridge.Claims{"name": "Ada"}
	made, token := bridge.NewTestLink(skill, "test-ada", claims, "command:ada@host", s.now, time.Hour)
	s.must(s.store.Mint(s.Context(), made))
	found := s.lookup(bridge.HashOf(token))
	if !reflect.DeepEqual(found.Link, made.Link) || !found.ExpiresAt.Equal(s.now.Add(time.Hour)) {
		s.Errorf("got %+v, want %+v", found, made)
	}
	for name, change := range map[string]func(*bridge.NewLink){
		"of a person":       func(n *bridge.NewLink) { n.Link.Issuer = "https://login.example.com" },
		"without end":       func(n *bridge.NewLink) { n.ExpiresAt = time.Time{} },
		"for over 24 hours": func(n *bridge.NewLink) { n.ExpiresAt = s.now.Add(bridge.MaxTestLifetime + time.Second) },
	} {
		other, _ := bridge.NewTestLink(skill, "test-grace", nil, "command:ada@host", s.now, time.Hour)
		if err := s.store.Mint(s.Context(), with(other, change)); err == nil {
			s.Errorf("a link %s was made", name)
		}
	}
	s.wantSweep(s.now.Add(time.Hour-time.Second), 100, 0)
	s.now = s.now.Add(time.Hour)
	s.wantSweep(s.now, 100, 2) // the link and its token
	links := s.links(bridge.LinkFilter{})
	if len(links) != 1 || links[0].Reason != bridge.ReasonExpired || !links[0].IsTest() {
		s.Errorf("after an hour: %+v", links)
	}
	s.verifyFeed()
}

func (s *suite) decisionIsFinal() {
	linked, cancelled := s.createPending(), s.createPending()
	s.must(s.store.Link(s.Context(), linked, s.newLink()))
	s.must(s.store.Decide(s.Context(), cancelled, bridge.DecisionCancel, s.now))
	again := s.newLink(func(n *bridge.NewLink) { n.Link.CreatedAt = s.now.Add(time.Minute) })
	s.wantDecided(s.store.Link(s.Context(), linked, again), bridge.DecisionLink)
	s.wantDecided(s.store.Decide(s.Context(), linked, bridge.DecisionCancel, s.now), bridge.DecisionLink)
	s.wantDecided(s.store.Link(s.Context(), cancelled, again), bridge.DecisionCancel)
	s.wantDecided(s.store.Decide(s.Context(), cancelled, bridge.DecisionSwitch, s.now), bridge.DecisionCancel)

	s.wantUnknown(again.Token)
	s.wantError(s.store.Decide(s.Context(), bridge.HashOf("unknown"), bridge.DecisionCancel, s.now), bridge.ErrNotFound)
}

// wantDecided verifies that an error says that the decision was made at s.now.
func (s *suite) wantDecided(err error, want bridge.Decision) {
	s.Helper()
	decided, ok := errors.AsType[*bridge.DecidedError](err)
	if !ok || *decided != (bridge.DecidedError{Decision: want, At: s.now}) {
		s.Fatalf("err = %v, want decided: %v", err, want)
	}
}

func (s *suite) concurrentDecisions() {
	handle := s.createPending()
	links := make([]bridge.NewLink, 32)
	for i := range links {
		links[i] = s.newLink()
	}
	errs := concurrently(len(links), func(i int) error {
		if i%4 == 3 {
			return s.store.Decide(s.Context(), handle, bridge.DecisionCancel, s.now)
		}
		return s.store.Link(s.Context(), handle, links[i])
	})
	first := s.wantOne(errs)
	decision := bridge.DecisionLink
	if first%4 == 3 {
		decision = bridge.DecisionCancel
	}
	for i, err := range errs {
		if i != first {
			s.wantDecided(err, decision)
			s.wantUnknown(links[i].Token)
		}
	}
}

func (s *suite) failedLink() {
	first := s.link()
	handle := s.createPending()
	second := s.newLink(func(n *bridge.NewLink) { n.Token = first.Token }) // which exists
	if err := s.store.Link(s.Context(), handle, second); err == nil {
		s.Fatal("two links got one token")
	}
	if links := s.links(bridge.LinkFilter{IDs: []string{second.Link.ID}}); len(links) != 0 {
		s.Errorf("a part of the link was stored: %v", links)
	}
	s.must(s.store.Link(s.Context(), handle, s.newLink())) // the consent was not decided
}

func (s *suite) sweep() {
	made := s.link()
	for range 4 {
		s.createPending()
	}
	end := s.now.Add(10 * time.Minute)
	s.wantSweep(end.Add(-time.Second), 3, 0)
	for _, want := range []int{3, 2, 0} {
		s.wantSweep(end, 3, want)
	}
	s.wantActive("a live link was removed", made.Token)
}

func (s *suite) lookupLink() {
	made := s.link()
	found := s.lookup(made.Token)
	if want := (bridge.AccessToken{Link: made.Link, IssuedAt: s.now}); !reflect.DeepEqual(found, want) {
		s.Errorf("found %+v\nwant  %+v", found, want)
	}
	if !found.Active(s.now.Add(100 * 365 * 24 * time.Hour)) {
		s.Error("a token that does not expire is not active")
	}
	made = s.link(expiring)
	end := made.ExpiresAt
	found = s.lookup(made.Token)
	if !found.ExpiresAt.Equal(end) || !found.Active(end.Add(-time.Second)) || found.Active(end) {
		s.Errorf("%+v is not active exactly until %v", found, end)
	}
	s.wantUnknown(bridge.HashOf("unknown"), "")
}

func (s *suite) revoke() {
	made, other := s.link(), s.link()
	filter := bridge.LinkFilter{IDs: []string{made.Link.ID, "lnk_unknown"}}
	by := bridge.Revocation{Reason: bridge.ReasonOperator, Actor: "command:ada@host", At: s.now.Add(time.Minute)}
	revoked, err := s.store.Revoke(s.Context(), filter, by)
	s.must(err)
	want := made.Link
	want.RevokedAt, want.Reason, want.Actor = by.At, by.Reason, by.Actor
	if !reflect.DeepEqual(revoked, []bridge.Link{want}) {
		s.Errorf("revoked %+v, want %+v", revoked, want)
	}
	if found := s.lookup(made.Token); found.Active(s.now) || !reflect.DeepEqual(found.Link, want) {
		s.Errorf("after revoking: %+v", found)
	}
	s.wantActive("another link was revoked", other.Token)
	revoked, err = s.store.Revoke(s.Context(), filter, s.by(bridge.ReasonReplaced))
	if err != nil || len(revoked) != 0 {
		s.Errorf("revoked again: %v, %v", revoked, err)
	}
	s.wantRevoked(made.Token, bridge.ReasonOperator) // not overwritten
}

func (s *suite) filters() {
	a := s.link()
	b := s.link(func(n *bridge.NewLink) {
		n.Link.ClientID, n.Link.Provider.ID, n.Link.Grant = "lights", "other", bridge.GrantAuthorizationCode
		n.Link.Subject, n.Link.CreatedAt = a.Link.Subject, s.now.Add(time.Second)
	})
	c := s.link(func(n *bridge.NewLink) {
		delete(n.Link.Claims, "email")
		n.Link.CreatedAt = s.now.Add(2 * time.Second)
	})
	s.mustRevoke(c.Link.ID)
	for name, tt := range map[string]struct {
		filter bridge.LinkFilter
		want   []bridge.NewLink
	}{
		"all":                  {bridge.LinkFilter{}, []bridge.NewLink{a, b, c}},
		"skill":                {bridge.LinkFilter{ClientID: "pizza"}, []bridge.NewLink{a, c}},
		"subject":              {bridge.LinkFilter{Subject: a.Link.Subject}, []bridge.NewLink{a, b}},
		"subject and skill":    {bridge.LinkFilter{Subject: a.Link.Subject, ClientID: "lights"}, []bridge.NewLink{b}},
		"e-mail in other case": {bridge.LinkFilter{Email: "PERSON1@contoso.COM"}, []bridge.NewLink{a}},
		"provider":             {bridge.LinkFilter{Provider: "other"}, []bridge.NewLink{b}},
		"grant":                {bridge.LinkFilter{Grant: bridge.GrantImplicit}, []bridge.NewLink{a, c}},
		"ids":                  {bridge.LinkFilter{IDs: []string{c.Link.ID, a.Link.ID}}, []bridge.NewLink{a, c}},
		"live":                 {bridge.LinkFilter{Live: true}, []bridge.NewLink{a, b}},
		"none":                 {bridge.LinkFilter{Subject: "' OR '1'='1"}, nil},
	} {
		got := s.links(tt.filter)
		if !slices.EqualFunc(got, tt.want, func(l bridge.Link, n bridge.NewLink) bool { return l.ID == n.Link.ID }) {
			s.Errorf("%s: got %v", name, got)
		}
	}
}

func (s *suite) maxLinks() {
	stranger := s.link(ofOnePerson, func(n *bridge.NewLink) { n.Link.Issuer = "https://elsewhere.example.com" })
	other := s.link(ofOnePerson, func(n *bridge.NewLink) { n.Link.SubjectClaim = "employee_id" })
	var tokens []bridge.Hash
	for i, limit := range []int{0, 0, 0, 2} {
		tokens = append(tokens, s.link(ofOnePerson, func(n *bridge.NewLink) {
			n.Link.CreatedAt, n.MaxLinks = s.now.Add(time.Duration(i)*time.Second), limit
		}).Token)
	}
	s.wantRevoked(tokens[0], bridge.ReasonReplaced)
	s.wantRevoked(tokens[1], bridge.ReasonReplaced)
	s.wantActive("a newer link was revoked", tokens[2], tokens[3])
	s.wantActive("a link of the same subject at another issuer was revoked", stranger.Token)
	s.wantActive("a link of the same subject by another claim was revoked", other.Token)
}

func (s *suite) touchLinks() {
	made, user := s.link(), bridge.HashOf("user")
	for _, tt := range []struct {
		name     string
		at, want time.Duration // after now
		user     bridge.Hash
	}{
		{"the first use", 0, 0, user},
		{"within the hour", 59 * time.Minute, 0, ""},
		{"after an hour", time.Hour, time.Hour, ""},
		{"an older use", 0, time.Hour, ""},
	} {
		at := s.now.Add(tt.at)
		s.must(s.store.TouchLinks(s.Context(),
			[]bridge.Use{{LinkID: "lnk_unknown", At: at}, {LinkID: made.Link.ID, At: at, AlexaUser: tt.user}}))
		if got := s.lookup(made.Token).Link; !got.LastUsedAt.Equal(s.now.Add(tt.want)) || got.AlexaUser != user {
			s.Errorf("%s: %+v", tt.name, got)
		}
	}
}
