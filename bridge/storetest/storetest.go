// Package storetest is the one suite that every [bridge.Store] must pass.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
)

// Run runs the suite. Each test gets a fresh, empty store from open, which closes it when the test ends.
func Run(t *testing.T, open func(t *testing.T) bridge.Store) {
	tests := []struct {
		name string
		run  func(*suite)
	}{
		{"a link is found by its token, whole", (*suite).linkIsFound},
		{"an unknown token is not found", (*suite).unknownToken},
		{"a token that expires keeps its time", (*suite).expiringToken},
		{"a pending consent is kept as it is", (*suite).pendingConsent},
		{"of two pending consents with one handle the first stays", (*suite).awaitTwice},
		{"a pending consent ends", (*suite).pendingConsentEnds},
		{"a decision is final", (*suite).decisionIsFinal},
		{"of many decisions at once one holds", (*suite).decisionsAtOnce},
		{"a link that fails leaves the consent undecided", (*suite).failedLink},
		{"revoking ends live links once", (*suite).revoke},
		{"filters select", (*suite).filters},
		{"beyond the limit the oldest is replaced", (*suite).maxLinks},
		{"a use is noted once an hour", (*suite).uses},
		{"sweeping takes what is over, and no more", (*suite).sweep},
		{"many writers at once all succeed", (*suite).manyWriters},
		{"a context that is over is refused", (*suite).endedContext},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.run(&suite{T: t, store: open(t), now: time.Unix(1_800_000_000, 0).UTC()})
		})
	}
}

type suite struct {
	*testing.T
	store bridge.Store
	now   time.Time
	count int
}

// newLink returns a link with everything set, for a person of its own.
func (s *suite) newLink() bridge.NewLink {
	s.count++
	id := bridge.NewLinkID()
	return bridge.NewLink{
		Link: bridge.Link{
			ID:       id,
			ClientID: "pizza",
			Grant:    bridge.GrantImplicit,
			Identity: bridge.Identity{
				Provider: bridge.Provider{ID: "corp", Issuer: "https://login.example.com", SubjectClaim: "oid", GroupsClaim: "a.b"},
				Subject:  fmt.Sprintf("subject %d", s.count),
				Claims: bridge.Claims{"email": fmt.Sprintf("Person%d@Contoso.com", s.count), "groups": []any{"a", "ü"},
					"email_verified": true},
			},
			Scope:     "orders menu",
			CreatedAt: s.now,
		},
		Token: bridge.HashOf("token of " + id),
	}
}

// link takes a link through a pending consent into the store.
func (s *suite) link(made bridge.NewLink) bridge.NewLink {
	s.Helper()
	if err := s.store.Link(s.Context(), s.await(), made); err != nil {
		s.Fatalf("Link: %v", err)
	}
	return made
}

// await keeps a pending consent and returns its handle.
func (s *suite) await() bridge.Hash {
	s.Helper()
	s.count++
	handle := bridge.HashOf(fmt.Sprintf("handle %d", s.count))
	err := s.store.Await(s.Context(), bridge.PendingConsent{
		Handle: handle, Sealed: []byte("sealed\x00"), ExpiresAt: s.now.Add(10 * time.Minute),
	})
	if err != nil {
		s.Fatalf("Await: %v", err)
	}
	return handle
}

func (s *suite) lookUp(token bridge.Hash) bridge.AccessToken {
	s.Helper()
	found, err := s.store.LookUp(s.Context(), token)
	if err != nil {
		s.Fatalf("LookUp: %v", err)
	}
	return found
}

func (s *suite) wantError(err, want error) {
	s.Helper()
	if !errors.Is(err, want) {
		s.Fatalf("err = %v, want %v", err, want)
	}
}

func (s *suite) wantDecided(err error, want bridge.DecidedError) {
	s.Helper()
	decided, ok := errors.AsType[*bridge.DecidedError](err)
	if !ok || *decided != want {
		s.Fatalf("err = %v, want decided: %v", err, want)
	}
}

func (s *suite) linkIsFound() {
	made := s.link(s.newLink())
	found := s.lookUp(made.Token)
	if want := (bridge.AccessToken{Link: made.Link, IssuedAt: s.now}); !reflect.DeepEqual(found, want) {
		s.Errorf("found %+v\nwant  %+v", found, want)
	}
	if !found.Active(s.now.Add(100 * 365 * 24 * time.Hour)) {
		s.Error("a token without an end is not active")
	}
}

