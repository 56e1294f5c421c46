package storetest

import (
	"fmt"
	"reflect"
	"slices"
	"time"

	"alexa-oidc-bridge/bridge"
)

// recheckAfter is how old a check may be in these tests, and lease how long a recheck takes at most.
const (
	recheckAfter = time.Hour
	lease        = time.Minute
)

// checked is a change to a link: it has a refresh token of its provider, and a recheck is due in a day.
func checked(n *bridge.NewLink) {
	n.Link.CheckedAt, n.UpstreamToken, n.RecheckAt = n.Link.CreatedAt, []byte("sealed\x00"),
		n.Link.CreatedAt.Add(24*time.Hour)
}

func (s *suite) beginNow(made bridge.NewLink, now time.Time) (bridge.Recheck, error) {
	return s.store.BeginRecheck(s.Context(),
		bridge.RecheckStart{LinkID: made.Link.ID, Now: now, CheckedBefore: now.Add(-recheckAfter), Lease: lease})
}

// mustBegin begins a recheck and verifies what it says.
func (s *suite) mustBegin(made bridge.NewLink, now time.Time, changes ...func(*bridge.Recheck)) bridge.Recheck {
	s.Helper()
	got, err := s.beginNow(made, now)
	s.must(err)
	want := with(bridge.Recheck{Link: made.Link, Sealed: made.UpstreamToken, Lease: got.Lease}, changes...)
	if got.Lease == "" || !reflect.DeepEqual(got, want) {
		s.Errorf("began %+v\nwant  %+v", got, want)
	}
	return got
}

func (s *suite) wantNoRecheck(name string, made bridge.NewLink, now time.Time) {
	s.Helper()
	if _, err := s.beginNow(made, now); err != bridge.ErrNotFound {
		s.Errorf("%s: %v", name, err)
	}
}

// finish finishes a recheck: an hour later the next is due.
func (s *suite) finish(recheck bridge.Recheck, now time.Time, changes ...func(*bridge.RecheckResult)) error {
	result := bridge.RecheckResult{LinkID: recheck.Link.ID, Lease: recheck.Lease, CheckedAt: now,
		DueAt: now.Add(time.Hour)}
	return s.store.FinishRecheck(s.Context(), with(result, changes...))
}

// failed is a change to a result: the provider gave no answer.
func failed(r *bridge.RecheckResult) { r.CheckedAt = time.Time{} }

func (s *suite) wantDue(now time.Time, want ...bridge.NewLink) {
	s.Helper()
	got, err := s.store.DueRechecks(s.Context(), "corp", now, 100)
	s.must(err)
	if !slices.EqualFunc(got, want, func(id string, n bridge.NewLink) bool { return id == n.Link.ID }) {
		s.Errorf("due: %v, want %d", got, len(want))
	}
}

func (s *suite) beginRecheck() {
	made, due := s.link(checked), s.now.Add(24*time.Hour)
	s.wantNoRecheck("without a token", s.link(), due)
	s.wantNoRecheck("no link", s.newLink(), due)
	s.wantNoRecheck("checked a moment ago", made, s.now.Add(recheckAfter-time.Second))
	s.mustBegin(made, s.now.Add(recheckAfter))
	s.wantNoRecheck("during the lease", made, s.now.Add(recheckAfter+lease-time.Second))
	s.wantDue(s.now.Add(recheckAfter + lease - time.Second))
	s.wantDue(s.now.Add(recheckAfter+lease), made)
	s.mustBegin(made, s.now.Add(recheckAfter+lease), func(r *bridge.Recheck) { r.Unanswered = true })

	other := s.link(checked, func(n *bridge.NewLink) { n.RecheckAt = s.now.Add(time.Minute) })
	s.wantDue(s.now.Add(time.Minute - time.Second))
	s.wantDue(s.now.Add(time.Minute), other)
	s.mustBegin(other, s.now.Add(time.Minute)) // due, however fresh
	elsewhere, err := s.store.DueRechecks(s.Context(), "other", due, 100)
	if err != nil || len(elsewhere) != 0 {
		s.Errorf("due at another provider: %v, %v", elsewhere, err)
	}
	if one, err := s.store.DueRechecks(s.Context(), "corp", due, 1); err != nil ||
		!slices.Equal(one, []string{other.Link.ID}) {
		s.Errorf("the longest due: %v, %v", one, err)
	}
}

func (s *suite) concurrentRechecks() {
	made, now := s.link(checked), s.now.Add(recheckAfter)
	s.wantOne(concurrently(8, func(int) error { return errOf(s.beginNow(made, now)) }))
}

