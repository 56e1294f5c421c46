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
	for name, test := range map[string]func(*suite){
		"Lookup finds the whole link, and no other":                (*suite).lookupLink,
		"PendingConsent returns what was stored first":             (*suite).pendingConsent,
		"PendingConsent expires":                                   (*suite).pendingConsentExpires,
		"a decision is final":                                      (*suite).decisionIsFinal,
		"concurrent decisions, one succeeds":                       (*suite).concurrentDecisions,
		"a failed Link leaves the consent undecided":               (*suite).failedLink,
		"Mint makes test links only":                               (*suite).mint,
		"Revoke revokes live links once":                           (*suite).revoke,
		"filters":                                                  (*suite).filters,
		"filters by times":                                         (*suite).filterTimes,
		"Links in pages":                                           (*suite).pages,
		"Revoke and Forget some at a time":                         (*suite).endSome,
		"Revoke and Forget many, some at a time":                   (*suite).endMany,
		"links are tied to Alexa users":                            (*suite).ties,
		"what is not tied to an Alexa user":                        (*suite).tieErrors,
		"a disabled skill ends what was tied before":               (*suite).disableSkill,
		"a disabled skill ends what is told of later":              (*suite).disableBefore,
		"Sweep forgets who disabled a skill":                       (*suite).sweepDisabled,
		"Forget erases ties":                                       (*suite).forgetTie,
		"a tie that meets a disabled skill":                        (*suite).tieWhileDisabled,
		"concurrent ties and a disabled skill leave no live link":  (*suite).concurrentTies,
		"MaxLinks revokes the oldest":                              (*suite).maxLinks,
		"TouchLinks writes once an hour":                           (*suite).touchLinks,
		"Sweep removes what has expired, and no more":              (*suite).sweep,
		"Redeem, after failures that change nothing":               (*suite).redeemCode,
		"concurrent redemptions, one succeeds":                     (*suite).concurrentRedemptions,
		"a replayed code revokes its link":                         (*suite).codeReplay,
		"Sweep revokes links whose code was not redeemed":          (*suite).codeExpires,
		"Redeem revokes the oldest links":                          (*suite).codeReplaces,
		"Refresh without rotation":                                 (*suite).refreshStable,
		"Refresh with rotation":                                    (*suite).refreshRotates,
		"Refresh keeps the newest successors":                      (*suite).refreshManySuccessors,
		"a failed Refresh adds nothing":                            (*suite).refreshErrors,
		"RevokeByToken":                                            (*suite).revokeByToken,
		"Sweep revokes expired links and remembers replays":        (*suite).sweepTokens,
		"OnRevoke calls until it is unregistered":                  (*suite).unregister,
		"ReadFeed continues from a position":                       (*suite).feedContinues,
		"ReadFeed is broken where it cannot continue":              (*suite).feedBreaks,
		"ReadFeed returns concurrent revocations once":             (*suite).concurrentFeed,
		"concurrent refreshes and revocations leave no live token": (*suite).concurrentRevoke,
		"concurrent links all succeed, within MaxLinks":            (*suite).concurrentLinks,
		"concurrent sweeps revoke every link":                      (*suite).concurrentSweeps,
		"CreatePendingConsent keeps the newest of a person":        (*suite).manyPendingConsents,
		"concurrent pending consents stay within the limit":        (*suite).concurrentPendingConsents,
		"Forget erases live and revoked links":                     (*suite).forget,
		"Forget erases many links at once":                         (*suite).forgetMany,
		"concurrent refreshes and Forget leave no token":           (*suite).concurrentForget,
		"Sweep erases revoked links after EndedRetention":          (*suite).sweepEnded,
		"concurrent sweeps erase every revoked link":               (*suite).concurrentErasure,
		"Revoke by subject revokes sign-ins":                       (*suite).revokeSignIns,
		"Forget by subject revokes sign-ins":                       (*suite).forgetSignIns,
		"Sweep removes revocations of sign-ins":                    (*suite).sweepSignIns,
		"concurrent links and Revoke leave no live link":           (*suite).concurrentSignIns,
		"links that were replaced or not redeemed lose claims":     (*suite).dropClaims,
		"Account names select links":                               (*suite).accounts,
		"a link without account names matches by its sub":          (*suite).accountsOfOlderLinks,
		"OnePerson revokes nothing of several persons":             (*suite).onlyOnePerson,
		"Revoke by account names revokes sign-ins":                 (*suite).revokeAccountSignIns,
		"the token of a revocation is accepted once":               (*suite).usedTokens,
		"a recheck begins when it may":                             (*suite).beginRecheck,
		"one of concurrent rechecks begins":                        (*suite).concurrentRechecks,
		"a recheck records what it found out":                      (*suite).finishRecheck,
		"a token that is replaced once":                            (*suite).replaceToken,
		"a recheck revokes its link":                               (*suite).revokeRechecked,
		"a recheck renews claims":                                  (*suite).renewClaims,
		"a recheck that does not run any more records nothing":     (*suite).lostRecheck,
		"a recheck that is asked for meanwhile is due":             (*suite).recheckMeanwhile,
		"Revoke with Recheck":                                      (*suite).revokeWithRecheck,
		"due rechecks have an order":                               (*suite).orderOfDue,
		"a lost upstream token counts as none":                     (*suite).lostToken,
		"upstream tokens end with their links":                     (*suite).upstreamTokensEnd,
		"links without account names are counted":                  (*suite).unnamedLinks,
		"upstream tokens are sealed anew":                          (*suite).reseal,
		"every event has an audit record":                          (*suite).auditEvents,
		"every revocation has an audit record":                     (*suite).auditRevocations,
		"what fails has no audit record":                           (*suite).auditFailures,
		"filters of audit records":                                 (*suite).auditFilters,
		"many revocations at once have audit records":              (*suite).auditMany,
		"Forget erases the person from audit records":              (*suite).auditForgotten,
		"Forget by subject reaches audit records of erased links":  (*suite).auditOfErased,
		"Sweep removes audit records after AuditRetention":         (*suite).sweepAudit,
		"directory users":                                          (*suite).directoryUsers,
		"directory users change":                                   (*suite).changeDirectoryUsers,
		"a directory ends the links of one person":                 (*suite).deprovision,
		"an inactive directory user has no links":                  (*suite).deprovisionInactive,
		"a directory ends nothing of several persons":              (*suite).deprovisionAmbiguous,
		"concurrent changes of directory users":                    (*suite).concurrentDirectoryUsers,
		"an ended context":                                         (*suite).endedContext,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &suite{T: t, store: open(t), now: time.Unix(1_800_000_000, 0).UTC()}
			s.begin = s.position()
			s.store.OnRevoke(func(events []bridge.Event) {
				s.mu.Lock()
				defer s.mu.Unlock()
				s.onRevoke = append(s.onRevoke, events...)
			})
			test(s)
		})
	}
}

