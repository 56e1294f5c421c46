package storetest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"alexa-oidc-bridge/bridge"
)

// follow reads the feed and returns which links ended.
func (s *suite) follow(after bridge.Position) (bridge.Position, []string) {
	s.Helper()
	feed, err := s.store.ReadFeed(s.Context(), after)
	if err != nil {
		s.Fatalf("ReadFeed: %v", err)
	}
	if feed.Broken {
		s.Fatalf("ReadFeed(%+v): broken at %+v", after, feed.Position)
	}
	var ended []string
	for _, event := range feed.Events {
		ended = append(ended, event.LinkID)
	}
	return feed.Position, ended
}

// start returns where the feed stands.
func (s *suite) start() bridge.Position {
	s.Helper()
	feed, err := s.store.ReadFeed(s.Context(), bridge.Position{})
	if err != nil || !feed.Broken || feed.Position.Epoch == "" {
		s.Fatalf("the first reading: %+v, %v", feed, err)
	}
	return feed.Position
}

// everyEnd ends a link in each way that there is, and expects it in the feed, and told at once.
func (s *suite) everyEnd() {
	var mu sync.Mutex
	var told []string
	s.store.OnRevoke(func(ids []string) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, ids...)
	})
	ends := map[string]func() (ended string){
		"revoked": func() string {
			link := s.link(s.newLink()).Link.ID
			if _, err := s.store.Revoke(s.Context(), bridge.LinkFilter{IDs: []string{link}}, "x", s.now); err != nil {
				s.Fatal(err)
			}
			return link
		},
		"by token": func() string {
			redemption, link := s.mustRedeem()
			if _, err := s.store.RevokeByToken(s.Context(), redemption.Tokens.Access, []string{"pizza"}, s.now); err != nil {
				s.Fatal(err)
			}
			return link.ID
		},
		"code replayed": func() string {
			redemption, link := s.mustRedeem()
			redemption.Now = s.now.Add(bridge.CodeReplayGrace + time.Second)
			_, err := s.store.Redeem(s.Context(), redemption)
			s.wantError(err, bridge.ErrReplayed)
			return link.ID
		},
		"refresh replayed": func() string {
			redemption, link := s.mustRedeem()
			child := s.mustRefresh(redemption.Tokens.Refresh, true)
			s.mustRefresh(child.Refresh, true)
			_, err := s.refresh(redemption.Tokens.Refresh, true, s.now)
			s.wantError(err, bridge.ErrReplayed)
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
			link := s.newCodeLink()
			s.link(link)
			if _, err := s.store.Sweep(s.Context(), link.Code.ExpiresAt.Add(bridge.RedeemGrace), 10); err != nil {
				s.Fatal(err)
			}
			return link.Link.ID
		},
		"expired": func() string {
			link := s.newLink()
			link.ExpiresAt = s.now.Add(time.Hour)
			s.link(link)
			if _, err := s.store.Sweep(s.Context(), link.ExpiresAt, 10); err != nil {
				s.Fatal(err)
			}
			return link.Link.ID
		},
	}
	for name, end := range ends {
		before := s.start()
		told = nil
		link := end()
		if _, ended := s.follow(before); !slices.Equal(ended, []string{link}) {
			s.Errorf("%s: the feed has %v", name, ended)
		}
		if !slices.Equal(told, []string{link}) {
			s.Errorf("%s: told of %v", name, told)
		}
	}
}

func (s *suite) feedGoesOn() {
	begin := s.start()
	position, want := begin, []string(nil)
	for range 3 {
		link := s.link(s.newLink()).Link.ID
		if _, err := s.store.Revoke(s.Context(), bridge.LinkFilter{IDs: []string{link}}, "x", s.now); err != nil {
			s.Fatal(err)
		}
		want = append(want, link)
		var ended []string
		if position, ended = s.follow(position); !slices.Equal(ended, []string{link}) {
			s.Errorf("after each: %v", ended)
		}
	}
	if end, ended := s.follow(begin); !slices.Equal(ended, want) || end != position {
		s.Errorf("from the beginning: %v, want %v", ended, want)
	}
	if _, ended := s.follow(position); ended != nil {
		s.Errorf("from the end: %v", ended)
	}
	if _, err := s.store.Revoke(s.Context(), bridge.LinkFilter{IDs: want}, "x", s.now); err != nil {
		s.Fatal(err)
	}
	if end, _ := s.follow(position); end != position {
		s.Errorf("links that had ended before are in the feed again")
	}
}