func (s *suite) finishRecheck() {
	made, now := s.link(checked), s.now.Add(recheckAfter)
	recheck := s.mustBegin(made, now)
	s.must(s.finish(recheck, now, func(r *bridge.RecheckResult) { r.Stable = true }))
	made.Link.CheckedAt = now
	if found := s.lookup(made.Token); !reflect.DeepEqual(found.Link, made.Link) {
		s.Errorf("found %+v, want %+v", found.Link, made.Link)
	}
	s.wantDue(now.Add(time.Hour), made)

	stable := func(r *bridge.Recheck) { r.Stable = true }
	now = now.Add(time.Hour)
	for failures, unanswered := range []bool{false, true, false} {
		recheck = s.mustBegin(made, now, stable,
			func(r *bridge.Recheck) { r.Failures, r.Unanswered = failures, failures == 2 })
		s.must(s.finish(recheck, now, failed, func(r *bridge.RecheckResult) { r.Unanswered = unanswered }))
		s.wantNoRecheck("after a failure, not due", made, now.Add(time.Hour-time.Second))
		now = now.Add(time.Hour)
	}
	recheck = s.mustBegin(made, now, stable, func(r *bridge.Recheck) { r.Failures = 3 })
	s.must(s.finish(recheck, now, func(r *bridge.RecheckResult) { r.DeadAt = now }))
	made.Link.CheckedAt = now
	s.wantNoRecheck("dead, not due", made, now.Add(recheckAfter-time.Second))
	s.mustBegin(made, now.Add(time.Hour), func(r *bridge.Recheck) { r.DeadAt = now })
	if s.position() != s.begin {
		s.Error("there are events, though no claim changed")
	}
}

// replaceToken replaces a refresh token once: from then on the provider is not taken for one that never does.
func (s *suite) replaceToken() {
	made, now := s.link(checked), s.now.Add(recheckAfter)
	recheck := s.mustBegin(made, now)
	s.must(s.store.ReplaceUpstreamToken(s.Context(), made.Link.ID, recheck.Lease, []byte("new")))
	made.UpstreamToken = []byte("new")
	for range 2 {
		s.must(s.finish(recheck, now, func(r *bridge.RecheckResult) { r.Stable = true }))
		made.Link.CheckedAt, now = now, now.Add(recheckAfter)
		recheck = s.mustBegin(made, now)
	}
}

// revokeRechecked revokes by the result of a recheck, but only of one that runs.
func (s *suite) revokeRechecked() {
	made, now := s.link(checked, ofOnePerson), s.now.Add(recheckAfter)
	lost := s.mustBegin(made, now)
	now = now.Add(lease)
	recheck := s.mustBegin(made, now, func(r *bridge.Recheck) { r.Unanswered = true })
	by := with(s.by(bridge.ReasonAccountGone), func(r *bridge.Revocation) { r.At = now })
	gone := func(r *bridge.RecheckResult) { r.Revoke = &by }
	s.wantError(s.finish(lost, now, gone), bridge.ErrNotFound)
	s.wantActive("a recheck that lost its lease revoked the link", made.Token)
	s.wantSignIn("after that", nil, s.signIn(0))
	s.must(s.finish(recheck, now, gone))
	s.wantRevoked(made.Token, bridge.ReasonAccountGone)
	s.wantSignIn("before the revocation", bridge.ErrSignInRevoked, s.signIn(0))
}

func (s *suite) renewClaims() {
	made, now := s.link(checked, account(oneAccount)), s.now.Add(recheckAfter)
	recheck := s.mustBegin(made, now)
	made.Link.CheckedAt = now
	made.Link.Claims = bridge.Claims{"email": "Grace@contoso.com"}
	made.Link.Account = bridge.Account{Subject: "sub 1", Session: "sid 2", Directory: "id 3", Email: "grace@contoso.com"}
	s.must(s.finish(recheck, now, func(r *bridge.RecheckResult) {
		r.Renewed = &bridge.Renewed{Claims: made.Link.Claims, Account: made.Link.Account}
	}))
	if found := s.lookup(made.Token); !reflect.DeepEqual(found.Link, made.Link) {
		s.Errorf("found %+v, want %+v", found.Link, made.Link)
	}
	s.wantLinks("by the new address", bridge.LinkFilter{Email: "grace@contoso.com"}, made)
	want := []bridge.Event{{LinkID: made.Link.ID, ClientID: "pizza", Reason: bridge.ReasonClaimsChanged,
		Actor: "provider:corp"}}
	feed, err := s.store.ReadFeed(s.Context(), s.begin)
	if err != nil || !slices.Equal(feed.Events, want) || !slices.Equal(s.onRevoke, want) {
		s.Errorf("feed %+v, %v, told %+v; want %+v", feed, err, s.onRevoke, want)
	}
}

