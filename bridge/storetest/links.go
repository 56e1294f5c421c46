package storetest

import (
	"reflect"
	"slices"
	"time"

	"alexa-oidc-bridge/bridge"
)

func (s *suite) lookupLink() {
	made := s.link(s.newLink())
	found := s.lookup(made.Token)
	if want := (bridge.AccessToken{Link: made.Link, IssuedAt: s.now}); !reflect.DeepEqual(found, want) {
		s.Errorf("found %+v\nwant  %+v", found, want)
	}
	if !found.Active(s.now.Add(100 * 365 * 24 * time.Hour)) {
		s.Error("a token that does not expire is not active")
	}
}

func (s *suite) lookupUnknown() {
	s.link(s.newLink())
	s.wantError(errOf(s.store.Lookup(s.Context(), bridge.HashOf("unknown"))), bridge.ErrNotFound)
	s.wantError(errOf(s.store.Lookup(s.Context(), "")), bridge.ErrNotFound)
}

func (s *suite) lookupExpiring() {
	made := s.newLink()
	made.ExpiresAt = s.now.Add(time.Hour)
	s.link(made)
	found := s.lookup(made.Token)
	if !found.ExpiresAt.Equal(made.ExpiresAt) {
		s.Errorf("expires at %v, want %v", found.ExpiresAt, made.ExpiresAt)
	}
	if !found.Active(made.ExpiresAt.Add(-time.Second)) || found.Active(made.ExpiresAt) {
		s.Error("the token is not active exactly until it expires")
	}
}

func (s *suite) revoke() {
	made, other := s.link(s.newLink()), s.link(s.newLink())
	filter := bridge.LinkFilter{IDs: []string{made.Link.ID, "lnk_unknown"}}
	revoked, err := s.store.Revoke(s.Context(), filter, bridge.ReasonOperator, s.now.Add(time.Minute))
	s.must(err)
	want := made.Link
	want.RevokedAt, want.Reason = s.now.Add(time.Minute), bridge.ReasonOperator
	if !reflect.DeepEqual(revoked, []bridge.Link{want}) {
		s.Errorf("revoked %+v, want %+v", revoked, want)
	}
	if found := s.lookup(made.Token); found.Active(s.now) || !reflect.DeepEqual(found.Link, want) {
		s.Errorf("after revoking: %+v", found)
	}
	s.wantActive(other.Token, "another link was revoked")
	revoked, err = s.store.Revoke(s.Context(), filter, "again", s.now.Add(time.Hour))
	if err != nil || len(revoked) != 0 {
		s.Errorf("revoked again: %v, %v", revoked, err)
	}
	s.wantRevoked(made.Token, bridge.ReasonOperator) // not overwritten
}

func (s *suite) filters() {
	a, b, c := s.newLink(), s.newLink(), s.newLink()
	b.Link.ClientID, b.Link.Provider.ID, b.Link.Grant = "lights", "other", bridge.GrantAuthorizationCode
	b.Link.Subject = a.Link.Subject
	delete(c.Link.Claims, "email")
	b.Link.CreatedAt, c.Link.CreatedAt = s.now.Add(time.Second), s.now.Add(2*time.Second)
	s.link(a)
	s.link(b)
	s.link(c)
	s.mustRevoke(c.Link.ID)
	tests := []struct {
		name   string
		filter bridge.LinkFilter
		want   []bridge.NewLink
	}{
		{"all", bridge.LinkFilter{}, []bridge.NewLink{a, b, c}},
		{"skill", bridge.LinkFilter{ClientID: "pizza"}, []bridge.NewLink{a, c}},
		{"subject", bridge.LinkFilter{Subject: a.Link.Subject}, []bridge.NewLink{a, b}},
		{"subject and skill", bridge.LinkFilter{Subject: a.Link.Subject, ClientID: "lights"}, []bridge.NewLink{b}},
		{"e-mail in other case", bridge.LinkFilter{Email: "PERSON1@contoso.COM"}, []bridge.NewLink{a}},
		{"provider", bridge.LinkFilter{Provider: "other"}, []bridge.NewLink{b}},
		{"grant", bridge.LinkFilter{Grant: bridge.GrantImplicit}, []bridge.NewLink{a, c}},
		{"ids", bridge.LinkFilter{IDs: []string{c.Link.ID, a.Link.ID}}, []bridge.NewLink{a, c}},
		{"live", bridge.LinkFilter{Live: true}, []bridge.NewLink{a, b}},
		{"none", bridge.LinkFilter{Subject: "' OR '1'='1"}, nil},
	}
	for _, tt := range tests {
		got := s.links(tt.filter)
		if !slices.EqualFunc(got, tt.want, func(l bridge.Link, n bridge.NewLink) bool { return l.ID == n.Link.ID }) {
			s.Errorf("%s: got %v", tt.name, got)
		}
	}
}

func (s *suite) maxLinks() {
	var made []bridge.NewLink
	for i := range 4 {
		link := s.newLink()
		link.Link.Subject = onePerson
		link.Link.CreatedAt = s.now.Add(time.Duration(i) * time.Second)
		if i == 3 {
			link.MaxLinks = 2
		}
		made = append(made, s.link(link))
	}
	stranger := s.newLink()
	stranger.Link.Subject, stranger.Link.Issuer = onePerson, "https://elsewhere.example.com"
	s.link(stranger)

	for i, link := range made {
		if i < 2 {
			s.wantRevoked(link.Token, bridge.ReasonReplaced)
		} else {
			s.wantActive(link.Token, "a newer link was revoked")
		}
	}
	s.wantActive(stranger.Token, "a link of the same subject at another issuer was revoked")
}

func (s *suite) touchLinks() {
	made := s.link(s.newLink())
	touch := func(at time.Time, user bridge.Hash) bridge.Link {
		s.Helper()
		s.must(s.store.TouchLinks(s.Context(),
			[]bridge.Use{{LinkID: "lnk_unknown", At: at}, {LinkID: made.Link.ID, At: at, AlexaUser: user}}))
		return s.lookup(made.Token).Link
	}
	if got := touch(s.now, bridge.HashOf("user")); !got.LastUsedAt.Equal(s.now) || got.AlexaUser != bridge.HashOf("user") {
		s.Errorf("the first use: %+v", got)
	}
	if got := touch(s.now.Add(59*time.Minute), ""); !got.LastUsedAt.Equal(s.now) || got.AlexaUser == "" {
		s.Errorf("within the hour: %+v", got)
	}
	if got := touch(s.now.Add(time.Hour), ""); !got.LastUsedAt.Equal(s.now.Add(time.Hour)) {
		s.Errorf("after an hour: %+v", got)
	}
	if got := touch(s.now, ""); !got.LastUsedAt.Equal(s.now.Add(time.Hour)) {
		s.Errorf("an older use overwrote a newer: %+v", got)
	}
}