// feedBreaks asks from positions that are not on the way to where the feed stands.
func (s *suite) feedBreaks() {
	var positions []bridge.Position
	for range 4 {
		link := s.link(s.newLink()).Link.ID
		if _, err := s.store.Revoke(s.Context(), bridge.LinkFilter{IDs: []string{link}}, "x", s.now); err != nil {
			s.Fatal(err)
		}
		positions = append(positions, s.start())
	}
	last := positions[3]
	changed := func(p bridge.Position, change func(*bridge.Position)) bridge.Position {
		change(&p)
		return p
	}
	for name, after := range map[string]bridge.Position{
		"another epoch":             changed(last, func(p *bridge.Position) { p.Epoch = "other" }),
		"ahead of the feed":         changed(last, func(p *bridge.Position) { p.Count++ }),
		"another event at its end":  changed(last, func(p *bridge.Position) { p.Mark = "other" }),
		"another event on the way":  changed(positions[1], func(p *bridge.Position) { p.Mark = "other" }),
		"too far behind to be told": changed(last, func(p *bridge.Position) { p.Count -= bridge.MaxEvents + 1 }),
	} {
		feed, err := s.store.ReadFeed(s.Context(), after)
		if err != nil || !feed.Broken || feed.Position != last {
			s.Errorf("%s: %+v, %v", name, feed, err)
		}
	}

	// What was trimmed breaks the feed for those who have not seen it, and for nobody else.
	if _, err := s.store.Sweep(s.Context(), s.now.Add(bridge.EventMemory-time.Second), 100); err != nil {
		s.Fatal(err)
	}
	s.follow(positions[0])
	if _, err := s.store.Sweep(s.Context(), s.now.Add(bridge.EventMemory), 100); err != nil {
		s.Fatal(err)
	}
	if feed, err := s.store.ReadFeed(s.Context(), positions[0]); err != nil || !feed.Broken {
		s.Errorf("from before the trimmed: %+v, %v", feed, err)
	}
	link := s.link(s.newLink()).Link.ID
	if _, err := s.store.Revoke(s.Context(), bridge.LinkFilter{IDs: []string{link}}, "x", s.now); err != nil {
		s.Fatal(err)
	}
	if _, ended := s.follow(last); !slices.Equal(ended, []string{link}) {
		s.Errorf("from behind the trimmed: %v", ended)
	}
}

// feedAtOnce follows while many end links: every one comes once, and none is passed over.
func (s *suite) feedAtOnce() {
	const callers, each = 8, 10
	links := make([][]string, callers)
	for i := range links {
		for range each {
			links[i] = append(links[i], s.link(s.newLink()).Link.ID)
		}
	}
	position := s.start()
	done := make(chan struct{})
	errs := make([]error, callers)
	go func() {
		defer close(done)
		inParallel(callers, func(i int) {
			for j, id := range links[i] {
				if _, err := s.store.Revoke(context.WithoutCancel(s.Context()), bridge.LinkFilter{IDs: []string{id}}, "x", s.now); err != nil {
					errs[i] = fmt.Errorf("link %d: %w", j, err)
				}
			}
		})
	}()
	var seen []string
	for ended := false; !ended; {
		select {
		case <-done:
			ended = true
		default:
		}
		var more []string
		position, more = s.follow(position)
		seen = append(seen, more...)
	}
	for i, err := range errs {
		if err != nil {
			s.Errorf("caller %d: %v", i, err)
		}
	}
	want := slices.Sorted(slices.Values(slices.Concat(links...)))
	if slices.Sort(seen); !slices.Equal(seen, want) {
		s.Errorf("%d events, want %d", len(seen), len(want))
	}
}

// noTokenAfterTheEnd races refreshes and redemptions with revocations. Whatever comes first, no live token remains.
func (s *suite) noTokenAfterTheEnd() {
	for range 20 {
		redemption, link := s.mustRedeem()
		tokens := make([]bridge.NewTokens, 4)
		errs := make([]error, len(tokens))
		refreshes := make([]bridge.Refresh, len(tokens))
		for i := range tokens {
			tokens[i] = s.pair("race")
			refreshes[i] = bridge.Refresh{Token: redemption.Tokens.Refresh, ClientID: "pizza", Tokens: tokens[i], Now: s.now, Honours: always}
		}
		inParallel(len(tokens)+1, func(i int) {
			if i == len(tokens) {
				if _, err := s.store.Revoke(s.Context(), bridge.LinkFilter{IDs: []string{link.ID}}, "x", s.now); err != nil {
					s.Error(err)
				}
				return
			}
			_, errs[i] = s.store.Refresh(s.Context(), refreshes[i])
		})
		for i, err := range errs {
			if err != nil {
				s.wantError(err, bridge.ErrRevoked)
				continue
			}
			if s.lookup(tokens[i].Access).Active(s.now) {
				s.Error("a token lives though its link has ended")
			}
		}
	}
}

// maxLinksAtOnce makes many links of one person at once. Not more than allowed remain.
func (s *suite) maxLinksAtOnce() {
	const callers = 8
	links, handles := make([]bridge.NewLink, callers), make([]bridge.Hash, callers)
	for i := range links {
		links[i], handles[i] = s.newLink(), s.await()
		links[i].Link.Subject, links[i].MaxLinks = "one person", 2
	}
	inParallel(callers, func(i int) {
		if err := s.store.Link(s.Context(), handles[i], links[i]); err != nil {
			s.Errorf("caller %d: %v", i, err)
		}
	})
	live, err := s.store.Links(s.Context(), bridge.LinkFilter{Subject: "one person", Live: true})
	if err != nil || len(live) != 2 {
		s.Errorf("%d live links, %v", len(live), err)
	}
}

// sweepsAtOnce sweeps from several sides: every link whose code nobody came for is ended, and none is forgotten.
func (s *suite) sweepsAtOnce() {
	const links = 40
	var ids []string
	var end time.Time
	for range links {
		link := s.newCodeLink()
		s.link(link)
		ids, end = append(ids, link.Link.ID), link.Code.ExpiresAt.Add(bridge.RedeemGrace)
	}
	inParallel(4, func(int) {
		for range links {
			if _, err := s.store.Sweep(s.Context(), end, 3); err != nil {
				s.Error(err)
			}
		}
	})
	live, err := s.store.Links(s.Context(), bridge.LinkFilter{IDs: ids, Live: true})
	if err != nil || len(live) != 0 {
		s.Errorf("%d links were not ended, %v", len(live), err)
	}
}
