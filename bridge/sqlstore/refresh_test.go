package sqlstore

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
)

// stableRefresh is a refresh that does not rotate, for an access token with a name.
func stableRefresh(name, access string) *bridge.Refresh {
	return &bridge.Refresh{Token: bridge.HashOf(name + " refresh"), ClientID: "pizza", Now: begin.Add(time.Hour),
		Permits: honourAll,
		Tokens:  bridge.NewTokens{Access: bridge.HashOf(access), AccessExpiresAt: begin.Add(2 * time.Hour)}}
}

// wantAccess looks up an access token that a refresh added to a link, or "" if it must not exist.
func wantAccess(t testing.TB, store *Store, access bridge.Hash, id string) {
	t.Helper()
	found, err := store.Lookup(t.Context(), access)
	if id == "" && !errors.Is(err, bridge.ErrNotFound) {
		t.Errorf("the access token exists: %+v, %v", found, err)
	}
	if id != "" && (err != nil || found.Link.ID != id || !found.IssuedAt.Equal(begin.Add(time.Hour)) ||
		!found.ExpiresAt.Equal(begin.Add(2*time.Hour))) {
		t.Errorf("%+v, %v; want an access token of %s", found, err, id)
	}
}

// TestRefreshesAtOnce verifies that of refreshes at the same time each gets its own access token, whatever they
// share.
func TestRefreshesAtOnce(t *testing.T) {
	skipIfShort(t)
	eachDatabase(t, func(t *testing.T, open func(testing.TB) *Store) {
		store := open(t)
		grantMany(t, store, 8)
		refreshMany(t, store)
	})
}

// refreshMany refreshes the eight links of grantMany.
func refreshMany(t *testing.T, store *Store) {
	var callers sync.WaitGroup
	for caller := range 20 {
		callers.Go(func() {
			random := rand.New(rand.NewPCG(2, uint64(caller)))
			for i := range 10 {
				name, access := fmt.Sprint("many ", random.IntN(8)), fmt.Sprint("new ", caller, " ", i)
				link, err := store.Refresh(t.Context(), *stableRefresh(name, access))
				if err != nil || link.ID != "lnk_"+name {
					t.Errorf("Refresh: %+v, %v", link, err)
				}
				wantAccess(t, store, bridge.HashOf(access), "lnk_"+name)
			}
		})
	}
	callers.Wait()
}

func TestRefreshErrorKeepsTheOthers(t *testing.T) {
	eachDatabase(t, func(t *testing.T, open func(testing.TB) *Store) {
		store := open(t)
		grantMany(t, store, 2)
		var callers sync.WaitGroup
		for i := range 10 {
			callers.Go(func() { // an access token that exists
				if _, err := store.Refresh(t.Context(), *stableRefresh("many 0", "many 1 access")); err == nil {
					t.Error("an access token was added twice")
				}
			})
			callers.Go(func() {
				access := fmt.Sprint("new ", i)
				if _, err := store.Refresh(t.Context(), *stableRefresh("many 1", access)); err != nil {
					t.Error(err)
				}
				wantAccess(t, store, bridge.HashOf(access), "lnk_many 1")
			})
		}
		callers.Wait()
	})
}
