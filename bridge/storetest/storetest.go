// Package storetest is the test suite of [bridge.Store]: it verifies the promises of the interface on an
// implementation.
//
//	func TestMyStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) bridge.Store {
//			store := mystore.New(t.TempDir())
//			t.Cleanup(func() { store.Close() })
//			return store
//		})
//	}
package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
)

// Run runs the suite. Each test calls open for an empty store, which open must close when the test ends (T.Cleanup).
// Tests run in parallel.
func Run(t *testing.T, open func(t *testing.T) bridge.Store) {
	tests := []struct {
		name string
		run  func(*suite)
	}{
		{"Lookup finds the whole link", (*suite).lookupLink},
		{"Lookup of an unknown token", (*suite).lookupUnknown},
		{"Lookup of a token that expires", (*suite).lookupExpiring},
		{"PendingConsent returns what was stored", (*suite).pendingConsent},
		{"CreatePendingConsent twice keeps the first", (*suite).createTwice},
		{"PendingConsent expires", (*suite).pendingConsentExpires},
		{"a decision is final", (*suite).decisionIsFinal},
		{"concurrent decisions, one succeeds", (*suite).concurrentDecisions},
		{"a failed Link leaves the consent undecided", (*suite).failedLink},
		{"Revoke revokes live links once", (*suite).revoke},
		{"filters", (*suite).filters},
		{"MaxLinks revokes the oldest", (*suite).maxLinks},
		{"TouchLinks writes once an hour", (*suite).touchLinks},
		{"Sweep removes what has expired, and no more", (*suite).sweep},
		{"Redeem", (*suite).redeem},
		{"Redeem with a mismatch changes nothing", (*suite).redeemMismatch},
		{"concurrent redemptions, one succeeds", (*suite).concurrentRedemptions},
		{"a replayed code revokes its link", (*suite).codeReplay},
		{"Sweep revokes links whose code was not redeemed", (*suite).codeExpires},
		{"Redeem revokes the oldest links", (*suite).codeReplaces},
		{"Refresh without rotation", (*suite).refreshStable},
		{"Refresh with rotation", (*suite).refreshRotates},
		{"Refresh keeps the newest successors", (*suite).refreshManySuccessors},
		{"a failed Refresh adds nothing", (*suite).refreshErrors},
		{"RevokeByToken", (*suite).revokeByToken},
		{"Sweep revokes expired links and remembers replays", (*suite).sweepTokens},
		{"every revocation is in the feed and passed to OnRevoke", (*suite).everyRevocation},
		{"ReadFeed continues from a position", (*suite).feedContinues},
		{"ReadFeed is broken where it cannot continue", (*suite).feedBreaks},
		{"ReadFeed returns concurrent revocations once", (*suite).concurrentFeed},
		{"concurrent refreshes and revocations leave no live token", (*suite).concurrentRevoke},
		{"MaxLinks with concurrent links", (*suite).concurrentMaxLinks},
		{"concurrent sweeps revoke every link", (*suite).concurrentSweeps},
		{"concurrent writers all succeed", (*suite).concurrentWriters},
		{"an ended context", (*suite).endedContext},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
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

// newLink returns an implicit link of a new person, with every field set.
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

// link adds a link to the store, by way of a pending consent.
func (s *suite) link(made bridge.NewLink) bridge.NewLink {
	s.Helper()
	s.must(s.store.Link(s.Context(), s.createPending(), made))
	return made
}

// createPending stores a pending consent and returns its handle.
func (s *suite) createPending() bridge.Hash {
	s.Helper()
	s.count++
	handle := bridge.HashOf(fmt.Sprintf("handle %d", s.count))
	s.must(s.store.CreatePendingConsent(s.Context(),
		bridge.PendingConsent{Handle: handle, Sealed: []byte("sealed\x00"), ExpiresAt: s.now.Add(10 * time.Minute)}))
	return handle
}

func (s *suite) mustRevoke(linkIDs ...string) {
	s.Helper()
	s.must(errOf(s.store.Revoke(s.Context(), bridge.LinkFilter{IDs: linkIDs}, "x", s.now)))
}

func (s *suite) lookup(token bridge.Hash) bridge.AccessToken {
	s.Helper()
	found, err := s.store.Lookup(s.Context(), token)
	s.must(err)
	return found
}

// revokedLink adds a link, revokes it, and returns its ID.
func (s *suite) revokedLink() string {
	s.Helper()
	id := s.link(s.newLink()).Link.ID
	s.mustRevoke(id)
	return id
}

func (s *suite) links(filter bridge.LinkFilter) []bridge.Link {
	s.Helper()
	links, err := s.store.Links(s.Context(), filter)
	s.must(err)
	return links
}

func (s *suite) mustSweep(now time.Time) {
	s.Helper()
	s.must(errOf(s.store.Sweep(s.Context(), now, 100)))
}

// must ends the test on an error.
func (s *suite) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// errOf drops the first result of a call.
func errOf[T any](_ T, err error) error { return err }

// wantActive verifies that a token is active; otherwise the problem says what went wrong.
func (s *suite) wantActive(token bridge.Hash, problem string) {
	s.Helper()
	if !s.lookup(token).Active(s.now) {
		s.Error(problem)
	}
}

func (s *suite) wantRevoked(token bridge.Hash, reason bridge.Reason) {
	s.Helper()
	if found := s.lookup(token); found.Active(s.now) || found.Link.Reason != reason {
		s.Errorf("want a link revoked for %q: %+v", reason, found.Link)
	}
}

// wantSweep sweeps and verifies how much was removed.
func (s *suite) wantSweep(now time.Time, limit, want int) {
	s.Helper()
	if n, err := s.store.Sweep(s.Context(), now, limit); err != nil || n != want {
		s.Fatalf("Sweep removed %d, %v; want %d", n, err, want)
	}
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

func (s *suite) concurrentWriters() {
	for _, link := range s.linkConcurrently(64, func(*bridge.NewLink) {}) {
		s.lookup(link.Token)
	}
}

// linkConcurrently adds n links at once.
func (s *suite) linkConcurrently(n int, change func(*bridge.NewLink)) []bridge.NewLink {
	s.Helper()
	links, handles := make([]bridge.NewLink, n), make([]bridge.Hash, n)
	for i := range links {
		links[i], handles[i] = s.newLink(), s.createPending()
		change(&links[i])
	}
	s.must(errors.Join(concurrently(n, func(i int) error { return s.store.Link(s.Context(), handles[i], links[i]) })...))
	return links
}

func (s *suite) endedContext() {
	ctx, cancel := context.WithCancel(s.Context())
	cancel()
	if _, err := s.store.Lookup(ctx, bridge.HashOf("x")); err == nil || errors.Is(err, bridge.ErrNotFound) {
		s.Errorf("Lookup: %v", err)
	}
	if _, err := s.store.Revoke(ctx, bridge.LinkFilter{}, "x", s.now); err == nil {
		s.Error("Revoke succeeded")
	}
	if _, err := s.store.Links(s.Context(), bridge.LinkFilter{}); err != nil {
		s.Errorf("afterwards: %v", err)
	}
}

// concurrently calls a function n times at once and returns the errors of the calls.
func concurrently(n int, do func(i int) error) []error {
	errs := make([]error, n)
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() { errs[i] = do(i) })
	}
	group.Wait()
	return errs
}

// wantOne verifies that exactly one of concurrent calls succeeded, and returns which.
func (s *suite) wantOne(errs []error) int {
	s.Helper()
	first := slices.Index(errs, nil)
	if first < 0 || slices.Contains(errs[first+1:], nil) {
		s.Fatalf("not exactly one call succeeded: %v", errs)
	}
	return first
}