type suite struct {
	*testing.T
	store bridge.Store
	begin bridge.Position // before the test
	now   time.Time
	count int

	mu       sync.Mutex
	onRevoke []bridge.Event // the links that OnRevoke was called with
}

// with returns a value with changes.
func with[T any](value T, changes ...func(*T)) T {
	for _, change := range changes {
		change(&value)
	}
	return value
}

// newLink returns an implicit link of a new person, with every field set, and with changes.
func (s *suite) newLink(changes ...func(*bridge.NewLink)) bridge.NewLink {
	s.count++
	id := bridge.NewLinkID()
	identity := bridge.Identity{
		Provider: bridge.Provider{ID: "corp", Issuer: "https://login.example.com", SubjectClaim: "oid", EmailClaim: "e.f",
			GroupsClaim: "a.b"},
		Subject: fmt.Sprintf("subject %d", s.count),
		Claims: bridge.Claims{"email": fmt.Sprintf("Person%d@Contoso.com", s.count), "groups": []any{"a", "ü"},
			"email_verified": true},
	}
	return with(bridge.NewLink{
		Link: bridge.Link{ID: id, ClientID: "pizza", Grant: bridge.GrantImplicit, Identity: identity, Scope: "orders menu",
			CreatedAt: s.now},
		SignedInAt: s.now,
		Token:      bridge.HashOf("token of " + id),
	}, changes...)
}

const onePerson = "one person"

