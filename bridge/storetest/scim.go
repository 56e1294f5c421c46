package storetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"alexa-oidc-bridge/bridge"
)

// ending ends the links whose Account.Directory is the external id of a user.
func (s *suite) ending() bridge.Deprovisioning {
	provider := bridge.Provider{ID: "corp", Issuer: s.newLink().Link.Issuer}
	scim := bridge.SCIM{Attribute: bridge.SCIMExternalID, Claim: "oid"}
	return bridge.Deprovisioning{
		Links: func(user bridge.DirectoryUser) (bridge.LinkFilter, bool) { return scim.Links(provider, user) },

		Revocation: s.by(bridge.ReasonDeprovisioned),
	}
}

// newUser returns an active user of the directory "corp", with changes.
func (s *suite) newUser(changes ...func(*bridge.DirectoryUser)) bridge.DirectoryUser {
	s.count++
	return with(bridge.DirectoryUser{
		ID: bridge.NewDirectoryUserID(), Provider: "corp", UserName: fmt.Sprintf("Person%d@Contoso.com", s.count),
		ExternalID: fmt.Sprintf("id of %d", s.count), Active: true,
	}, changes...)
}

// user adds a user to a directory.
func (s *suite) user(changes ...func(*bridge.DirectoryUser)) bridge.DirectoryUser {
	s.Helper()
	user := s.newUser(changes...)
	update, err := s.store.CreateDirectoryUser(s.Context(), user, s.ending())
	s.must(err)
	return update.After
}

func (s *suite) update(user bridge.DirectoryUser, change bridge.DirectoryChange) bridge.DirectoryUpdate {
	s.Helper()
	update, err := s.store.UpdateDirectoryUser(s.Context(), user.Provider, user.ID, change, s.ending())
	s.must(err)
	return update
}

// users lists the first ten users that a filter selects, and verifies how many it selects.
func (s *suite) users(filter bridge.DirectoryFilter, total int) []bridge.DirectoryUser {
	s.Helper()
	page, err := s.store.DirectoryUsers(s.Context(), filter, 0, 10)
	s.must(err)
	if page.Total != total {
		s.Errorf("%+v selects %d users, want %d", filter, page.Total, total)
	}
	return page.Users
}

func inactive(user *bridge.DirectoryUser) { user.Active = false }

func calledExternally(id string) func(*bridge.DirectoryUser) {
	return func(user *bridge.DirectoryUser) { user.ExternalID = id }
}

// inDirectory is a change to a link: the directory calls the person by this name.
func inDirectory(name string) func(*bridge.NewLink) { return account(bridge.Account{Directory: name}) }

func (s *suite) directoryUsers() {
	first := s.user()
	s.now = s.now.Add(time.Second)
	second := s.user(inactive, calledExternally(""))
	elsewhere := s.user(func(user *bridge.DirectoryUser) { user.Provider, user.UserName = "other", first.UserName })
	of := func(change func(*bridge.DirectoryFilter)) bridge.DirectoryFilter {
		return with(bridge.DirectoryFilter{Provider: "corp"}, change)
	}
	for name, test := range map[string]struct {
		filter bridge.DirectoryFilter
		want   []bridge.DirectoryUser
	}{
		"all":          {bridge.DirectoryFilter{Provider: "corp"}, []bridge.DirectoryUser{first, second}},
		"another":      {bridge.DirectoryFilter{Provider: "other"}, []bridge.DirectoryUser{elsewhere}},
		"none":         {bridge.DirectoryFilter{Provider: "none"}, nil},
		"id":           {of(func(f *bridge.DirectoryFilter) { f.ID = second.ID }), []bridge.DirectoryUser{second}},
		"id elsewhere": {of(func(f *bridge.DirectoryFilter) { f.ID = elsewhere.ID }), nil},
		"user name": {of(func(f *bridge.DirectoryFilter) { f.UserName = strings.ToUpper(first.UserName) }),
			[]bridge.DirectoryUser{first}},
		"external id": {of(func(f *bridge.DirectoryFilter) { f.ExternalID = first.ExternalID }),
			[]bridge.DirectoryUser{first}},
		"another case": {of(func(f *bridge.DirectoryFilter) { f.ExternalID = strings.ToUpper(first.ExternalID) }), nil},
		"names of two": {of(func(f *bridge.DirectoryFilter) { f.ID, f.UserName = second.ID, first.UserName }), nil},
		"names of one": {of(func(f *bridge.DirectoryFilter) { f.ID, f.UserName = first.ID, first.UserName }),
			[]bridge.DirectoryUser{first}},
		"no such a one": {of(func(f *bridge.DirectoryFilter) { f.UserName = "nobody" }), nil},
	} {
		if got := s.users(test.filter, len(test.want)); !slices.Equal(got, test.want) {
			s.Errorf("%s: got %+v, want %+v", name, got, test.want)
		}
	}
	for offset, want := range map[int][]bridge.DirectoryUser{0: {first}, 1: {second}, 2: nil} {
		page, err := s.store.DirectoryUsers(s.Context(), bridge.DirectoryFilter{Provider: "corp"}, offset, 1)
		if err != nil || page.Total != 2 || !slices.Equal(page.Users, want) {
			s.Errorf("from %d: got %+v, %v, want %+v of 2", offset, page, err, want)
		}
	}
}