func (s *suite) unknownToken() {
	s.link(s.newLink())
	_, err := s.store.LookUp(s.Context(), bridge.HashOf("unknown"))
	s.wantError(err, bridge.ErrNotFound)
	_, err = s.store.LookUp(s.Context(), "")
	s.wantError(err, bridge.ErrNotFound)
}

func (s *suite) expiringToken() {
	made := s.newLink()
	made.ExpiresAt = s.now.Add(time.Hour)
	s.link(made)
	found := s.lookUp(made.Token)
	if !found.ExpiresAt.Equal(made.ExpiresAt) {
		s.Errorf("expires at %v, want %v", found.ExpiresAt, made.ExpiresAt)
	}
	if !found.Active(made.ExpiresAt.Add(-time.Second)) || found.Active(made.ExpiresAt) {
		s.Error("the token is not active exactly until it expires")
	}
}

func (s *suite) pendingConsent() {
	handle := s.await()
	got, err := s.store.PendingConsent(s.Context(), handle, s.now)
	if err != nil {
		s.Fatal(err)
	}
	want := bridge.PendingConsent{Handle: handle, Sealed: []byte("sealed\x00"), ExpiresAt: s.now.Add(10 * time.Minute)}
	if !reflect.DeepEqual(got, want) {
		s.Errorf("got %+v, want %+v", got, want)
	}
	if err := s.store.Refuse(s.Context(), handle, bridge.DecisionCancel, s.now.Add(time.Second)); err != nil {
		s.Fatal(err)
	}
	want.Decision, want.DecidedAt = bridge.DecisionCancel, s.now.Add(time.Second)
	if got, err = s.store.PendingConsent(s.Context(), handle, s.now); err != nil || !reflect.DeepEqual(got, want) {
		s.Errorf("decided: got %+v, %v, want %+v", got, err, want)
	}
	_, err = s.store.PendingConsent(s.Context(), bridge.HashOf("unknown"), s.now)
	s.wantError(err, bridge.ErrNotFound)
}

func (s *suite) awaitTwice() {
	handle := s.await()
	err := s.store.Await(s.Context(), bridge.PendingConsent{Handle: handle, Sealed: []byte("other"), ExpiresAt: s.now.Add(time.Hour)})
	if err != nil {
		s.Fatal(err)
	}
	if got, err := s.store.PendingConsent(s.Context(), handle, s.now); err != nil || string(got.Sealed) != "sealed\x00" {
		s.Errorf("got %q, %v", got.Sealed, err)
	}
}

func (s *suite) pendingConsentEnds() {
	handle := s.await()
	end := s.now.Add(10 * time.Minute)
	if _, err := s.store.PendingConsent(s.Context(), handle, end.Add(-time.Second)); err != nil {
		s.Errorf("a second before its end: %v", err)
	}
	_, err := s.store.PendingConsent(s.Context(), handle, end)
	s.wantError(err, bridge.ErrNotFound)
	s.wantError(s.store.Refuse(s.Context(), handle, bridge.DecisionCancel, end), bridge.ErrNotFound)
	late := s.newLink()
	late.Link.CreatedAt = end
	s.wantError(s.store.Link(s.Context(), handle, late), bridge.ErrNotFound)
	_, err = s.store.LookUp(s.Context(), late.Token)
	s.wantError(err, bridge.ErrNotFound)
}

func (s *suite) decisionIsFinal() {
	linked, cancelled := s.await(), s.await()
	if err := s.store.Link(s.Context(), linked, s.newLink()); err != nil {
		s.Fatal(err)
	}
	if err := s.store.Refuse(s.Context(), cancelled, bridge.DecisionCancel, s.now); err != nil {
		s.Fatal(err)
	}
	again := s.newLink()
	again.Link.CreatedAt = s.now.Add(time.Minute)
	wasLinked := bridge.DecidedError{Decision: bridge.DecisionLink, At: s.now}
	wasCancelled := bridge.DecidedError{Decision: bridge.DecisionCancel, At: s.now}
	s.wantDecided(s.store.Link(s.Context(), linked, again), wasLinked)
	s.wantDecided(s.store.Refuse(s.Context(), linked, bridge.DecisionCancel, s.now), wasLinked)
	s.wantDecided(s.store.Link(s.Context(), cancelled, again), wasCancelled)
	s.wantDecided(s.store.Refuse(s.Context(), cancelled, bridge.DecisionSwitch, s.now), wasCancelled)

	_, err := s.store.LookUp(s.Context(), again.Token)
	s.wantError(err, bridge.ErrNotFound)
	s.wantError(s.store.Refuse(s.Context(), bridge.HashOf("unknown"), bridge.DecisionCancel, s.now), bridge.ErrNotFound)
}

