package storetest

import (
	"time"

	"alexa-oidc-bridge/bridge"
)

// orderOfDue has links whose recheck is due: first those whose refresh token the provider has refused, then those whose
// person signed out, however many others are overdue.
func (s *suite) orderOfDue() {
	overdue := func(n *bridge.NewLink) { n.RecheckAt = s.now.Add(-time.Hour) }
	dead, waits, signedOut := s.link(checked, overdue), s.link(checked, overdue), s.link(checked)
	recheck := s.mustBegin(dead, s.now)
	s.must(s.finish(recheck, s.now, func(r *bridge.RecheckResult) { r.DeadAt, r.DueAt = s.now, s.now.Add(time.Minute) }))
	by := with(s.by(bridge.ReasonLoggedOut), func(r *bridge.Revocation) { r.Recheck = true })
	s.must(errOf(s.store.Revoke(s.Context(), bridge.LinkFilter{Subject: signedOut.Link.Subject}, by)))
	s.wantDue(s.now, signedOut, waits)
	end := s.now.Add(time.Minute)
	s.wantDue(end, dead, signedOut, waits)
	for _, limit := range []int{1, 2} {
		if some, err := s.store.DueRechecks(s.Context(), "corp", end, limit); err != nil || len(some) != limit ||
			some[0] != dead.Link.ID {
			s.Errorf("the first %d: %v, %v", limit, some, err)
		}
	}
	onlyDead := func(made bridge.NewLink) error {
		return errOf(s.store.BeginRecheck(s.Context(),
			bridge.RecheckStart{LinkID: made.Link.ID, Now: end, CheckedBefore: end, Lease: lease, Dead: true}))
	}
	s.wantError(onlyDead(waits), bridge.ErrNotFound)
	s.must(onlyDead(dead))
}

// lostToken has a refresh token that the provider refuses after an answer was lost. A sign-out ends its link, as one
// without a refresh token, unless the provider has answered since.
func (s *suite) lostToken() {
	unanswered := func(r *bridge.RecheckResult) { r.CheckedAt, r.Unanswered = time.Time{}, true }
	lost := func(r *bridge.RecheckResult) { r.Lost = true }
	doubtful, refused, later, answered := s.link(checked, ofOnePerson), s.link(checked, ofOnePerson),
		s.link(checked, ofOnePerson), s.link(checked, ofOnePerson)
	now := s.now.Add(recheckAfter)
	for _, made := range []bridge.NewLink{doubtful, refused, later, answered} {
		changes := []func(*bridge.RecheckResult){unanswered, lost}
		if made.Link.ID == doubtful.Link.ID {
			changes = changes[:1]
		}
		s.must(s.finish(s.mustBegin(made, now), now, changes...))
	}
	now = now.Add(time.Hour)
	inDoubt := func(r *bridge.Recheck) { r.Unanswered, r.Failures = true, 1 }
	s.must(s.finish(s.mustBegin(later, now, inDoubt), now, unanswered))
	s.must(s.finish(s.mustBegin(answered, now, inDoubt), now))
	by := with(s.by(bridge.ReasonLoggedOut), func(r *bridge.Revocation) { r.Recheck, r.At = true, now })
	s.must(errOf(s.store.Revoke(s.Context(), bridge.LinkFilter{Subject: onePerson}, by)))
	s.wantActive("the provider may still answer", doubtful.Token, answered.Token)
	s.wantRevoked(refused.Token, bridge.ReasonLoggedOut)
	s.wantRevoked(later.Token, bridge.ReasonLoggedOut)
}
