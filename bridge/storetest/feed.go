package storetest

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"alexa-oidc-bridge/bridge"
)

// readFeed reads the feed, which must be broken or not, and returns its position and the revocations.
func (s *suite) readFeed(after bridge.Position, wantBroken bool) (bridge.Position, []bridge.Event) {
	s.Helper()
	feed, err := s.store.ReadFeed(s.Context(), after)
	if err != nil || feed.Broken != wantBroken || feed.Position.Epoch == "" {
		s.Fatalf("ReadFeed(%+v): %+v, %v; want broken: %v", after, feed, err, wantBroken)
	}
	return feed.Position, feed.Events
}

// linksOf returns the links that events are about.
func linksOf(events []bridge.Event) (links []string) {
	for _, event := range events {
		links = append(links, event.LinkID)
	}
	return links
}

// position returns the position of the feed.
func (s *suite) position() bridge.Position {
	s.Helper()
	position, _ := s.readFeed(bridge.Position{}, true)
	return position
}

// wantEvents verifies which links the feed has after a position, and returns its position.
func (s *suite) wantEvents(what string, after bridge.Position, want ...string) bridge.Position {
	s.Helper()
	position, events := s.readFeed(after, false)
	if revoked := linksOf(events); !slices.Equal(revoked, want) {
		s.Errorf("%s: the feed has %v, want %v", what, events, want)
	}
	return position
}

// actorOf returns who revokes a link for a reason.
func actorOf(reason bridge.Reason) bridge.Actor {
	switch reason {
	case bridge.ReasonReplaced:
		return bridge.ActorPerson
	case bridge.ReasonCodeReplayed, bridge.ReasonRefreshReplayed:
		return "skill:pizza"
	case bridge.ReasonNotRedeemed, bridge.ReasonExpired:
		return bridge.ActorSystem
	case bridge.ReasonClient:
		return "backend:pizza-backend"
	case bridge.ReasonSkillDisabled:
		return bridge.ActorAlexa
	case bridge.ReasonOperator:
		return "command:ada@host"
	case bridge.ReasonDeprovisioned:
		return bridge.ActorProvider("corp")
	}
	return "" // of a live link
}

// by returns a revocation now.
func (s *suite) by(reason bridge.Reason) bridge.Revocation {
	return bridge.Revocation{Reason: reason, Actor: actorOf(reason), At: s.now}
}

// verifyFeed verifies that the feed and OnRevoke had each revoked link once, and no other, with the right actor.
func (s *suite) verifyFeed() {
	s.Helper()
	var want []bridge.Event
	for _, link := range s.links(bridge.LinkFilter{}) {
		if !link.RevokedAt.IsZero() {
			want = append(want, bridge.Event{LinkID: link.ID, ClientID: link.ClientID, Reason: link.Reason, Actor: link.Actor})
		}
		if link.Actor != actorOf(link.Reason) {
			s.Errorf("the actor is %q, want %q: %+v", link.Actor, actorOf(link.Reason), link)
		}
	}
	byLink := func(a, b bridge.Event) int { return cmp.Compare(a.LinkID, b.LinkID) }
	slices.SortFunc(want, byLink)
	_, events := s.readFeed(s.begin, false)
	s.mu.Lock()
	defer s.mu.Unlock()
	for what, got := range map[string][]bridge.Event{"the feed": events, "OnRevoke": s.onRevoke} {
		if slices.SortFunc(got, byLink); !slices.Equal(got, want) {
			s.Errorf("%s had %v, want %v", what, got, want)
		}
	}
}

// unregister registers a function twice beside that of the suite, and unregisters one of the two.
func (s *suite) unregister() {
	called := 0
	count := func(events []bridge.Event) { called += len(events) }
	unregister := s.store.OnRevoke(count)
	s.store.OnRevoke(count)
	s.revokedLink()
	unregister()
	unregister() // nothing more
	s.revokedLink()
	if called != 3 {
		s.Errorf("the functions were called for %d revocations, want 3", called)
	}
	s.verifyFeed()
}

func (s *suite) feedContinues() {
	position, want := s.begin, []string(nil)
	for range 3 {
		link := s.revokedLink()
		want = append(want, link)
		position = s.wantEvents("after one revocation", position, link)
	}
	if end := s.wantEvents("from the beginning", s.begin, want...); end != position {
		s.Errorf("the feed ends at %+v and at %+v", position, end)
	}
	s.wantEvents("from the end", position)
	s.mustRevoke(want...)
	if end := s.wantEvents("links that were revoked before", position); end != position {
		s.Error("the feed moved for links that were revoked before")
	}

	// A sweep long after the last event revokes a link, and keeps the event at the position of those who wait.
	s.now = s.now.Add(2 * bridge.EventMemory)
	unredeemed := s.link(withCode)
	s.must(errOf(s.store.Sweep(s.Context(),
		bridge.Sweep{Now: unredeemed.Code.ExpiresAt.Add(bridge.RedeemGrace), Limit: 100})))
	s.wantEvents("after a sweep", position, unredeemed.Link.ID)
}

