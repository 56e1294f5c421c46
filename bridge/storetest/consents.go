package storetest

import (
	"errors"
	"reflect"
	"time"

	"alexa-oidc-bridge/bridge"
)

func (s *suite) pendingConsent() {
	handle := s.createPending()
	got, err := s.store.PendingConsent(s.Context(), handle, s.now)
	s.must(err)
	want := bridge.PendingConsent{Handle: handle, Sealed: []byte("sealed\x00"), ExpiresAt: s.now.Add(10 * time.Minute)}
	if !reflect.DeepEqual(got, want) {
		s.Errorf("got %+v, want %+v", got, want)
	}
	s.must(s.store.Decide(s.Context(), handle, bridge.DecisionCancel, s.now.Add(time.Second)))
	want.Decision, want.DecidedAt = bridge.DecisionCancel, s.now.Add(time.Second)
	if got, err = s.store.PendingConsent(s.Context(), handle, s.now); err != nil || !reflect.DeepEqual(got, want) {
		s.Errorf("decided: got %+v, %v, want %+v", got, err, want)
	}
	s.wantError(errOf(s.store.PendingConsent(s.Context(), bridge.HashOf("unknown"), s.now)), bridge.ErrNotFound)
}

func (s *suite) createTwice() {
	handle := s.createPending()
	s.must(s.store.CreatePendingConsent(s.Context(),
		bridge.PendingConsent{Handle: handle, Sealed: []byte("other"), ExpiresAt: s.now.Add(time.Hour)}))
	if got, err := s.store.PendingConsent(s.Context(), handle, s.now); err != nil || string(got.Sealed) != "sealed\x00" {
		s.Errorf("got %q, %v", got.Sealed, err)
	}
}

func (s *suite) pendingConsentExpires() {
	handle := s.createPending()
	end := s.now.Add(10 * time.Minute)
	s.must(errOf(s.store.PendingConsent(s.Context(), handle, end.Add(-time.Second))))
	s.wantError(errOf(s.store.PendingConsent(s.Context(), handle, end)), bridge.ErrNotFound)
	s.wantError(s.store.Decide(s.Context(), handle, bridge.DecisionCancel, end), bridge.ErrNotFound)
	late := s.newLink()
	late.Link.CreatedAt = end
	s.wantError(s.store.Link(s.Context(), handle, late), bridge.ErrNotFound)
	s.wantError(errOf(s.store.Lookup(s.Context(), late.Token)), bridge.ErrNotFound)
}

func (s *suite) decisionIsFinal() {
	linked, cancelled := s.createPending(), s.createPending()
	s.must(s.store.Link(s.Context(), linked, s.newLink()))
	s.must(s.store.Decide(s.Context(), cancelled, bridge.DecisionCancel, s.now))
	again := s.newLink()
	again.Link.CreatedAt = s.now.Add(time.Minute)
	wasLinked := bridge.DecidedError{Decision: bridge.DecisionLink, At: s.now}
	wasCancelled := bridge.DecidedError{Decision: bridge.DecisionCancel, At: s.now}
	s.wantDecided(s.store.Link(s.Context(), linked, again), wasLinked)
	s.wantDecided(s.store.Decide(s.Context(), linked, bridge.DecisionCancel, s.now), wasLinked)
	s.wantDecided(s.store.Link(s.Context(), cancelled, again), wasCancelled)
	s.wantDecided(s.store.Decide(s.Context(), cancelled, bridge.DecisionSwitch, s.now), wasCancelled)

	s.wantError(errOf(s.store.Lookup(s.Context(), again.Token)), bridge.ErrNotFound)
	s.wantError(s.store.Decide(s.Context(), bridge.HashOf("unknown"), bridge.DecisionCancel, s.now), bridge.ErrNotFound)
}

func (s *suite) concurrentDecisions() {
	handle := s.createPending()
	const callers = 32
	links := make([]bridge.NewLink, callers)
	for i := range links {
		links[i] = s.newLink()
	}
	errs := concurrently(callers, func(i int) error {
		if i%4 == 3 {
			return s.store.Decide(s.Context(), handle, bridge.DecisionCancel, s.now)
		}
		return s.store.Link(s.Context(), handle, links[i])
	})
	first := s.wantOne(errs)
	for i, err := range errs {
		if i == first {
			continue
		}
		if _, ok := errors.AsType[*bridge.DecidedError](err); !ok {
			s.Errorf("caller %d: %v", i, err)
		}
		s.wantError(errOf(s.store.Lookup(s.Context(), links[i].Token)), bridge.ErrNotFound)
	}
}

func (s *suite) failedLink() {
	first := s.link(s.newLink())
	handle := s.createPending()
	second := s.newLink()
	second.Token = first.Token // which exists
	if err := s.store.Link(s.Context(), handle, second); err == nil {
		s.Fatal("two links got one token")
	}
	if links := s.links(bridge.LinkFilter{IDs: []string{second.Link.ID}}); len(links) != 0 {
		s.Errorf("a part of the link was stored: %v", links)
	}
	s.must(s.store.Link(s.Context(), handle, s.newLink())) // the consent was not decided
}

func (s *suite) sweep() {
	made := s.link(s.newLink())
	for range 4 {
		s.createPending()
	}
	end := s.now.Add(10 * time.Minute)
	s.wantSweep(end.Add(-time.Second), 3, 0)
	for _, want := range []int{3, 2, 0} {
		s.wantSweep(end, 3, want)
	}
	s.wantActive(made.Token, "a live link was removed")
}