func (s *suite) decisionsAtOnce() {
	handle := s.await()
	const callers = 32
	links := make([]bridge.NewLink, callers)
	for i := range links {
		links[i] = s.newLink()
	}
	errs := make([]error, callers)
	inParallel(callers, func(i int) {
		if i%4 == 3 {
			errs[i] = s.store.Refuse(s.Context(), handle, bridge.DecisionCancel, s.now)
		} else {
			errs[i] = s.store.Link(s.Context(), handle, links[i])
		}
	})
	held := 0
	for i, err := range errs {
		if err == nil {
			held++
			continue
		}
		if _, ok := errors.AsType[*bridge.DecidedError](err); !ok {
			s.Errorf("caller %d: %v", i, err)
		}
		_, err := s.store.LookUp(s.Context(), links[i].Token)
		s.wantError(err, bridge.ErrNotFound)
	}
	if held != 1 {
		s.Errorf("%d decisions held", held)
	}
}

func (s *suite) failedLink() {
	first := s.link(s.newLink())
	handle := s.await()
	second := s.newLink()
	second.Token = first.Token // cannot be inserted twice
	if err := s.store.Link(s.Context(), handle, second); err == nil {
		s.Fatal("two links have one token")
	}
	if links, err := s.store.Links(s.Context(), bridge.LinkFilter{IDs: []string{second.Link.ID}}); err != nil || len(links) != 0 {
		s.Errorf("half a link is left: %v, %v", links, err)
	}
	if err := s.store.Link(s.Context(), handle, s.newLink()); err != nil {
		s.Errorf("the consent was used up: %v", err)
	}
}

func (s *suite) revoke() {
	made, other := s.link(s.newLink()), s.link(s.newLink())
	filter := bridge.LinkFilter{IDs: []string{made.Link.ID, "lnk_unknown"}}
	revoked, err := s.store.Revoke(s.Context(), filter, bridge.ReasonOperator, s.now.Add(time.Minute))
	if err != nil {
		s.Fatal(err)
	}
	want := made.Link
	want.RevokedAt, want.Reason = s.now.Add(time.Minute), bridge.ReasonOperator
	if !reflect.DeepEqual(revoked, []bridge.Link{want}) {
		s.Errorf("revoked %+v, want %+v", revoked, want)
	}
	if found := s.lookUp(made.Token); found.Active(s.now) || !reflect.DeepEqual(found.Link, want) {
		s.Errorf("after revoking: %+v", found)
	}
	if found := s.lookUp(other.Token); !found.Active(s.now) {
		s.Error("another link ended too")
	}
	revoked, err = s.store.Revoke(s.Context(), filter, "again", s.now.Add(time.Hour))
	if err != nil || len(revoked) != 0 {
		s.Errorf("revoked again: %v, %v", revoked, err)
	}
	if found := s.lookUp(made.Token); found.Link.Reason != bridge.ReasonOperator {
		s.Errorf("a second revocation overwrote the first: %+v", found.Link)
	}
}

func (s *suite) filters() {
	a, b, c := s.newLink(), s.newLink(), s.newLink()
	b.Link.ClientID, b.Link.Provider.ID = "lights", "other"
	b.Link.Subject = a.Link.Subject
	delete(c.Link.Claims, "email")
	b.Link.CreatedAt, c.Link.CreatedAt = s.now.Add(time.Second), s.now.Add(2*time.Second)
	s.link(a)
	s.link(b)
	s.link(c)
	if _, err := s.store.Revoke(s.Context(), bridge.LinkFilter{IDs: []string{c.Link.ID}}, "x", s.now); err != nil {
		s.Fatal(err)
	}
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
		{"ids", bridge.LinkFilter{IDs: []string{c.Link.ID, a.Link.ID}}, []bridge.NewLink{a, c}},
		{"live", bridge.LinkFilter{Live: true}, []bridge.NewLink{a, b}},
		{"none", bridge.LinkFilter{Subject: "' OR '1'='1"}, nil},
	}
	for _, tt := range tests {
		got, err := s.store.Links(s.Context(), tt.filter)
		if err != nil {
			s.Errorf("%s: %v", tt.name, err)
		}
		if !slices.EqualFunc(got, tt.want, func(l bridge.Link, n bridge.NewLink) bool { return l.ID == n.Link.ID }) {
			s.Errorf("%s: got %v", tt.name, got)
		}
	}
}

