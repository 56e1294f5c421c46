package storetest

import (
	"errors"
	"slices"
	"time"

	"alexa-oidc-bridge/bridge"
)

// filterTimes verifies filters by when a link was made and last used.
func (s *suite) filterTimes() {
	begin := s.now
	made := func(after time.Duration) bridge.NewLink {
		s.now = begin.Add(after)
		return s.link()
	}
	old, used, young := made(0), made(time.Hour), made(3*time.Hour)
	s.now = begin
	s.must(s.store.TouchLinks(s.Context(), []bridge.Use{{LinkID: used.Link.ID, At: s.now.Add(2 * time.Hour)}}))
	at := func(hours int, plus time.Duration) time.Time { return s.now.Add(time.Duration(hours)*time.Hour + plus) }
	created := func(at time.Time) bridge.LinkFilter { return bridge.LinkFilter{CreatedBefore: at} }
	unused := func(at time.Time) bridge.LinkFilter { return bridge.LinkFilter{UnusedSince: at} }
	s.wantLinks("made at that time", created(at(0, 0)))
	s.wantLinks("made before", created(at(0, time.Second)), old)
	s.wantLinks("made before the youngest", created(at(3, 999*time.Millisecond)), old, used)
	s.wantLinks("all are old", created(at(3, time.Second)), old, used, young)
	s.wantLinks("never used, but made at that time", unused(at(0, 0)))
	s.wantLinks("never used", unused(at(0, time.Second)), old)
	s.wantLinks("used at that time", unused(at(2, 0)), old)
	s.wantLinks("used before", unused(at(2, time.Second)), old, used)
	s.wantLinks("all are unused", unused(at(3, time.Second)), old, used, young)
}

// pages reads links in pages, in the order of one answer, and of links of one second, too.
func (s *suite) pages() {
	for i := range 7 {
		s.link(func(n *bridge.NewLink) { n.Link.CreatedAt = s.now.Add(time.Duration(i/3) * time.Second) })
	}
	want := s.links(bridge.LinkFilter{})
	for _, limit := range []int{1, 3, 7, 8} {
		var got []bridge.Link
		filter := bridge.LinkFilter{ClientID: "pizza", Limit: limit}
		for {
			page := s.links(filter)
			if len(page) > limit || len(got) > len(want) {
				s.Fatalf("limit %d: %d links, after %d", limit, len(page), len(got))
			}
			if len(page) == 0 {
				break
			}
			got = append(got, page...)
			filter.After = page[len(page)-1].Cursor()
		}
		if !slices.EqualFunc(got, want, func(a, b bridge.Link) bool { return a.ID == b.ID }) {
			s.Errorf("limit %d: %d links in another order", limit, len(got))
		}
	}
	for _, cursor := range []string{"x", "!", want[0].ID, want[0].Cursor() + "A"} {
		filter := bridge.LinkFilter{After: cursor}
		_, errRevoke := s.store.Revoke(s.Context(), filter, s.by(bridge.ReasonOperator))
		_, errForget := s.store.Forget(s.Context(), filter, s.by(bridge.ReasonOperator))
		_, errLinks := s.store.Links(s.Context(), filter)
		for _, err := range []error{errLinks, errRevoke, errForget} {
			s.wantError(err, bridge.ErrCursor)
		}
	}
	rest := bridge.LinkFilter{After: want[4].Cursor()}
	if revoked, err := s.store.Revoke(s.Context(), rest, s.by(bridge.ReasonOperator)); err != nil || len(revoked) != 2 {
		s.Errorf("revoked after a link: %v, %v; want 2", revoked, err)
	}
}

// endSome revokes and erases links, some at a time, the oldest first.
func (s *suite) endSome() {
	var ids []string
	for i := range 5 {
		made := s.link(func(n *bridge.NewLink) { n.Link.CreatedAt = s.now.Add(time.Duration(i) * time.Second) })
		ids = append(ids, made.Link.ID)
	}
	s.mustRevoke(ids[1])
	revoke := func(filter bridge.LinkFilter) ([]bridge.Link, error) {
		return s.store.Revoke(s.Context(), filter, s.by(bridge.ReasonOperator))
	}
	forget := func(filter bridge.LinkFilter) ([]bridge.Link, error) {
		return s.store.Forget(s.Context(), filter, s.by(bridge.ReasonOperator))
	}
	s.wantEndedInPages("revoked", revoke, [][]string{{ids[0], ids[2]}, {ids[3], ids[4]}, nil})
	s.verifyFeed()
	s.wantEndedInPages("erased", forget, [][]string{ids[:2], ids[2:4], ids[4:], nil})

	some := bridge.LinkFilter{Subject: onePerson, Limit: 1}
	s.must(errOf(revoke(some))) // of nobody
	s.wantSignIn("revoked by subject, with a limit", bridge.ErrSignInRevoked, s.signIn(0))
	s.link()
	for name, err := range map[string]error{
		"OnePerson": errOf(revoke(bridge.LinkFilter{Limit: 1, OnePerson: true})),
		"Recheck":   errOf(s.store.Revoke(s.Context(), bridge.LinkFilter{Limit: 1}, bridge.Revocation{Recheck: true})),
		"Token":     errOf(s.store.Revoke(s.Context(), bridge.LinkFilter{Limit: 1}, bridge.Revocation{Token: "a token"})),
	} {
		if err == nil {
			s.Errorf("a limit and %s", name)
		}
	}
}

// wantEndedInPages ends links two at a time, and verifies which each call returns.
func (s *suite) wantEndedInPages(what string, end func(bridge.LinkFilter) ([]bridge.Link, error), want [][]string) {
	s.Helper()
	filter := bridge.LinkFilter{ClientID: "pizza", Limit: 2}
	for i, want := range want {
		links, err := end(filter)
		s.must(err)
		var ids []string
		for _, link := range links {
			ids = append(ids, link.ID)
			if !link.Revoked() {
				s.Errorf("%s: a live link was returned: %+v", what, link)
			}
			filter.After = link.Cursor()
		}
		if !slices.Equal(ids, want) {
			s.Errorf("%s: page %d has %v, want %v", what, i, ids, want)
		}
	}
}

// endMany revokes and erases more links than a transaction takes, by several at once.
func (s *suite) endMany() {
	const n = 250
	for range n {
		s.link()
	}
	wantAll := func(what string, end func() ([]bridge.Link, error)) {
		s.Helper()
		ended := make([]int, 3)
		s.must(errors.Join(concurrently(len(ended), func(i int) error {
			for {
				links, err := end()
				if err != nil || len(links) == 0 {
					return err
				}
				ended[i] += len(links)
			}
		})...))
		if sum := ended[0] + ended[1] + ended[2]; sum != n {
			s.Errorf("%s: %v of %d links", what, ended, n)
		}
	}
	wantAll("revoked", func() ([]bridge.Link, error) {
		return s.store.Revoke(s.Context(), bridge.LinkFilter{Limit: 1000}, s.by(bridge.ReasonOperator))
	})
	s.wantLinks("revoked", bridge.LinkFilter{Live: true})
	s.verifyFeed()
	wantAll("erased", func() ([]bridge.Link, error) {
		return s.store.Forget(s.Context(), bridge.LinkFilter{Limit: 1000}, s.by(bridge.ReasonOperator))
	})
	s.wantLinks("erased", bridge.LinkFilter{})
}
