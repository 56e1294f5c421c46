package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/sqlstore/internal/engine"
)

// TestExportSnapshot verifies that an export is of one moment, whatever is written while it is read.
func TestExportSnapshot(t *testing.T) {
	skipIfShort(t)
	eachDatabase(t, func(t *testing.T, open func(testing.TB) *Store) {
		const n = 2*pageSize + 7
		store := open(t)
		mustImport(t, store, sequenceOf(implicitLinks(0, n)), Imported{Added: n})
		var links []string
		tokens := 0
		for row, err := range store.Export(t.Context()) {
			must(t, err)
			if row.Link == nil {
				tokens++
				continue
			}
			links = append(links, row.Link.ID)
			if row.Link.RevokedAt != 0 {
				t.Fatalf("%+v", row.Link)
			}
			if len(links)%100 != 1 {
				continue
			}
			newer := implicitLink(n + len(links))
			newer[0].Link.ID = fmt.Sprintf("lnk_%07dnewer", len(links)+50) // on a page that comes later
			newer[1].Token.LinkID = newer[0].Link.ID
			mustImport(t, store, sequenceOf(newer), Imported{Added: 1})
			later := implicitLink(n - len(links))[0].Link.ID
			must(t, errOf(store.Revoke(t.Context(), bridge.LinkFilter{IDs: []string{later}},
				bridge.Revocation{Reason: "x", At: begin})))
		}
		if len(links) != n || tokens != n || slices.Max(links) != implicitLink(n - 1)[0].Link.ID {
			t.Errorf("%d links up to %s and %d tokens", len(links), slices.Max(links), tokens)
		}
	})
}

func TestExportStops(t *testing.T) {
	t.Parallel()
	store := fill(t, newSQLite(t)).store
	ctx, cancel := context.WithCancel(t.Context())
	for range store.Export(ctx) {
		break // Export must not yield again
	}
	cancel()
	for row, err := range store.Export(ctx) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%+v, %v", row, err)
		}
	}
}

// TestMoveKeepsEveryColumn moves links there and back. It fails for a column that is not in the file, and for a table
// that is in neither list.
func TestMoveKeepsEveryColumn(t *testing.T) {
	eachDatabase(t, func(t *testing.T, open func(testing.TB) *Store) {
		from, between, back := fill(t, newSQLite(t)).store, open(t), newSQLite(t)
		want := contents(t, from, exported...)
		mustImport(t, between, from.Export(t.Context()), Imported{Added: fillLinks})
		wantContents(t, "moved", contents(t, between, exported...), want)
		mustImport(t, back, between.Export(t.Context()), Imported{Added: fillLinks})
		wantContents(t, "moved back", contents(t, back, exported...), want)

		for _, table := range exported {
			used := map[string]bool{}
			for _, row := range tableRows(t, from, table) {
				for column, value := range row {
					used[column] = used[column] || fmt.Sprint(value) != "" && fmt.Sprint(value) != "0"
				}
			}
			for column, is := range used {
				if isLease := strings.HasPrefix(column, "lease"); !is && !isLease {
					t.Errorf("the column %s of %s is empty in the test", column, table)
				}
			}
		}
		stay := []string{"bridge_schema", "feed", "events", "pending_consents", "persons_locked", "revoked_sign_ins",
			"used_tokens", "audit", "scim_directories", "scim_users", "disabled_alexa_users",
			"sqlite_sequence"}
		tables, err := engine.Texts(from.db.Reader.QueryContext(t.Context(),
			`SELECT name FROM sqlite_master WHERE type = 'table'`))
		must(t, err)
		for _, table := range tables {
			if !slices.Contains(exported, table) && !slices.Contains(stay, table) {
				t.Errorf("is the table %s exported?", table)
			}
		}
	})
}

// TestMovedLinksBehave verifies that after a move every token and code works as it would have in the old database.
func TestMovedLinksBehave(t *testing.T) {
	eachDatabase(t, func(t *testing.T, open func(testing.TB) *Store) {
		f := fill(t, newSQLite(t))
		target := open(t)
		mustImport(t, target, f.store.Export(t.Context()), Imported{Added: fillLinks})
		for _, name := range []string{"implicit", "expiring", "aaoldest", "newest", "redeemed", "rotating", "rotating 2",
			"rotating 3", "rotating 3b", "replayed 3", "revoked", "unknown"} {
			before, errBefore := f.store.Lookup(t.Context(), bridge.HashOf(name+" access"))
			after, errAfter := target.Lookup(t.Context(), bridge.HashOf(name+" access"))
			if !reflect.DeepEqual(before, after) || !errors.Is(errAfter, errBefore) {
				t.Errorf("%s: %+v, %v; want %+v, %v", name, after, errAfter, before, errBefore)
			}
		}
		f.store = target
		must(t, f.rotate("redeemed", "redeemed 2"))
		must(t, f.rotate("redeemed", "redeemed 2b")) // as if the response had been lost
		must(t, f.rotate("rotating 2", "rotating 3c"))
		must(t, f.rotate("rotating 3", "rotating 4"))
		for name, want := range map[string]error{"revoked": bridge.ErrRevoked, "replayed 3": bridge.ErrRevoked,
			"unknown": bridge.ErrNotFound} {
			if err := f.rotate(name, "x"); !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", name, err, want)
			}
		}
		for _, replay := range []string{"rotating 3b", "rotating 2"} { // a sibling of the presented token, then its parent
			if err := f.rotate(replay, "x"); !errors.Is(err, bridge.ErrReplayed) && !errors.Is(err, bridge.ErrRevoked) {
				t.Errorf("%s: %v", replay, err)
			}
		}
		wantReason(t, target, "rotating", bridge.ReasonRefreshReplayed)

		redemption := bridge.Redemption{Code: bridge.HashOf("code unredeemed"), ClientID: "pizza",
			RedirectURI:   "https://layla.amazon.com/x",
			CodeChallenge: "challenge", Tokens: f.tokens("late"), Now: f.now, Permits: honourAll}
		if _, err := target.Redeem(t.Context(), redemption); err != nil {
			t.Errorf("the code: %v", err)
		}
		replay := bridge.Redemption{Code: bridge.HashOf("code redeemed"), ClientID: "pizza", Tokens: f.tokens("twice"),
			Now: f.now.Add(time.Minute), Permits: honourAll}
		if _, err := target.Redeem(t.Context(), replay); !errors.Is(err, bridge.ErrReplayed) {
			t.Errorf("the redeemed code: %v", err)
		}
		wantReason(t, target, "redeemed", bridge.ReasonCodeReplayed)
	})
}