func (s *suite) maxLinks() {
	var made []bridge.NewLink
	for i := range 4 {
		link := s.newLink()
		link.Link.Subject = "one person"
		link.Link.CreatedAt = s.now.Add(time.Duration(i) * time.Second)
		if i == 3 {
			link.MaxLinks = 2
		}
		made = append(made, s.link(link))
	}
	stranger := s.newLink()
	stranger.Link.Subject, stranger.Link.Issuer = "one person", "https://elsewhere.example.com"
	s.link(stranger)

	for i, wantLive := range []bool{false, false, true, true} {
		found := s.lookUp(made[i].Token)
		if found.Active(s.now) != wantLive {
			s.Errorf("link %d: live = %v", i, !wantLive)
		}
		if !wantLive && found.Link.Reason != bridge.ReasonReplaced {
			s.Errorf("link %d ended for %q", i, found.Link.Reason)
		}
	}
	if !s.lookUp(stranger.Token).Active(s.now) {
		s.Error("a link of the same subject at another issuer ended")
	}
}

func (s *suite) uses() {
	made := s.link(s.newLink())
	note := func(at time.Time, user bridge.Hash) bridge.Link {
		s.Helper()
		err := s.store.NoteUses(s.Context(), []bridge.Use{{LinkID: "lnk_unknown", At: at}, {LinkID: made.Link.ID, At: at, AlexaUser: user}})
		if err != nil {
			s.Fatal(err)
		}
		return s.lookUp(made.Token).Link
	}
	if got := note(s.now, bridge.HashOf("user")); !got.LastUsedAt.Equal(s.now) || got.AlexaUser != bridge.HashOf("user") {
		s.Errorf("the first use: %+v", got)
	}
	if got := note(s.now.Add(59*time.Minute), ""); !got.LastUsedAt.Equal(s.now) || got.AlexaUser == "" {
		s.Errorf("within the hour: %+v", got)
	}
	if got := note(s.now.Add(time.Hour), ""); !got.LastUsedAt.Equal(s.now.Add(time.Hour)) {
		s.Errorf("after an hour: %+v", got)
	}
	if got := note(s.now, ""); !got.LastUsedAt.Equal(s.now.Add(time.Hour)) {
		s.Errorf("an older use overwrote a newer: %+v", got)
	}
}

func (s *suite) sweep() {
	made := s.link(s.newLink())
	for range 4 {
		s.await()
	}
	end := s.now.Add(10 * time.Minute)
	for i, step := range []struct {
		now  time.Time
		want int
	}{{end.Add(-time.Second), 0}, {end, 3}, {end, 2}, {end, 0}} {
		if n, err := s.store.Sweep(s.Context(), step.now, 3); err != nil || n != step.want {
			s.Errorf("sweep %d removed %d, %v; want %d", i, n, err, step.want)
		}
	}
	if !s.lookUp(made.Token).Active(end) {
		s.Error("a live link was swept away")
	}
}

func (s *suite) manyWriters() {
	const callers = 64
	links := make([]bridge.NewLink, callers)
	handles := make([]bridge.Hash, callers)
	for i := range links {
		links[i], handles[i] = s.newLink(), s.await()
	}
	errs := make([]error, callers)
	inParallel(callers, func(i int) {
		errs[i] = s.store.Link(s.Context(), handles[i], links[i])
	})
	for i, err := range errs {
		if err != nil {
			s.Fatalf("caller %d: %v", i, err)
		}
		s.lookUp(links[i].Token)
	}
}

func (s *suite) endedContext() {
	ctx, cancel := context.WithCancel(s.Context())
	cancel()
	if _, err := s.store.LookUp(ctx, bridge.HashOf("x")); err == nil || errors.Is(err, bridge.ErrNotFound) {
		s.Errorf("LookUp: %v; that is an answer", err)
	}
	if _, err := s.store.Revoke(ctx, bridge.LinkFilter{}, "x", s.now); err == nil {
		s.Error("Revoke: no error")
	}
	if err := s.store.Ping(s.Context()); err != nil {
		s.Errorf("afterwards: %v", err)
	}
}

func inParallel(n int, do func(i int)) {
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() { do(i) })
	}
	group.Wait()
}