// ofOnePerson is a change to a link: all with it are of one person.
func ofOnePerson(n *bridge.NewLink) { n.Link.Subject = onePerson }

// expiring is a change to a link: its token expires in an hour.
func expiring(n *bridge.NewLink) { n.ExpiresAt = n.Link.CreatedAt.Add(time.Hour) }

// withCode is a change to a link: it is by the code grant, and of one person.
func withCode(n *bridge.NewLink) {
	ofOnePerson(n)
	n.Link.Grant, n.Token = bridge.GrantAuthorizationCode, ""
	n.Code = &bridge.NewCode{
		Hash: bridge.HashOf("code of " + n.Link.ID), RedirectURI: "https://example.com/back",
		CodeChallenge: "challenge", ExpiresAt: n.Link.CreatedAt.Add(time.Minute),
	}
}

// link adds a new link to the store, by way of a pending consent.
func (s *suite) link(changes ...func(*bridge.NewLink)) bridge.NewLink {
	s.Helper()
	made := s.newLink(changes...)
	s.must(s.store.Link(s.Context(), s.createPending(), made))
	return made
}

// createPending stores a pending consent, of a person if one is given, and returns its handle.
func (s *suite) createPending(person ...bridge.Hash) bridge.Hash {
	s.Helper()
	s.count++
	handle := bridge.HashOf(fmt.Sprintf("handle %d", s.count))
	pending := bridge.PendingConsent{Handle: handle, Sealed: []byte("sealed\x00"), ExpiresAt: s.now.Add(10 * time.Minute)}
	if len(person) > 0 {
		pending.Person = person[0]
	}
	s.must(s.store.CreatePendingConsent(s.Context(), pending))
	return handle
}

func (s *suite) mustRevoke(linkIDs ...string) {
	s.Helper()
	s.must(errOf(s.store.Revoke(s.Context(), bridge.LinkFilter{IDs: linkIDs}, s.by(bridge.ReasonOperator))))
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
	id := s.link().Link.ID
	s.mustRevoke(id)
	return id
}

func (s *suite) links(filter bridge.LinkFilter) []bridge.Link {
	s.Helper()
	links, err := s.store.Links(s.Context(), filter)
	s.must(err)
	return links
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

// wantActive verifies that tokens are active; otherwise the problem says what went wrong.
func (s *suite) wantActive(problem string, tokens ...bridge.Hash) {
	s.Helper()
	for _, token := range tokens {
		if !s.lookup(token).Active(s.now) {
			s.Error(problem)
		}
	}
}

func (s *suite) wantUnknown(tokens ...bridge.Hash) {
	s.Helper()
	for _, token := range tokens {
		s.wantError(errOf(s.store.Lookup(s.Context(), token)), bridge.ErrNotFound)
	}
}

// wantRevoked verifies that the link of a token is revoked, as the feed and OnRevoke say.
func (s *suite) wantRevoked(token bridge.Hash, reason bridge.Reason) {
	s.Helper()
	if found := s.lookup(token); found.Active(s.now) || found.Link.Reason != reason {
		s.Errorf("want a link revoked for %q: %+v", reason, found.Link)
	}
	s.verifyFeed()
}

// wantSweep sweeps and verifies how much was removed.
func (s *suite) wantSweep(now time.Time, limit, want int) {
	s.Helper()
	if n, err := s.store.Sweep(s.Context(), bridge.Sweep{Now: now, Limit: limit}); err != nil || n != want {
		s.Fatalf("Sweep removed %d, %v; want %d", n, err, want)
	}
}

func (s *suite) wantError(err, want error) {
	s.Helper()
	if !errors.Is(err, want) {
		s.Fatalf("err = %v, want %v", err, want)
	}
}

func (s *suite) endedContext() {
	ctx, cancel := context.WithCancel(s.Context())
	cancel()
	if _, err := s.store.Lookup(ctx, bridge.HashOf("x")); err == nil || errors.Is(err, bridge.ErrNotFound) {
		s.Errorf("Lookup: %v", err)
	}
	if _, err := s.store.Revoke(ctx, bridge.LinkFilter{}, s.by(bridge.ReasonOperator)); err == nil {
		s.Error("Revoke succeeded")
	}
	s.links(bridge.LinkFilter{}) // succeeds afterwards
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
