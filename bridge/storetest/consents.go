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
	if err != nil {
		s.Fatal(err)
	}
	want := bridge.PendingConsent{Handle: handle, Sealed: []byte("sealed\x00"), ExpiresAt: s.now.Add(10 * time.Minute)}
	if !reflect.DeepEqual(got, want) {
		s.Errorf("got %+v, want %+v", got, want)
	}
	s.wantError(s.store.Decide(s.Context(), handle, bridge.DecisionCancel, s.now.Add(time.Second)), nil)
	want.Decision, want.DecidedAt = bridge.DecisionCancel, s.now.Add(time.Second)
	if got, err = s.store.PendingConsent(s.Context(), handle, s.now); err != nil || !reflect.DeepEqual(got, want) {
		s.Errorf("decided: got %+v, %v, want %+v", got, err, want)
	}
	_, err = s.store.PendingConsent(s.Context(), bridge.HashOf("unknown"), s.now)
	s.wantError(err, bridge.ErrNotFound)
}

func (s *suite) createTwice() {
	handle := s.createPending()
	err := s.store.CreatePendingConsent(s.Context(), bridge.PendingConsent{Handle: handle, Sealed: []byte("other"), ExpiresAt: s.now.Add(time.Hour)})
	if err != nil {
		s.Fatal(err)
	}
	if got, err := s.store.PendingConsent(s.Context(), handle, s.now); err != nil || string(got.Sealed) != "sealed\x00" {
		s.Errorf("got %q, %v", got.Sealed, err)
	}
}

func (s *suite) pendingConsentExpires() {
	handle := s.createPending()
	end := s.now.Add(10 * time.Minute)
	if _, err := s.store.PendingConsent(s.Context(), handle, end.Add(-time.Second)); err != nil {
		s.Errorf("a second before it expires: %v", err)
	}
	_, err := s.store.PendingConsent(s.Context(), handle, end)
	s.wantError(err, bridge.ErrNotFound)
	s.wantError(s.store.Decide(s.Context(), handle, bridge.DecisionCancel, end), bridge.ErrNotFound)
	late := s.newLink()
	late.Link.CreatedAt = end
	s.wantError(s.store.Link(s.Context(), handle, late), bridge.ErrNotFound)
	s.wantNoToken(late.Token)
}

func (s *suite) decisionIsFinal() {
	linked, cancelled := s.createPending(), s.createPending()
	if err := s.store.Link(s.Context(), linked, s.newLink()); err != nil {
		s.Fatal(err)
	}
	s.wantError(s.store.Decide(s.Context(), cancelled, bridge.DecisionCancel, s.now), nil)
	again := s.newLink()
	again.Link.CreatedAt = s.now.Add(time.Minute)
	wasLinked := bridge.DecidedError{Decision: bridge.DecisionLink, At: s.now}
	wasCancelled := bridge.DecidedError{Decision: bridge.DecisionCancel, At: s.now}
	s.wantDecided(s.store.Link(s.Context(), linked, again), wasLinked)
	s.wantDecided(s.store.Decide(s.Context(), linked, bridge.DecisionCancel, s.now), wasLinked)
	s.wantDecided(s.store.Link(s.Context(), cancelled, again), wasCancelled)
	s.wantDecided(s.store.Decide(s.Context(), cancelled, bridge.DecisionSwitch, s.now), wasCancelled)

	s.wantNoToken(again.Token)
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
	succeeded := 0
	for i, err := range errs {
		if err == nil {
			succeeded++
			continue
		}
		if _, ok := errors.AsType[*bridge.DecidedError](err); !ok {
			s.Errorf("caller %d: %v", i, err)
		}
		s.wantNoToken(links[i].Token)
	}
	if succeeded != 1 {
		s.Errorf("%d decisions succeeded", succeeded)
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
	if links, err := s.store.Links(s.Context(), bridge.LinkFilter{IDs: []string{second.Link.ID}}); err != nil || len(links) != 0 {
		s.Errorf("a part of the link was stored: %v, %v", links, err)
	}
	if err := s.store.Link(s.Context(), handle, s.newLink()); err != nil {
		s.Errorf("the consent was decided: %v", err)
	}
}

func (s *suite) sweep() {
	made := s.link(s.newLink())
	for range 4 {
		s.createPending()
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
	s.wantActive(made.Token, end, "a live link was removed")
}
