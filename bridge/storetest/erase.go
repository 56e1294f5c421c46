package storetest

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"alexa-oidc-bridge/bridge"
)

// wantPending verifies which pending consents are kept.
func (s *suite) wantPending(problem string, want bool, handles ...bridge.Hash) {
	s.Helper()
	for i, handle := range handles {
		_, err := s.store.PendingConsent(s.Context(), handle, s.now)
		if kept := err == nil; kept != want {
			s.Errorf("%s: consent %d: %v", problem, i, err)
		}
	}
}

// manyPendingConsents lets one person sign in often. Decided consents, others' and nobody's are not counted.
func (s *suite) manyPendingConsents() {
	decided, other := s.createPending("a person"), s.createPending("another person")
	s.must(s.store.Decide(s.Context(), decided, bridge.DecisionCancel, s.now))
	var handles, nobodys []bridge.Hash
	for range bridge.MaxPendingConsents + 3 {
		s.now = s.now.Add(time.Second)
		handles = append(handles, s.createPending("a person"))
		nobodys = append(nobodys, s.createPending())
	}
	s.wantPending("too old", false, handles[:3]...)
	s.wantPending("the newest", true, handles[3:]...)
	s.wantPending("not counted", true, append(nobodys, decided, other)...)
	s.must(s.store.CreatePendingConsent(s.Context(), // which is stored already
		bridge.PendingConsent{Handle: handles[3], Person: "a person", ExpiresAt: s.now.Add(time.Hour)}))
	s.wantPending("after one was stored again", true, handles[3:]...)
}

func (s *suite) concurrentPendingConsents() {
	handles := make([]bridge.Hash, 40)
	s.must(errors.Join(concurrently(len(handles), func(i int) error {
		handles[i] = bridge.HashOf(fmt.Sprint("concurrent ", i))
		return s.store.CreatePendingConsent(s.Context(), bridge.PendingConsent{Handle: handles[i], Person: "a person",
			ExpiresAt: s.now.Add(time.Duration(i) * time.Second).Add(time.Minute)})
	})...))
	kept := 0
	for _, handle := range handles {
		if _, err := s.store.PendingConsent(s.Context(), handle, s.now); err == nil {
			kept++
		}
	}
	if kept != bridge.MaxPendingConsents {
		s.Errorf("%d pending consents of one person", kept)
	}
}

// wantErased verifies that links and all their tokens and codes are unknown to every method.
func (s *suite) wantErased(links []string, tokens ...bridge.Hash) {
	s.Helper()
	if found := s.links(bridge.LinkFilter{IDs: links}); len(found) != 0 {
		s.Errorf("not erased: %+v", found)
	}
	s.wantUnknown(tokens...)
	for _, token := range tokens {
		s.wantError(s.refresh(token), bridge.ErrNotFound)
		s.wantError(s.refresh(token, stable), bridge.ErrNotFound)
		s.wantError(errOf(s.store.RevokeByToken(s.Context(), token, []string{"pizza"}, s.by(bridge.ReasonClient))),
			bridge.ErrNotFound)
		s.wantError(s.redeem(bridge.Redemption{Code: token, ClientID: "pizza", Now: s.now, Permits: honourAll}),
			bridge.ErrNotFound)
	}
	s.must(s.store.TouchLinks(s.Context(), []bridge.Use{{LinkID: links[0], At: s.now, AlexaUser: "user"}}))
}

// wantForgotten forgets links, and verifies which, and that only those that were live get an event.
func (s *suite) wantForgotten(filter bridge.LinkFilter, want, events []string) []bridge.Link {
	s.Helper()
	position := s.position()
	forgotten, err := s.store.Forget(s.Context(), filter, s.by(bridge.ReasonOperator))
	s.must(err)
	var ids []string
	for _, link := range forgotten {
		ids = append(ids, link.ID)
	}
	if !slices.Equal(ids, want) {
		s.Errorf("forgot %v, want %v", ids, want)
	}
	s.wantEvents("after Forget", position, events...)
	return forgotten
}

func (s *suite) forget() {
	implicit, other := s.link(), s.link()
	redemption, grant := s.mustRedeem()
	child := s.mustRefresh(redemption.Tokens.Refresh)
	s.mustRevoke(grant.ID)
	unredeemed := s.link(withCode, func(n *bridge.NewLink) { n.Link.CreatedAt = s.now.Add(time.Second) })
	s.wantForgotten(bridge.LinkFilter{IDs: []string{"lnk_unknown"}}, nil, nil)

	s.now = s.now.Add(time.Minute)
	want := implicit.Link
	want.RevokedAt, want.Reason, want.Actor = s.now, bridge.ReasonOperator, actorOf(bridge.ReasonOperator)
	forgotten := s.wantForgotten(bridge.LinkFilter{Subject: want.Subject}, []string{want.ID}, []string{want.ID})
	if !reflect.DeepEqual(forgotten, []bridge.Link{want}) {
		s.Errorf("forgot %+v, want %+v", forgotten, want)
	}
	s.wantErased([]string{want.ID}, implicit.Token)
	s.wantActive("another link was erased", other.Token)

	s.wantForgotten(bridge.LinkFilter{Subject: onePerson}, []string{grant.ID, unredeemed.Link.ID},
		[]string{unredeemed.Link.ID})
	s.wantErased([]string{grant.ID, unredeemed.Link.ID}, redemption.Code, redemption.Tokens.Access,
		redemption.Tokens.Refresh, child.Access, child.Refresh, unredeemed.Code.Hash)
	s.wantForgotten(bridge.LinkFilter{IDs: []string{want.ID, grant.ID}}, nil, nil) // again
	s.wantActive("another link was erased", other.Token)
}

