package sqlstore

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
)

// BenchmarkSweepEnded sweeps b.N links that were revoked, each with two tokens and a code, while somebody else writes,
// and reports how long that one waited.
//
//	go test -run '^$' -bench SweepEnded -benchtime 1000000x ./bridge/sqlstore
func BenchmarkSweepEnded(b *testing.B) {
	for driver, open := range databases(b) {
		b.Run(driver, func(b *testing.B) {
			store := open(b)
			insertEnded(b, store, b.N)
			ctx, stop := context.WithCancel(b.Context())
			waits := make(chan []time.Duration)
			go func() { waits <- writeMeanwhile(b, ctx, store) }()
			b.ResetTimer()
			for removed := sweepLimit; removed >= sweepLimit; {
				var err error
				removed, err = store.Sweep(b.Context(),
					bridge.Sweep{Now: begin.Add(time.Hour), Limit: sweepLimit, EndedRetention: time.Hour})
				must(b, err)
			}
			b.StopTimer()
			stop()
			waited := <-waits
			for name, rank := range map[string]int{"median": 500, "p99": 990, "p99.9": 999, "longest": 1000} {
				b.ReportMetric(float64(waited[(len(waited)-1)*rank/1000].Microseconds())/1000, "ms-"+name)
			}
			within, _ := slices.BinarySearch(waited, 50*time.Millisecond)
			b.ReportMetric(float64(len(waited)-within), "over-50ms")
			if left := len(tableRows(b, store, "links")); left != 0 {
				b.Errorf("%d links are left", left)
			}
		})
	}
}

// sweepLimit is that of the server.
const sweepLimit = 100

// writeMeanwhile writes again and again, and returns how long each write took, sorted.
func writeMeanwhile(b *testing.B, ctx context.Context, store *Store) (waits []time.Duration) {
	for i := 0; ctx.Err() == nil; i++ {
		started := time.Now()
		pending := bridge.PendingConsent{Handle: bridge.HashOf(fmt.Sprint(i)), ExpiresAt: begin.Add(24 * time.Hour)}
		if err := store.CreatePendingConsent(b.Context(), pending); err != nil {
			b.Error(err)
		}
		waits = append(waits, time.Since(started))
		time.Sleep(2 * time.Millisecond)
	}
	slices.Sort(waits)
	return waits
}

// insertEnded inserts links that are revoked. Ids and hashes are not in the order in which the links were revoked.
func insertEnded(b *testing.B, store *Store, n int) {
	b.Helper()
	const numbers = `WITH RECURSIVE numbers (i) AS
		(SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM numbers WHERE i < $1) `
	text := func(what string) string {
		return `'` + what + `' || CAST(i * 2654435761 % 4294967296 AS TEXT) ||
			'0123456789abcdef0123456789abcdef0123456789abcdef'`
	}
	must(b, store.write(b.Context(), func(tx *transaction) error {
		claims := `{"email":"ada@contoso.com","name":"Ada Lovelace","groups":["alexa-users","engineering","building-7"]}`
		err := tx.ExecOnce(numbers+`INSERT INTO links
			(id, client_id, grant_type, provider, issuer, subject_claim, groups_claim, subject,
			claims, email, scope, alexa_user, created_at, last_used_at, revoked_at, reason, actor)
			SELECT `+text("lnk_")+`, 'pizza', 'authorization_code', 'corp', 'https://login.example.com', 'sub', 'groups',
			`+text("s")+`, '`+claims+`', 'ada@contoso.com', 'orders', '', $2, $2, CAST($2 AS BIGINT) - i / 100, 'operator',
			'command:ada@host' FROM numbers`,
			n, begin.Unix())
		if err != nil {
			return err
		}
		for kind, expires := range map[string]string{"access": "CAST($2 AS BIGINT) - i / 100", "refresh": "0"} {
			err := tx.ExecOnce(numbers+`INSERT INTO tokens
				(hash, link_id, kind, created_at, expires_at, parent, place, superseded_at)
				SELECT `+text(kind)+`, `+text("lnk_")+`, '`+kind+`', $2, `+expires+`, '', 0, 0 FROM numbers`, n, begin.Unix())
			if err != nil {
				return err
			}
		}
		return tx.ExecOnce(numbers+`INSERT INTO codes (hash, link_id, redirect_uri, code_challenge, expires_at, redeemed_at)
			SELECT `+text("code")+`, `+text("lnk_")+`, 'https://pitangui.amazon.com/api/skill/link/M2AAAAAAAAAAAA', '', $2,
			CAST($2 AS BIGINT) - i / 100 FROM numbers`,
			n, begin.Unix())
	}))
	must(b, errOf(store.Links(b.Context(), bridge.LinkFilter{IDs: []string{"none"}})))
}
