package storetest

import (
	"errors"
	"fmt"
	"time"

	"alexa-oidc-bridge/bridge"
)

// alexaUser is who uses links of the skill pizza.
var alexaUser = bridge.AlexaUserHash("pizza", "amzn1.ask.account.ADA")

// newTie returns a tie of a link to alexaUser, by an event that was made some time after now and comes now, with
// changes.
func (s *suite) newTie(made bridge.NewLink, after time.Duration, changes ...func(*bridge.AlexaTie)) bridge.AlexaTie {
	s.count++
	return with(bridge.AlexaTie{
		Token: made.Token, ClientID: made.Link.ClientID, AlexaUser: alexaUser, At: s.now.Add(after), Now: s.now,
		Event: bridge.HashOf(fmt.Sprint("event ", s.count)), EventExpiresAt: s.now.Add(2 * time.Hour), Origin: origin,
	}, changes...)
}

// otherUser is a change to a tie: it is to another Alexa user.
func otherUser(tie *bridge.AlexaTie) { tie.AlexaUser = "another user" }

func (s *suite) mustTie(made bridge.NewLink, after time.Duration, changes ...func(*bridge.AlexaTie)) bridge.Link {
	s.Helper()
	link, err := s.store.TieAlexaUser(s.Context(), s.newTie(made, after, changes...))
	s.must(err)
	return link
}

// use uses a link as alexaUser some time after now.
func (s *suite) use(made bridge.NewLink, after time.Duration) {
	s.Helper()
	use := bridge.Use{LinkID: made.Link.ID, At: s.now.Add(after), AlexaUser: alexaUser}
	s.must(s.store.TouchLinks(s.Context(), []bridge.Use{use}))
}

// disable revokes the links that were tied to alexaUser some time after now, or before.
func (s *suite) disable(after time.Duration) []bridge.Link {
	s.Helper()
	filter := bridge.LinkFilter{ClientID: "pizza", AlexaUser: alexaUser, TiedUntil: s.now.Add(after)}
	links, err := s.store.Revoke(s.Context(), filter, bridge.Revocation{
		Reason: bridge.ReasonSkillDisabled, Actor: bridge.ActorAlexa, At: s.now, Origin: origin})
	s.must(err)
	return links
}

// wantTied verifies to whom a link is tied and since how long after now, by the link and by filters.
func (s *suite) wantTied(what string, made bridge.NewLink, user bridge.Hash, after time.Duration) {
	s.Helper()
	at := s.now.Add(after)
	if link := s.lookup(made.Token).Link; link.AlexaUser != user || !link.TiedAt.Equal(at) || link.Revoked() {
		s.Errorf("%s: tied to %.8s at %v, want %.8s at %v: %+v", what, link.AlexaUser, link.TiedAt, user, at, link)
	}
	one := func(filter bridge.LinkFilter) bridge.LinkFilter { filter.IDs = []string{made.Link.ID}; return filter }
	s.wantLinks(what, one(bridge.LinkFilter{AlexaUser: user, TiedUntil: at}), made)
	s.wantLinks(what+", before", one(bridge.LinkFilter{AlexaUser: user, TiedUntil: at.Add(-time.Second)}))
	s.wantLinks(what+", another user", one(bridge.LinkFilter{AlexaUser: user + "x"}))
}

func (s *suite) ties() {
	made := s.link()
	s.wantLinks("before", bridge.LinkFilter{TiedUntil: s.now.Add(time.Hour)})
	link := s.mustTie(made, 10*time.Second)
	if link.ID != made.Link.ID || link.AlexaUser != alexaUser || !link.TiedAt.Equal(s.now.Add(10*time.Second)) {
		s.Errorf("tied: %+v", link)
	}
	s.wantTied("by an event", made, alexaUser, 10*time.Second)
	for _, tt := range []struct {
		name  string
		after time.Duration
		want  time.Duration
	}{{"later", time.Minute, 10 * time.Second}, {"earlier", 5 * time.Second, 5 * time.Second}} {
		s.mustTie(made, tt.after)
		s.wantTied(tt.name, made, alexaUser, tt.want)
		s.use(made, tt.after-time.Second)
		s.wantTied("used "+tt.name, made, alexaUser, min(tt.want, tt.after-time.Second))
	}
	s.mustTie(made, 3*time.Second, otherUser)
	s.wantTied("another user before", made, alexaUser, 4*time.Second)
	s.mustTie(made, 20*time.Second, otherUser)
	s.wantTied("another user since", made, "another user", 20*time.Second)
	s.use(made, 19*time.Second)
	s.wantTied("used before that", made, "another user", 20*time.Second)
	s.must(s.store.TouchLinks(s.Context(), []bridge.Use{{LinkID: made.Link.ID, At: s.now.Add(time.Hour),
		AlexaUser: alexaUser, TiedAt: s.now.Add(time.Minute)}}))
	s.wantTied("used since that", made, alexaUser, time.Minute)
	s.verifyFeed()
}

