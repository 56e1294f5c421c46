// Package storetest is the one suite that every [bridge.Store] must pass.
package storetest

import (
	"context"
	"errors"
	"fmt"
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
		{"a code is redeemed once", (*suite).redeem},
		{"what does not belong to a code burns nothing", (*suite).redeemMismatch},
		{"of many redemptions at once one succeeds", (*suite).redeemAtOnce},
		{"a code that comes again late ends its link", (*suite).codeReplay},
		{"a code that is not redeemed takes its link with it", (*suite).codeExpires},
		{"a code replaces older links when it is redeemed", (*suite).codeReplaces},
		{"a refresh token stays the same", (*suite).refreshStable},
		{"a refresh token rotates when its successor is presented", (*suite).refreshRotates},
		{"of unpresented successors the newest live", (*suite).refreshManySuccessors},
		{"a refresh that is refused adds nothing", (*suite).refreshRefused},
		{"any live token ends its link for its clients", (*suite).revokeByToken},
		{"sweeping ends what expired, and forgets replays late", (*suite).sweepTokens},
		{"every end of a link is in the feed, and told at once", (*suite).everyEnd},
		{"the feed goes on from where one was", (*suite).feedGoesOn},
		{"the feed breaks where it does not go on", (*suite).feedBreaks},
		{"the feed has what many end at once", (*suite).feedAtOnce},
		{"no token outlives its link, whatever races", (*suite).noTokenAfterTheEnd},
		{"links made at once keep to the limit", (*suite).maxLinksAtOnce},
		{"sweeps at once forget nothing", (*suite).sweepsAtOnce},
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
	err := s.store.CreatePendingConsent(s.Context(), bridge.PendingConsent{
		Handle: handle, Sealed: []byte("sealed\x00"), ExpiresAt: s.now.Add(10 * time.Minute),
	})
	if err != nil {
		s.Fatalf("CreatePendingConsent: %v", err)
	}
	return handle
}

func (s *suite) lookup(token bridge.Hash) bridge.AccessToken {
	s.Helper()
	found, err := s.store.Lookup(s.Context(), token)
	if err != nil {
		s.Fatalf("Lookup: %v", err)
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
		s.lookup(links[i].Token)
	}
}

func (s *suite) endedContext() {
	ctx, cancel := context.WithCancel(s.Context())
	cancel()
	if _, err := s.store.Lookup(ctx, bridge.HashOf("x")); err == nil || errors.Is(err, bridge.ErrNotFound) {
		s.Errorf("Lookup: %v; that is an answer", err)
	}
	if _, err := s.store.Revoke(ctx, bridge.LinkFilter{}, "x", s.now); err == nil {
		s.Error("Revoke: no error")
	}
	if _, err := s.store.Links(s.Context(), bridge.LinkFilter{}); err != nil {
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
