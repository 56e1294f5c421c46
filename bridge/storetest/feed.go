package storetest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"alexa-oidc-bridge/bridge"
)

// readEvents reads the feed, which must not be broken, and returns the revoked links.
func (s *suite) readEvents(after bridge.Position) (bridge.Position, []string) {
	s.Helper()
	feed, err := s.store.ReadFeed(s.Context(), after)
	if err != nil || feed.Broken {
		s.Fatalf("ReadFeed(%+v): %+v, %v", after, feed, err)
	}
	var revoked []string
	for _, event := range feed.Events {
		revoked = append(revoked, event.LinkID)
	}
	return feed.Position, revoked
}

// position returns the position of the feed.
func (s *suite) position() bridge.Position {
	s.Helper()
	feed, err := s.store.ReadFeed(s.Context(), bridge.Position{})
	if err != nil || !feed.Broken || feed.Position.Epoch == "" {
		s.Fatalf("ReadFeed from the beginning: %+v, %v", feed, err)
	}
	return feed.Position
}

// everyRevocation revokes a link in each possible way, and expects it in the feed and in OnRevoke.
func (s *suite) everyRevocation() {
	var mu sync.Mutex
	var called []string
	s.store.OnRevoke(func(ids []string) {
		mu.Lock()
		defer mu.Unlock()
		called = append(called, ids...)
	})
	revocations := map[string]func() (revoked string){
		"revoked": s.revokedLink,
		"by token": func() string {
			redemption, link := s.mustRedeem()
			s.must(errOf(s.store.RevokeByToken(s.Context(), redemption.Tokens.Access, []string{"pizza"}, s.now)))
			return link.ID
		},
		"code replayed": func() string {
			redemption, link := s.mustRedeem()
			redemption.Now = s.now.Add(bridge.CodeReplayGrace + time.Second)
			s.wantError(errOf(s.store.Redeem(s.Context(), redemption)), bridge.ErrReplayed)
			return link.ID
		},
		"refresh replayed": func() string {
			redemption, link := s.mustRedeem()
			child := s.mustRefresh(redemption.Tokens.Refresh, true)
			s.mustRefresh(child.Refresh, true)
			s.wantError(errOf(s.refresh(redemption.Tokens.Refresh, true, s.now)), bridge.ErrReplayed)
			return link.ID
		},
		"replaced": func() string {
			first, second := s.newLink(), s.newLink()
			second.Link.Subject, second.MaxLinks = first.Link.Subject, 1
			s.link(first)
			s.link(second)
			return first.Link.ID
		},
		"not redeemed": func() string {
			link := s.link(s.newCodeLink())
			s.mustSweep(link.Code.ExpiresAt.Add(bridge.RedeemGrace))
			return link.Link.ID
		},
		"expired": func() string {
			link := s.newLink()
			link.ExpiresAt = s.now.Add(time.Hour)
			s.link(link)
			s.mustSweep(link.ExpiresAt)
			return link.Link.ID
		},
	}
	for name, revoke := range revocations {
		before := s.position()
		called = nil
		link := revoke()
		if _, revoked := s.readEvents(before); !slices.Equal(revoked, []string{link}) {
			s.Errorf("%s: the feed has %v", name, revoked)
		}
		if !slices.Equal(called, []string{link}) {
			s.Errorf("%s: OnRevoke got %v", name, called)
		}
	}
}

func (s *suite) feedContinues() {
	begin := s.position()
	position, want := begin, []string(nil)
	for range 3 {
		link := s.revokedLink()
		want = append(want, link)
		var revoked []string
		if position, revoked = s.readEvents(position); !slices.Equal(revoked, []string{link}) {
			s.Errorf("after one revocation: %v", revoked)
		}
	}
	if end, revoked := s.readEvents(begin); !slices.Equal(revoked, want) || end != position {
		s.Errorf("from the beginning: %v, want %v", revoked, want)
	}
	if _, revoked := s.readEvents(position); revoked != nil {
		s.Errorf("from the end: %v", revoked)
	}
	s.mustRevoke(want...)
	if end, _ := s.readEvents(position); end != position {
		s.Error("links that were revoked before are in the feed again")
	}
}

