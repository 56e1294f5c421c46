//go:build strict

package server_test

import (
	"sync"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/sqlstore"
	"alexa-oidc-bridge/internal/postgrestest"
)

// onPostgreSQL puts a database of PostgreSQL under a bridge.
func (b *testBridge) onPostgreSQL(dsn string) {
	b.Helper()
	store, err := sqlstore.Open(b.Context(), sqlstore.Options{Driver: sqlstore.PostgreSQL, DSN: dsn, Create: true})
	if err != nil {
		b.Fatal(err)
	}
	b.Store.Close()
	b.Store = store // which is closed when the test ends
	b.ReplaceStore(store)
}

// Two replicas on PostgreSQL are asked for one person at the same time. The provider is asked once an hour, and each
// replica takes the new refresh token that the other one stored.
func TestReplicasRecheckOnce(t *testing.T) {
	t.Parallel()
	dsn := postgrestest.Shared(t).DatabaseFor(t)
	first := startBridge(t, offline())
	second := startBridge(t, offline(), func(b *testBridge) {
		b.Config.Providers[0].Issuer, b.Clock = first.Provider.Issuer(), first.Clock
	})
	replicas := []*testBridge{first, second}
	for _, replica := range replicas {
		replica.onPostgreSQL(dsn)
	}
	token := first.Link()
	const hours = 24
	for range hours {
		first.Clock.Advance(time.Hour)
		recheckAtOnce(replicas, token)
		recheckAtOnce(replicas, token) // in the same hour
	}
	first.WantExchanges(1 + hours)

	first.ada(disabled)
	first.Clock.Advance(time.Hour)
	recheckAtOnce(replicas, token)
	first.WantExchanges(1 + hours + 1)
	first.wantEnded(token, bridge.ReasonAccountGone)
	second.WantInactive(token)
}

// recheckAtOnce lets all replicas look a token up and recheck, at the same time.
func recheckAtOnce(replicas []*testBridge, token string) {
	var group sync.WaitGroup
	for _, replica := range replicas {
		replica.WantActive(token)
	}
	for _, replica := range replicas {
		group.Go(func() { replica.Server.Recheck(replica.Context()) })
	}
	group.Wait()
}