// tieErrors verifies what is not tied. A tie that failed may come again, one that succeeded may not.
func (s *suite) tieErrors() {
	made, revoked, otherSkill := s.link(), s.link(), s.link(func(n *bridge.NewLink) { n.Link.ClientID = "lights" })
	s.mustRevoke(revoked.Link.ID)
	skill := &bridge.Skill{ClientID: "pizza", Provider: "corp", Grants: []bridge.Grant{bridge.GrantImplicit}}
	test, _ := bridge.NewTestLink(skill, "test-ada", nil, "command:ada@host", s.now, time.Hour)
	s.must(s.store.Mint(s.Context(), test))
	redemption, _ := s.mustRedeem()
	expired := s.link(expiring)
	for name, tt := range map[string]struct {
		link bridge.NewLink
		want error
	}{
		"an unknown token": {bridge.NewLink{Token: bridge.HashOf("unknown"), Link: made.Link}, bridge.ErrNotFound},
		"a refresh token":  {bridge.NewLink{Token: redemption.Tokens.Refresh, Link: made.Link}, bridge.ErrNotFound},
		"a test link":      {test, bridge.ErrNotFound},
		"another skill":    {bridge.NewLink{Token: otherSkill.Token, Link: made.Link}, bridge.ErrMismatch},
		"a revoked link":   {revoked, bridge.ErrRevoked},
	} {
		tie := s.newTie(tt.link, 0)
		for range 2 {
			if link, err := s.store.TieAlexaUser(s.Context(), tie); !errors.Is(err, tt.want) || link.ID != "" {
				s.Errorf("%s: %+v, %v; want %v", name, link, err, tt.want)
			}
		}
		tie.Token = made.Token
		s.must(errOf(s.store.TieAlexaUser(s.Context(), tie)))
		s.wantError(errOf(s.store.TieAlexaUser(s.Context(), tie)), bridge.ErrTokenUsed)
	}
	s.now = s.now.Add(2 * time.Hour)
	s.mustTie(expired, 0)
	tie := s.newTie(made, 0, otherUser)
	tie.Event = s.newTie(made, 0).Event
	s.must(errOf(s.store.TieAlexaUser(s.Context(), tie)))
	tie.AlexaUser = alexaUser
	s.wantError(errOf(s.store.TieAlexaUser(s.Context(), tie)), bridge.ErrTokenUsed)
	s.wantTied("a repeated event", made, "another user", 0)

	s.use(revoked, 0)
	s.use(test, 0)
	s.wantLinks("of a revoked and a test link", bridge.LinkFilter{AlexaUser: alexaUser}, expired)
}

// disableSkill revokes what was tied to an Alexa user up to a time, and nothing else.
func (s *suite) disableSkill() {
	before, then, later, others, untied := s.link(), s.link(), s.link(), s.link(), s.link()
	s.tick()
	s.mustTie(before, -time.Hour)
	s.use(then, time.Minute)
	s.mustTie(later, time.Minute+time.Second)
	s.mustTie(others, 0, otherUser)
	position := s.position()
	revoked := s.disable(time.Minute)
	if len(revoked) != 2 || !revoked[0].Revoked() || revoked[0].Actor != bridge.ActorAlexa {
		s.Errorf("revoked %+v", revoked)
	}
	s.wantRevoked(before.Token, bridge.ReasonSkillDisabled)
	s.wantRevoked(then.Token, bridge.ReasonSkillDisabled)
	s.wantActive("another link was revoked", later.Token, others.Token, untied.Token)
	s.wantRecords("disabled", bridge.AuditFilter{LinkID: before.Link.ID, Event: bridge.AuditRevoked},
		withOrigin(s.recordOf(before.Link, bridge.AuditRevoked, bridge.ReasonSkillDisabled, bridge.ActorAlexa)))
	_, events := s.readFeed(position, false)
	if len(events) != 2 || events[0].Reason != bridge.ReasonSkillDisabled || events[0].Actor != bridge.ActorAlexa {
		s.Errorf("the feed has %+v", events)
	}
	if again := s.disable(time.Minute); len(again) != 0 {
		s.Errorf("revoked again: %+v", again)
	}
}