// feedBreaks reads from positions that do not lead to the present one.
func (s *suite) feedBreaks() {
	var positions []bridge.Position
	for range 4 {
		s.revokedLink()
		positions = append(positions, s.position())
	}
	last := positions[3]
	for name, after := range map[string]bridge.Position{
		"another epoch":              with(last, func(p *bridge.Position) { p.Epoch = "other" }),
		"ahead of the feed":          with(last, func(p *bridge.Position) { p.Count++ }),
		"another event at its end":   with(last, func(p *bridge.Position) { p.Mark = "other" }),
		"another event on the way":   with(positions[1], func(p *bridge.Position) { p.Mark = "other" }),
		"more than MaxEvents behind": with(last, func(p *bridge.Position) { p.Count -= bridge.MaxEvents + 1 }),
	} {
		if position, _ := s.readFeed(after, true); position != last {
			s.Errorf("%s: the position is %+v", name, position)
		}
	}

	// Sweeping events breaks the feed for positions before them only.
	s.must(errOf(s.store.Sweep(s.Context(), bridge.Sweep{Now: s.now.Add(bridge.EventMemory - time.Second), Limit: 100})))
	s.readFeed(positions[0], false)
	s.must(errOf(s.store.Sweep(s.Context(), bridge.Sweep{Now: s.now.Add(bridge.EventMemory), Limit: 100})))
	s.readFeed(positions[0], true)
	s.wantEvents("from after the swept events", last, s.revokedLink())
}

// concurrentFeed reads the feed while many callers revoke links. Each link comes once.
func (s *suite) concurrentFeed() {
	const callers, each = 8, 10
	var want []string
	for range callers * each {
		want = append(want, s.link().Link.ID)
	}
	position := s.position()
	done := make(chan error, 1)
	go func() {
		done <- errors.Join(concurrently(callers, func(i int) (err error) {
			for _, id := range want[i*each : (i+1)*each] {
				filter := bridge.LinkFilter{IDs: []string{id}}
				err = errors.Join(err,
					errOf(s.store.Revoke(context.WithoutCancel(s.Context()), filter, s.by(bridge.ReasonOperator))))
			}
			return err
		})...)
	}()
	var seen []string
	for finished := false; !finished; {
		select {
		case err := <-done:
			s.must(err)
			finished = true
		default:
		}
		var more []bridge.Event
		position, more = s.readFeed(position, false)
		seen = append(seen, linksOf(more)...)
	}
	slices.Sort(want)
	if slices.Sort(seen); !slices.Equal(seen, want) {
		s.Errorf("%d events, want %d", len(seen), len(want))
	}
}

// concurrentRevoke races refreshes with a revocation. Whichever is first, no live token remains.
func (s *suite) concurrentRevoke() {
	for range 10 {
		redemption, link := s.mustRedeem()
		refreshes := make([]bridge.Refresh, 4)
		for i := range refreshes {
			refreshes[i] = s.newRefresh(redemption.Tokens.Refresh)
		}
		errs := concurrently(len(refreshes)+1, func(i int) error {
			if i == len(refreshes) {
				return errOf(s.store.Revoke(s.Context(), bridge.LinkFilter{IDs: []string{link.ID}}, s.by(bridge.ReasonOperator)))
			}
			return errOf(s.store.Refresh(s.Context(), refreshes[i]))
		})
		s.must(errs[len(refreshes)])
		for i, refresh := range refreshes {
			if errs[i] != nil {
				s.wantError(errs[i], bridge.ErrRevoked)
			} else {
				s.wantRevoked(refresh.Tokens.Access, bridge.ReasonOperator)
			}
		}
	}
}

// concurrentLinks makes many links concurrently, some of one person, of which no more than MaxLinks stay live.
func (s *suite) concurrentLinks() {
	links, handles := make([]bridge.NewLink, 64), make([]bridge.Hash, 64)
	for i := range links {
		links[i], handles[i] = s.newLink(), s.createPending()
		if i < 16 { // beside each other, to contend
			links[i].Link.Subject, links[i].MaxLinks = onePerson, 2
		}
	}
	s.must(errors.Join(concurrently(len(links), func(i int) error {
		return s.store.Link(s.Context(), handles[i], links[i])
	})...))
	for _, link := range links {
		s.lookup(link.Token)
	}
	if live := s.links(bridge.LinkFilter{Subject: onePerson, Live: true}); len(live) != 2 {
		s.Errorf("%d live links", len(live))
	}
	s.verifyFeed()
}

// concurrentSweeps runs sweeps concurrently. They revoke every link whose code was not redeemed.
func (s *suite) concurrentSweeps() {
	const links = 20
	var end time.Time
	for range links {
		end = s.link(withCode).Code.ExpiresAt.Add(bridge.RedeemGrace)
	}
	s.must(errors.Join(concurrently(4, func(int) (err error) {
		for range links {
			err = errors.Join(err, errOf(s.store.Sweep(s.Context(), bridge.Sweep{Now: end, Limit: 3})))
		}
		return err
	})...))
	if live := s.links(bridge.LinkFilter{Live: true}); len(live) != 0 {
		s.Errorf("%d links were not revoked", len(live))
	}
	s.verifyFeed()
}