// feedBreaks reads from positions that do not lead to the present one.
func (s *suite) feedBreaks() {
	var positions []bridge.Position
	for range 4 {
		s.revokedLink()
		positions = append(positions, s.position())
	}
	last := positions[3]
	changed := func(p bridge.Position, change func(*bridge.Position)) bridge.Position {
		change(&p)
		return p
	}
	for name, after := range map[string]bridge.Position{
		"another epoch":              changed(last, func(p *bridge.Position) { p.Epoch = "other" }),
		"ahead of the feed":          changed(last, func(p *bridge.Position) { p.Count++ }),
		"another event at its end":   changed(last, func(p *bridge.Position) { p.Mark = "other" }),
		"another event on the way":   changed(positions[1], func(p *bridge.Position) { p.Mark = "other" }),
		"more than MaxEvents behind": changed(last, func(p *bridge.Position) { p.Count -= bridge.MaxEvents + 1 }),
	} {
		feed, err := s.store.ReadFeed(s.Context(), after)
		if err != nil || !feed.Broken || feed.Position != last {
			s.Errorf("%s: %+v, %v", name, feed, err)
		}
	}

	// Sweeping events breaks the feed for positions before them only.
	s.mustSweep(s.now.Add(bridge.EventMemory - time.Second))
	s.readEvents(positions[0])
	s.mustSweep(s.now.Add(bridge.EventMemory))
	if feed, err := s.store.ReadFeed(s.Context(), positions[0]); err != nil || !feed.Broken {
		s.Errorf("from before the swept events: %+v, %v", feed, err)
	}
	link := s.revokedLink()
	if _, revoked := s.readEvents(last); !slices.Equal(revoked, []string{link}) {
		s.Errorf("from after the swept events: %v", revoked)
	}
}

// concurrentFeed reads the feed while many callers revoke links. Each link comes once.
func (s *suite) concurrentFeed() {
	const callers, each = 8, 10
	links := make([][]string, callers)
	for i := range links {
		for range each {
			links[i] = append(links[i], s.link(s.newLink()).Link.ID)
		}
	}
	position := s.position()
	done := make(chan error, 1)
	go func() {
		done <- errors.Join(concurrently(callers, func(i int) (err error) {
			for _, id := range links[i] {
				_, failed := s.store.Revoke(context.WithoutCancel(s.Context()), bridge.LinkFilter{IDs: []string{id}}, "x", s.now)
				err = errors.Join(err, failed)
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
		var more []string
		position, more = s.readEvents(position)
		seen = append(seen, more...)
	}
	want := slices.Sorted(slices.Values(slices.Concat(links...)))
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
			refreshes[i] = s.newRefresh(redemption.Tokens.Refresh, s.now)
		}
		errs := concurrently(len(refreshes)+1, func(i int) error {
			if i == len(refreshes) {
				return errOf(s.store.Revoke(s.Context(), bridge.LinkFilter{IDs: []string{link.ID}}, "x", s.now))
			}
			return errOf(s.store.Refresh(s.Context(), refreshes[i]))
		})
		s.must(errs[len(refreshes)])
		for i, refresh := range refreshes {
			if errs[i] != nil {
				s.wantError(errs[i], bridge.ErrRevoked)
			} else {
				s.wantRevoked(refresh.Tokens.Access, "x")
			}
		}
	}
}

// concurrentMaxLinks makes many links of one person concurrently. No more than MaxLinks stay live.
func (s *suite) concurrentMaxLinks() {
	s.linkConcurrently(8, func(link *bridge.NewLink) { link.Link.Subject, link.MaxLinks = onePerson, 2 })
	if live := s.links(bridge.LinkFilter{Subject: onePerson, Live: true}); len(live) != 2 {
		s.Errorf("%d live links", len(live))
	}
}

// concurrentSweeps runs sweeps concurrently. They revoke every link whose code was not redeemed.
func (s *suite) concurrentSweeps() {
	const links = 20
	var ids []string
	var end time.Time
	for range links {
		link := s.link(s.newCodeLink())
		ids, end = append(ids, link.Link.ID), link.Code.ExpiresAt.Add(bridge.RedeemGrace)
	}
	s.must(errors.Join(concurrently(4, func(int) (err error) {
		for range links {
			err = errors.Join(err, errOf(s.store.Sweep(s.Context(), end, 3)))
		}
		return err
	})...))
	if live := s.links(bridge.LinkFilter{IDs: ids, Live: true}); len(live) != 0 {
		s.Errorf("%d links were not revoked", len(live))
	}
}