// disableBefore disables a skill before what was earlier is known, by events and uses.
func (s *suite) disableBefore() {
	s.disable(-time.Minute)
	s.disable(-time.Hour) // an older one that comes later
	s.tick()
	for name, tie := range map[string]func(bridge.NewLink, time.Duration){
		"a tie": func(made bridge.NewLink, after time.Duration) {
			link := s.mustTie(made, after)
			if link.Revoked() != (after <= -61*time.Second) {
				s.Errorf("TieAlexaUser returned %+v", link)
			}
		},
		"a use": s.use,
	} {
		for _, after := range []time.Duration{-2 * time.Hour, -61 * time.Second} { // a second has passed
			made := s.link(from, func(n *bridge.NewLink) { n.Link.CreatedAt = s.now.Add(-time.Minute) })
			linked := withOrigin(s.recordOf(made.Link, bridge.AuditLinked, "", bridge.ActorPerson))
			linked.At = made.Link.CreatedAt
			tie(made, after)
			s.wantRevoked(made.Token, bridge.ReasonSkillDisabled)
			link := s.lookup(made.Token).Link
			if link.Actor != bridge.ActorAlexa || link.RevokedAt.Before(s.now.Add(-time.Second)) {
				s.Errorf("%s: revoked %+v", name, link)
			}
			ended := s.recordOf(made.Link, bridge.AuditRevoked, bridge.ReasonSkillDisabled, bridge.ActorAlexa)
			if name == "a tie" {
				ended = withOrigin(ended)
			} else {
				ended.At = s.now.Add(-time.Second) // when it was learned that the skill was disabled
			}
			s.wantRecords(name, bridge.AuditFilter{LinkID: made.Link.ID}, linked, ended)
		}
		later, other := s.link(), s.link()
		tie(later, -60*time.Second)
		s.mustTie(other, -2*time.Hour, otherUser)
		s.wantActive(name+" later, or by another user, revoked a link", later.Token, other.Token)
	}
}

// sweepDisabled sweeps what no late event can be older than.
func (s *suite) sweepDisabled() {
	s.disable(0)
	s.wantSweep(s.now.Add(bridge.DisabledMemory-time.Second), 100, 0)
	s.wantSweep(s.now.Add(bridge.DisabledMemory), 100, 1)
	made := s.link()
	s.mustTie(made, 0)
	s.wantActive("a forgotten event revoked a link", made.Token)
	s.must(errOf(s.store.Revoke(s.Context(), bridge.LinkFilter{AlexaUser: alexaUser}, s.by(bridge.ReasonOperator))))
	s.wantRevoked(made.Token, bridge.ReasonOperator)
	s.wantSweep(s.now.Add(2*time.Hour), 100, 2) // the consent and the event; without a time, nothing is remembered
}

// forgetTie erases a link with its tie, and its token with it.
func (s *suite) forgetTie() {
	made := s.link()
	s.mustTie(made, 0)
	s.wantForgotten(bridge.LinkFilter{AlexaUser: alexaUser}, []string{made.Link.ID}, []string{made.Link.ID})
	s.wantLinks("forgotten", bridge.LinkFilter{AlexaUser: alexaUser})
	s.wantError(errOf(s.store.TieAlexaUser(s.Context(), s.newTie(made, 0))), bridge.ErrNotFound)
	s.use(made, 0)
}

// concurrentTies races ties and uses with the event that the skill is disabled. Whichever is first, no link stays.
func (s *suite) concurrentTies() {
	links := make([]bridge.NewLink, 12)
	for i := range links {
		links[i] = s.link()
	}
	s.must(errors.Join(concurrently(len(links)+1, func(i int) error {
		if i == len(links)/2 {
			filter := bridge.LinkFilter{ClientID: "pizza", AlexaUser: alexaUser, TiedUntil: s.now}
			return errOf(s.store.Revoke(s.Context(), filter, s.by(bridge.ReasonSkillDisabled)))
		}
		made := links[min(i, len(links)-1)]
		if i%2 == 0 {
			return s.store.TouchLinks(s.Context(), []bridge.Use{
				{LinkID: made.Link.ID, At: s.now, AlexaUser: alexaUser},
				{LinkID: links[0].Link.ID, At: s.now, AlexaUser: alexaUser}})
		}
		tie := bridge.AlexaTie{Token: made.Token, ClientID: "pizza", AlexaUser: alexaUser, At: s.now, Now: s.now,
			Event: bridge.HashOf(fmt.Sprint("concurrent ", i)), EventExpiresAt: s.now.Add(time.Hour)}
		err := errOf(s.store.TieAlexaUser(s.Context(), tie))
		if errors.Is(err, bridge.ErrRevoked) { // by another call
			return nil
		}
		return err
	})...))
	for i, made := range links {
		if link := s.lookup(made.Token).Link; link.AlexaUser != "" && !link.Revoked() {
			s.Errorf("link %d is live: %+v", i, link)
		}
	}
	s.verifyFeed()
}

// tieWhileDisabled lets one tie meet the event that the skill is disabled, for many users.
func (s *suite) tieWhileDisabled() {
	for i := range 30 {
		user, made := bridge.HashOf(fmt.Sprint("user ", i)), s.link()
		tie := s.newTie(made, 0, func(t *bridge.AlexaTie) { t.AlexaUser = user })
		filter := bridge.LinkFilter{ClientID: "pizza", AlexaUser: user, TiedUntil: s.now}
		s.must(errors.Join(concurrently(2, func(i int) error {
			if i == 0 {
				return errOf(s.store.TieAlexaUser(s.Context(), tie))
			}
			return errOf(s.store.Revoke(s.Context(), filter, s.by(bridge.ReasonSkillDisabled)))
		})...))
		s.wantRevoked(made.Token, bridge.ReasonSkillDisabled)
	}
}
