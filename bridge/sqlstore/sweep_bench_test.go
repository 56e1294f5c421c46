package sqlstore

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
)

// BenchmarkSweepEnded sweeps b.N links that were revoked, each with two tokens and a code, while somebody else writes.
// It pauses for as long as it sweeps, in turns, and reports how long that one waited meanwhile, and how long in the
// pauses: a disk is slow at times whatever is swept.
//
//	go test -run '^$' -bench SweepEnded -benchtime 1000000x ./bridge/sqlstore
func BenchmarkSweepEnded(b *testing.B) {
	for driver, open := range databases(b) {
		b.Run(driver, func(b *testing.B) {
			store := open(b)
			insertEnded(b, store, b.N)
			ctx, stop := context.WithCancel(b.Context())
			var pausing atomic.Bool
			waits := make(chan [2][]time.Duration)
			go func() { waits <- writeMeanwhile(b, ctx, store, &pausing) }()
			b.ResetTimer()
			turn := time.Now()
			for removed := sweepLimit; removed >= sweepLimit; {
				var err error
				removed, err = store.Sweep(b.Context(),
					bridge.Sweep{Now: begin.Add(time.Hour), Limit: sweepLimit, EndedRetention: time.Hour})
				must(b, err)
				if time.Since(turn) > sweepTurn {
					b.StopTimer()
					pausing.Store(true)
					time.Sleep(sweepTurn)
					pausing.Store(false)
					b.StartTimer()
					turn = time.Now()
				}
			}
			b.StopTimer()
			stop()
			waited := <-waits
			reportWaits(b, "", waited[0])
			reportWaits(b, "pausing-", waited[1])
			if left := len(tableRows(b, store, "links")); left != 0 {
				b.Errorf("%d links are left", left)
			}
		})
	}
}

const (
	sweepLimit = 100              // that of the server
	sweepTurn  = 10 * time.Second // how long is swept, and then paused
)

func reportWaits(b *testing.B, prefix string, waited []time.Duration) {
	if len(waited) == 0 { // all was swept before the first pause
		return
	}
	slices.Sort(waited)
	for name, rank := range map[string]int{"median": 500, "p99": 990, "p99.9": 999, "longest": 1000} {
		b.ReportMetric(float64(waited[(len(waited)-1)*rank/1000].Microseconds())/1000, prefix+"ms-"+name)
	}
	within, _ := slices.BinarySearch(waited, 50*time.Millisecond)
	b.ReportMetric(float64(len(waited)-within), prefix+"over-50ms")
	b.ReportMetric(float64(len(waited)), prefix+"writes")
}

// writeMeanwhile writes again and again, and returns how long each write took, that began while it was swept and in the
// pauses.
func writeMeanwhile(b *testing.B, ctx context.Context, store *Store, pausing *atomic.Bool) (waits [2][]time.Duration) {
	for i := 0; ctx.Err() == nil; i++ {
		turn, started := 0, time.Now()
		if pausing.Load() {
			turn = 1
		}
		pending := bridge.PendingConsent{Handle: bridge.HashOf(fmt.Sprint(i)), ExpiresAt: begin.Add(24 * time.Hour)}
		if err := store.CreatePendingConsent(b.Context(), pending); err != nil {
			b.Error(err)
		}
		waits[turn] = append(waits[turn], time.Since(started))
		time.Sleep(2 * time.Millisecond)
	}
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