func (s *suite) changeDirectoryUsers() {
	ada, bob := s.user(), s.user()
	s.now = s.now.Add(time.Minute)
	if update := s.update(ada, bridge.DirectoryChange{Active: new(true)}); update.Before != ada || update.After != ada {
		s.Errorf("a change of nothing made %+v", update)
	}
	want := ada
	want.UserName, want.ExternalID, want.Active, want.ModifiedAt = strings.ToUpper(ada.UserName), "", false, s.now
	update := s.update(ada, bridge.DirectoryChange{UserName: &want.UserName, ExternalID: new(""), Active: new(false)})
	if update.Before != ada || update.After != want ||
		!slices.Equal(s.users(bridge.DirectoryFilter{Provider: "corp", ID: ada.ID}, 1), []bridge.DirectoryUser{want}) {
		s.Errorf("got %+v, want %+v", update, want)
	}

	taken := bridge.DirectoryChange{UserName: new(strings.ToLower(bob.UserName)), Active: new(true)}
	s.wantError(errOf(s.store.UpdateDirectoryUser(s.Context(), "corp", ada.ID, taken, s.ending())), bridge.ErrUserExists)
	same := s.newUser(func(user *bridge.DirectoryUser) { user.UserName = *taken.UserName })
	s.wantError(errOf(s.store.CreateDirectoryUser(s.Context(), same, s.ending())), bridge.ErrUserExists)
	s.wantError(errOf(s.store.UpdateDirectoryUser(s.Context(), "other", ada.ID, taken, s.ending())), bridge.ErrNotFound)
	s.wantError(errOf(s.store.DeleteDirectoryUser(s.Context(), "other", ada.ID, s.ending())), bridge.ErrNotFound)
	if got := s.users(bridge.DirectoryFilter{Provider: "corp"}, 2); !slices.Equal(got,
		[]bridge.DirectoryUser{want, bob}) &&
		!slices.Equal(got, []bridge.DirectoryUser{bob, want}) {
		s.Errorf("after errors: %+v", got)
	}
	if deleted, err := s.store.DeleteDirectoryUser(s.Context(), "corp", ada.ID, s.ending()); err != nil ||
		deleted.Before != want {
		s.Errorf("deleted %+v, %v", deleted, err)
	}
	s.wantError(errOf(s.store.DeleteDirectoryUser(s.Context(), "corp", ada.ID, s.ending())), bridge.ErrNotFound)
	s.users(bridge.DirectoryFilter{Provider: "corp"}, 1)
	s.user(func(user *bridge.DirectoryUser) { user.UserName = ada.UserName }) // is free again
}

// deprovision has each way in which a directory says that an account ended, and those that do not say it.
func (s *suite) deprovision() {
	for name, test := range map[string]struct {
		change func(bridge.DirectoryUser) (bridge.DirectoryUpdate, error)
		ends   bool
	}{
		"deactivated": {s.changing(bridge.DirectoryChange{Active: new(false)}), true},
		"deleted": {func(user bridge.DirectoryUser) (bridge.DirectoryUpdate, error) {
			return s.store.DeleteDirectoryUser(s.Context(), "corp", user.ID, s.ending())
		}, true},
		"renamed at once": {s.changing(bridge.DirectoryChange{ExternalID: new("another"), Active: new(false)}), true},
		"renamed":         {s.changing(bridge.DirectoryChange{UserName: new("another")}), false},
		"active still":    {s.changing(bridge.DirectoryChange{Active: new(true)}), false},
	} {
		user := s.user()
		one, more := s.link(ofOnePerson, inDirectory(user.ExternalID)),
			s.link(ofOnePerson, inDirectory(user.ExternalID), withLightsSkill)
		other, elsewhere := s.link(inDirectory("somebody else")), s.link(inDirectory(user.ExternalID), elsewhere)
		update, err := test.change(user)
		s.must(err)
		if test.ends {
			s.wantRevoked(one.Token, bridge.ReasonDeprovisioned)
			s.wantRevoked(more.Token, bridge.ReasonDeprovisioned)
			s.wantSignIn(name, bridge.ErrSignInRevoked, s.signIn(0, inDirectory(user.ExternalID)))
		} else {
			s.wantActive(name+" ended a link", one.Token, more.Token)
			s.wantSignIn(name, nil, s.signIn(0, inDirectory(user.ExternalID)))
		}
		if len(update.Revoked) != map[bool]int{true: 2}[test.ends] || update.Ambiguous {
			s.Errorf("%s: %+v", name, update)
		}
		s.wantActive(name+" ended a link of somebody else", other.Token, elsewhere.Token)
	}
}