// lostRecheck has rechecks whose lease another one got, or whose link was revoked.
func (s *suite) lostRecheck() {
	made, now := s.link(checked), s.now.Add(recheckAfter)
	lost := s.mustBegin(made, now)
	now = now.Add(lease)
	recheck := s.mustBegin(made, now, func(r *bridge.Recheck) { r.Unanswered = true })
	for _, other := range []bridge.Recheck{lost, with(recheck, func(r *bridge.Recheck) { r.Lease = "" })} {
		s.wantError(s.store.ReplaceUpstreamToken(s.Context(), made.Link.ID, other.Lease, []byte("new")), bridge.ErrNotFound)
		s.wantError(s.finish(other, now), bridge.ErrNotFound)
	}
	if found := s.lookup(made.Token); !found.Link.CheckedAt.Equal(s.now) {
		s.Errorf("checked at %v", found.Link.CheckedAt)
	}
	s.mustRevoke(made.Link.ID)
	s.wantError(s.finish(recheck, now), bridge.ErrNotFound)
	s.wantNoRecheck("revoked", made, now.Add(24*time.Hour))
	s.wantRevoked(made.Token, bridge.ReasonOperator)
}

// recheckMeanwhile asks for a recheck while one runs, which may have asked the provider before.
func (s *suite) recheckMeanwhile() {
	made, now := s.link(checked), s.now.Add(recheckAfter)
	recheck := s.mustBegin(made, now)
	by := with(s.by(bridge.ReasonLoggedOut), func(r *bridge.Revocation) { r.Recheck, r.At = true, now })
	s.must(errOf(s.store.Revoke(s.Context(), bridge.LinkFilter{Subject: made.Link.Subject}, by)))
	s.must(s.finish(recheck, now))
	s.wantDue(now, made)
	made.Link.CheckedAt = now
	s.mustBegin(made, now)
}

func (s *suite) revokeWithRecheck() {
	checked, other, plain := s.link(checked, ofOnePerson), s.link(checked), s.link(ofOnePerson)
	by := with(s.by(bridge.ReasonLoggedOut), func(r *bridge.Revocation) { r.Recheck = true })
	revoked, err := s.store.Revoke(s.Context(), bridge.LinkFilter{Subject: onePerson}, by)
	if err != nil || len(revoked) != 1 || revoked[0].ID != plain.Link.ID {
		s.Errorf("revoked %+v, %v", revoked, err)
	}
	s.wantRevoked(plain.Token, bridge.ReasonLoggedOut)
	s.wantActive("a link with an upstream token was revoked", checked.Token, other.Token)
	s.wantDue(s.now, checked)
	s.wantSignIn("after a sign-out", bridge.ErrSignInRevoked, s.signIn(0))
}

func (s *suite) upstreamTokensEnd() {
	kept := s.link(checked)
	revoked, forgotten, replaced := s.link(checked), s.link(checked), s.link(checked, ofOnePerson)
	s.mustRevoke(revoked.Link.ID)
	s.must(errOf(s.store.Forget(s.Context(), bridge.LinkFilter{IDs: []string{forgotten.Link.ID}},
		s.by(bridge.ReasonOperator))))
	s.link(ofOnePerson, func(n *bridge.NewLink) { n.Link.CreatedAt, n.MaxLinks = s.now.Add(time.Second), 1 })
	if reason := s.lookup(replaced.Token).Link.Reason; reason != bridge.ReasonReplaced {
		s.Errorf("the older link was revoked for %q", reason)
	}
	many := make([]string, 70)
	for i := range many {
		many[i] = s.link(checked).Link.ID
	}
	s.mustRevoke(many...)
	tokens, err := s.store.UpstreamTokens(s.Context(), "", 100)
	want := []bridge.SealedToken{{LinkID: kept.Link.ID, Sealed: kept.UpstreamToken}}
	if err != nil || !reflect.DeepEqual(tokens, want) {
		s.Errorf("%d tokens are left, %v, want that of the live link", len(tokens), err)
	}
}

func (s *suite) reseal() {
	var want []bridge.SealedToken
	for i := range 5 {
		made := s.link(checked, func(n *bridge.NewLink) { n.UpstreamToken = fmt.Append(nil, i) })
		want = append(want, bridge.SealedToken{LinkID: made.Link.ID, Sealed: made.UpstreamToken})
	}
	var got []bridge.SealedToken
	for after := ""; ; after = got[len(got)-1].LinkID {
		page, err := s.store.UpstreamTokens(s.Context(), after, 2)
		s.must(err)
		if got = append(got, page...); len(page) < 2 {
			break
		}
	}
	byLink := func(a, b bridge.SealedToken) int { return slices.Compare([]byte(a.LinkID), []byte(b.LinkID)) }
	slices.SortFunc(got, byLink)
	slices.SortFunc(want, byLink)
	if !reflect.DeepEqual(got, want) {
		s.Errorf("got %v, want %v", got, want)
	}
	for _, wantDone := range []bool{true, false} { // the second does not find what it knows
		done, err := s.store.ResealUpstreamToken(s.Context(), want[0], []byte("sealed anew"))
		if err != nil || done != wantDone {
			s.Errorf("sealed anew: %v, %v", done, err)
		}
	}
}