func (s *suite) forgetMany() {
	const n = 250
	var ids []string
	for range n {
		ids = append(ids, s.link(ofOnePerson).Link.ID)
	}
	slices.Sort(ids)
	s.must(errOf(s.store.Revoke(s.Context(), bridge.LinkFilter{IDs: ids[:n/2]}, s.by(bridge.ReasonOperator))))
	forgotten, err := s.store.Forget(s.Context(), bridge.LinkFilter{Subject: onePerson, Live: true},
		s.by(bridge.ReasonOperator))
	if err != nil || len(forgotten) != n/2 {
		s.Errorf("forgot %d live links, %v", len(forgotten), err)
	}
	s.wantErased(ids[n/2:])
	if left := s.links(bridge.LinkFilter{}); len(left) != n/2 {
		s.Errorf("%d links are left, want %d", len(left), n/2)
	}
}

// concurrentForget races refreshes with Forget. Whichever is first, nothing remains.
func (s *suite) concurrentForget() {
	for i := range 10 {
		redemption, link := s.mustRedeem()
		refreshes := make([]bridge.Refresh, 4)
		for i := range refreshes {
			refreshes[i] = s.newRefresh(redemption.Tokens.Refresh)
		}
		if i%2 == 0 {
			stable(&refreshes[0])
		}
		errs := concurrently(len(refreshes)+1, func(i int) error {
			if i == len(refreshes) {
				return errOf(s.store.Forget(s.Context(), bridge.LinkFilter{IDs: []string{link.ID}}, s.by(bridge.ReasonOperator)))
			}
			return errOf(s.store.Refresh(s.Context(), refreshes[i]))
		})
		s.must(errs[len(refreshes)])
		for i, refresh := range refreshes {
			if errs[i] != nil {
				s.wantError(errs[i], bridge.ErrNotFound)
			}
			s.wantErased([]string{link.ID}, refresh.Tokens.Access, redemption.Tokens.Refresh)
		}
	}
}

func (s *suite) sweepEnded() {
	const retention = 48 * time.Hour
	live := s.link()
	redemption, grant := s.mustRedeem()
	s.mustRefresh(redemption.Tokens.Refresh)
	s.mustRevoke(grant.ID)
	implicit := s.link()
	s.mustRevoke(implicit.Link.ID)
	for range 98 {
		s.revokedLink()
	}
	ended := s.now
	sweep := func(now time.Time, retention time.Duration, limit int) {
		s.Helper()
		s.must(errOf(s.store.Sweep(s.Context(), bridge.Sweep{Now: now, Limit: limit, EndedRetention: retention})))
	}
	left := func(want int) {
		s.Helper()
		if links := s.links(bridge.LinkFilter{}); len(links) != want {
			s.Fatalf("%d links are left, want %d", len(links), want)
		}
	}
	sweep(ended.Add(1000*time.Hour), 0, 100)
	sweep(ended.Add(retention-time.Second), retention, 100)
	left(101)
	sweep(ended.Add(retention), retention, 1)
	left(100)
	position := s.position()
	sweep(ended.Add(retention), retention, 100)
	s.wantErased([]string{grant.ID, implicit.Link.ID}, redemption.Code, redemption.Tokens.Access,
		redemption.Tokens.Refresh, implicit.Token)
	left(1)
	s.wantActive("a live link was erased", live.Token)
	s.wantEvents("erasing", position)
	s.wantSweep(ended.Add(retention), 100, 0)
}

// concurrentErasure erases revoked links by concurrent sweeps, a few at a time.
func (s *suite) concurrentErasure() {
	const links, each = 40, 3
	for range links {
		_, link := s.mustRedeem()
		s.mustRevoke(link.ID)
	}
	live := s.link()
	s.must(errors.Join(concurrently(4, func(int) (err error) {
		for range links/each + 1 {
			sweep := bridge.Sweep{Now: s.now.Add(time.Hour), Limit: each, EndedRetention: time.Hour}
			err = errors.Join(err, errOf(s.store.Sweep(s.Context(), sweep)))
		}
		return err
	})...))
	if left := s.links(bridge.LinkFilter{}); len(left) != 1 || left[0].ID != live.Link.ID {
		s.Errorf("%d links are left", len(left))
	}
}