func (s *suite) changing(change bridge.DirectoryChange) func(bridge.DirectoryUser) (bridge.DirectoryUpdate, error) {
	return func(user bridge.DirectoryUser) (bridge.DirectoryUpdate, error) {
		return s.store.UpdateDirectoryUser(s.Context(), user.Provider, user.ID, change, s.ending())
	}
}

func withLightsSkill(n *bridge.NewLink) { n.Link.ClientID = "lights" }

// deprovisionInactive has users that are not active to begin with, and one that no name leads to links of.
func (s *suite) deprovisionInactive() {
	link := s.link(inDirectory("id 1"))
	s.user(inactive, calledExternally("")) // must not be everybody
	s.user(inactive, calledExternally("id 2"))
	s.wantActive("a user ended a link of somebody else", link.Token)
	user := s.user(inactive, calledExternally("id 1"))
	s.wantRevoked(link.Token, bridge.ReasonDeprovisioned)

	s.now = s.now.Add(time.Second)
	s.update(user, bridge.DirectoryChange{Active: new(true)})
	if s.lookup(link.Token).Active(s.now) {
		s.Error("a user who is active again got their link back")
	}
	again := s.link(inDirectory("id 1"))
	s.wantActive("no new link", again.Token)
	s.update(user, bridge.DirectoryChange{Active: new(false)})
	s.wantRevoked(again.Token, bridge.ReasonDeprovisioned)
	s.now = s.now.Add(time.Second)
	last := s.link(inDirectory("id 1"))
	if update := s.update(user, bridge.DirectoryChange{Active: new(false)}); len(update.Revoked) != 1 { // told again
		s.Errorf("revoked %+v", update.Revoked)
	}
	s.wantRevoked(last.Token, bridge.ReasonDeprovisioned)
}

func (s *suite) deprovisionAmbiguous() {
	user := s.user(calledExternally("team"))
	ada, bob := s.link(inDirectory("team")), s.link(inDirectory("team"))
	update := s.update(user, bridge.DirectoryChange{Active: new(false)})
	if !update.Ambiguous || len(update.Revoked) != 0 || update.After.Active {
		s.Errorf("several persons: %+v", update)
	}
	s.wantActive("a link of several persons was revoked", ada.Token, bob.Token)
	s.wantSignIn("after an ambiguous one", nil, s.signIn(0, inDirectory("team")))
	if got := s.users(bridge.DirectoryFilter{Provider: "corp", ID: user.ID}, 1); got[0].Active {
		s.Error("the user is still active")
	}
	s.mustRevoke(bob.Link.ID)
	deleted, err := s.store.DeleteDirectoryUser(s.Context(), "corp", user.ID, s.ending())
	s.must(err)
	if !deleted.Ambiguous { // the link made by the sign-in above is of a third person
		s.Errorf("deleted: %+v", deleted)
	}
	s.users(bridge.DirectoryFilter{Provider: "corp"}, 0)
}

func (s *suite) concurrentDirectoryUsers() {
	users := make([]bridge.DirectoryUser, 8)
	for i := range users {
		users[i] = s.newUser(func(user *bridge.DirectoryUser) { user.UserName = []string{"ada", "Ada", "ADA"}[i%3] })
	}
	ending := s.ending()
	first := s.wantOne(concurrently(len(users), func(i int) error {
		return errOf(s.store.CreateDirectoryUser(s.Context(), users[i], ending))
	}))
	user := users[first]
	link := s.link(inDirectory(user.ExternalID))
	for _, err := range concurrently(8, func(i int) error {
		change := bridge.DirectoryChange{Active: new(i%2 == 0)}
		return errOf(s.store.UpdateDirectoryUser(s.Context(), "corp", user.ID, change, ending))
	}) {
		s.must(err)
	}
	s.wantRevoked(link.Token, bridge.ReasonDeprovisioned)
	s.wantOne(concurrently(8, func(int) error {
		return errOf(s.store.DeleteDirectoryUser(s.Context(), "corp", user.ID, ending))
	}))
	s.users(bridge.DirectoryFilter{Provider: "corp"}, 0)
}
