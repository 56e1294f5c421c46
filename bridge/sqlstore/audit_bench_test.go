package sqlstore

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
)

// BenchmarkRevokeMany revokes b.N live links at once while somebody else writes, and reports how long that one waited.
//
//	go test -run '^$' -bench RevokeMany -benchtime 10000x ./bridge/sqlstore
func BenchmarkRevokeMany(b *testing.B) {
	for driver, open := range databases(b) {
		b.Run(driver, func(b *testing.B) {
			store := open(b)
			insertEnded(b, store, b.N)
			restoreEnded(b, store)
			ctx, stop := context.WithCancel(b.Context())
			waits := make(chan [2][]time.Duration)
			go func() { waits <- writeMeanwhile(b, ctx, store, new(atomic.Bool)) }()
			b.ResetTimer()
			by := bridge.Revocation{Reason: "x", At: begin}
			revoked, err := store.Revoke(b.Context(), bridge.LinkFilter{Provider: "corp"}, by)
			b.StopTimer()
			must(b, err)
			stop()
			waited := (<-waits)[0]
			if len(revoked) != b.N {
				b.Errorf("%d links were revoked, want %d", len(revoked), b.N)
			}
			if len(waited) > 0 {
				b.ReportMetric(float64(slices.Max(waited).Milliseconds()), "ms-longest-wait")
			}
		})
	}
}

// restoreEnded makes all links live again.
func restoreEnded(b *testing.B, store *Store) {
	b.Helper()
	must(b, store.write(b.Context(), func(tx *transaction) error {
		return tx.ExecOnce(`UPDATE links SET revoked_at = 0`)
	}))
}

// BenchmarkLinkAndRedeem makes links by the code grant and redeems them, with 1 and with 32 callers. It reports how
// many a second, and the 99th percentile of how long both take.
func BenchmarkLinkAndRedeem(b *testing.B) {
	for driver, open := range databases(b) {
		for _, callers := range []int{1, 32} {
			b.Run(fmt.Sprintf("%s/%d callers", driver, callers), func(b *testing.B) {
				store := open(b)
				durations := make([][]time.Duration, callers)
				var left atomic.Int64
				left.Store(int64(b.N))
				var group sync.WaitGroup
				b.ResetTimer()
				for caller := range callers {
					group.Go(func() {
						for i := left.Add(-1); i >= 0; i = left.Add(-1) {
							started := time.Now()
							linkAndRedeem(b, store, fmt.Sprint(i))
							durations[caller] = append(durations[caller], time.Since(started))
						}
					})
				}
				group.Wait()
				all := slices.Concat(durations...)
				slices.Sort(all)
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "links/s")
				b.ReportMetric(float64(all[len(all)*99/100].Microseconds())/1000, "ms-p99")
			})
		}
	}
}

func linkAndRedeem(b *testing.B, store *Store, name string) {
	link := bridge.Link{ID: bridge.NewLinkID(), ClientID: "pizza", CreatedAt: begin, Grant: bridge.GrantAuthorizationCode,
		Identity: bridge.Identity{Provider: bridge.Provider{ID: "corp"}, Subject: "subject of " + name}}
	code := &bridge.NewCode{Hash: bridge.HashOf("code " + name), ExpiresAt: begin.Add(time.Minute)}
	pending := bridge.PendingConsent{Handle: bridge.HashOf("consent " + name), ExpiresAt: begin.Add(time.Minute)}
	err := store.CreatePendingConsent(b.Context(), pending)
	if err == nil {
		err = store.Link(b.Context(), pending.Handle, bridge.NewLink{Link: link, SignedInAt: begin, Code: code})
	}
	if err == nil {
		_, err = store.Redeem(b.Context(), bridge.Redemption{Code: code.Hash, ClientID: "pizza", MaxLinks: 20, Now: begin,
			Permits: honourAll, Tokens: bridge.NewTokens{
				Access: bridge.HashOf("access " + name), Refresh: bridge.HashOf("refresh " + name),
			}})
	}
	if err != nil {
		b.Error(err)
	}
}
