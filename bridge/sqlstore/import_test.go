package sqlstore

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/transfer"
)

// TestImportResurrectsNothing imports an old export into the database that it is of.
func TestImportResurrectsNothing(t *testing.T) {
	eachDatabase(t, func(t *testing.T, open func(testing.TB) *Store) {
		f := fill(t, open(t))
		old := exportRows(t, f.store)
		everything := append([]string{"feed", "events"}, exported...)
		before := contents(t, f.store, everything...)
		mustImport(t, f.store, sequenceOf(old), Imported{Known: fillLinks})
		wantContents(t, "imported at once", contents(t, f.store, everything...), before)

		must(t, f.rotate("rotating 3", "rotating 4"))
		f.revoke("implicit", "theirs")
		f.revoke("redeemed", "theirs")
		must(t, errOf(f.store.Sweep(t.Context(),
			bridge.Sweep{Now: begin.Add(400 * 24 * time.Hour), Limit: 1000}))) // which deletes tokens
		before = contents(t, f.store, everything...)
		mustImport(t, f.store, sequenceOf(old), Imported{Known: fillLinks})
		wantContents(t, "imported later", contents(t, f.store, everything...), before)
	})
}

// TestImportDropsClaims moves links that ended, or end by the import, for a reason for which they lose their claims.
func TestImportDropsClaims(t *testing.T) {
	eachDatabase(t, func(t *testing.T, open func(testing.TB) *Store) {
		f, target := fill(t, newSQLite(t)), open(t)
		mustImport(t, target, f.store.Export(t.Context()), Imported{Added: fillLinks})
		wantClaims(t, target, "aaoldest", false)
		old := exportRows(t, f.store)
		f.revoke("implicit", bridge.ReasonReplaced)
		mustImport(t, target, f.store.Export(t.Context()), Imported{Revoked: 1, Known: fillLinks - 1})
		wantClaims(t, target, "implicit", false)
		mustImport(t, target, sequenceOf(old), Imported{Known: fillLinks})
		wantClaims(t, target, "implicit", false)

		fresh := open(t)
		mustImport(t, fresh, sequenceOf(old), Imported{Added: fillLinks})
		wantClaims(t, fresh, "implicit", true)
	})
}

// wantClaims verifies whether a link has claims and an address.
func wantClaims(t *testing.T, store *Store, name string, want bool) {
	t.Helper()
	for _, row := range tableRows(t, store, "links") {
		if row["id"] == "lnk_"+name && (row["claims"] != "{}" != want || row["email"] != "" != want) {
			t.Errorf("%s: claims %v, e-mail %q, want any: %v", name, row["claims"], row["email"], want)
		}
	}
}

// TestImportLinkTwice verifies that a link that is there twice is known at its second time, in one batch or two: its
// tokens are not added, and it is revoked if it is revoked there.
func TestImportLinkTwice(t *testing.T) {
	skipIfShort(t)
	eachDatabase(t, func(t *testing.T, open func(testing.TB) *Store) {
		for name, between := range map[string]int{"in one batch": 1, "in another batch": importSize} {
			again := implicitLink(0)
			again[0].Link.RevokedAt, again[0].Link.Reason, again[0].Link.Actor = begin.Unix(), "twice", "command:ada@host"
			again[1].Token.Hash = bridge.HashOf("added later")
			rows := slices.Concat(implicitLink(0), implicitLinks(1, between), again)
			store := open(t)
			mustImport(t, store, sequenceOf(rows), Imported{Added: between + 1, Revoked: 1})
			if _, err := store.Lookup(t.Context(), bridge.HashOf("added later")); !errors.Is(err, bridge.ErrNotFound) {
				t.Errorf("%s: a token was added to a link that was known: %v", name, err)
			}
			wantReason(t, store, "0000000", "twice")
			links, err := store.Links(t.Context(), bridge.LinkFilter{IDs: []string{"lnk_0000000"}})
			if err != nil || links[0].Actor != "command:ada@host" || links[0].EmailClaim != "" { // as of version 2
				t.Errorf("%s: %+v, %v", name, links, err)
			}
		}
	})
}

// TestImportRevokes verifies that revocations move, with an event for every process.
func TestImportRevokes(t *testing.T) {
	eachDatabase(t, func(t *testing.T, open func(testing.TB) *Store) {
		source, target := fill(t, newSQLite(t)), open(t)
		mustImport(t, target, source.store.Export(t.Context()), Imported{Added: fillLinks})
		source.revoke("expiring", "why a")
		source.revoke("implicit", "why b")
		source.revoke("newest", "why a")
		must(t, errOf(target.Revoke(t.Context(), bridge.LinkFilter{IDs: []string{"lnk_newest"}},
			bridge.Revocation{Reason: "here", At: source.now})))
		before, err := target.ReadFeed(t.Context(), bridge.Position{})
		must(t, err)
		var called []string
		target.OnRevoke(func(events []bridge.Event) {
			for _, event := range events {
				called = append(called, event.LinkID)
			}
		})
		mustImport(t, target, source.store.Export(t.Context()), Imported{Revoked: 2, Known: fillLinks - 2})
		feed, err := target.ReadFeed(t.Context(), before.Position)
		must(t, err)
		var events []string
		for _, event := range feed.Events {
			events = append(events, event.LinkID)
		}
		slices.Sort(called)
		slices.Sort(events)
		if want := []string{"lnk_expiring", "lnk_implicit"}; !slices.Equal(called, want) || !slices.Equal(events, want) ||
			feed.Broken {
			t.Errorf("OnRevoke got %v, the feed has %v", called, events)
		}
		wantReason(t, target, "expiring", "why a")
		wantReason(t, target, "implicit", "why b")
		wantReason(t, target, "newest", "here")
		found, err := target.Lookup(t.Context(), bridge.HashOf("implicit access"))
		if err != nil || !found.Link.RevokedAt.Equal(begin.Add(7*time.Hour)) {
			t.Errorf("%+v, %v", found, err)
		}
		mustImport(t, target, source.store.Export(t.Context()), Imported{Known: fillLinks})
	})
}

func TestImportErrors(t *testing.T) {
	skipIfShort(t)
	eachDatabase(t, func(t *testing.T, open func(testing.TB) *Store) {
		existing, earlier := bridge.HashOf("token of lnk_0000000"), bridge.HashOf("token of lnk_0000010")
		code := transfer.Row{Code: &transfer.Code{LinkID: "lnk_0000020", Hash: bridge.HashOf("a code"),
			ExpiresAt: begin.Unix()}}
		with := func(change func(rows []transfer.Row)) []transfer.Row {
			rows := implicitLink(20)
			change(rows)
			return rows
		}
		tests := map[string]struct {
			rows []transfer.Row
			row  int // of the error, after the two rows of another link
			want error
		}{
			"a token that exists":                 {with(func(r []transfer.Row) { r[1].Token.Hash = existing }), 4, ErrTaken},
			"a token of another link of the file": {with(func(r []transfer.Row) { r[1].Token.Hash = earlier }), 4, ErrTaken},
			"a token twice":                       {append(implicitLink(20), implicitLink(20)[1]), 5, ErrTaken},
			"a code that exists":                  {append(implicitLink(20), code), 5, ErrTaken},
			"a token of another link": {with(func(r []transfer.Row) { r[1].Token.LinkID = "lnk_0000010" }), 4,
				ErrNoLink},
			"a code of another link": {append(implicitLink(21), code), 5, ErrNoLink},
			"a row of nothing":       {[]transfer.Row{{}}, 3, ErrNoLink},
		}
		store := open(t)
		existingCode := *code.Code
		existingCode.LinkID = "lnk_0000000"
		mustImport(t, store, sequenceOf(append(implicitLink(0), transfer.Row{Code: &existingCode})), Imported{Added: 1})
		before := contents(t, store, exported...)
		for name, tt := range tests {
			rows := slices.Concat(implicitLink(10), tt.rows, implicitLink(30))
			did, err := store.Import(t.Context(), sequenceOf(rows), time.Now)
			rowErr, ok := errors.AsType[*RowError](err)
			if !ok || rowErr.Row != tt.row || rowErr.LinkID == "" || !errors.Is(err, tt.want) || did != (Imported{}) {
				t.Errorf("%s: %+v, %v", name, did, err)
			}
			wantContents(t, name, contents(t, store, exported...), before)
		}
		_, err := store.Import(t.Context(), sequenceOf(implicitLink(40)[1:]), time.Now)
		if rowErr, ok := errors.AsType[*RowError](err); !ok || rowErr.Row != 1 || !errors.Is(err, ErrNoLink) {
			t.Errorf("a token before all links: %v", err)
		}
		rows := implicitLinks(50, importSize)
		rows[2*importSize-1].Token.Hash = existing
		_, err = store.Import(t.Context(), sequenceOf(rows), time.Now)
		if rowErr, ok := errors.AsType[*RowError](err); !ok || rowErr.Row != 2*importSize {
			t.Errorf("an error in the second transaction: %v", err)
		}
	})
}

// TestImportInterrupted verifies that rows that end with an error, even between a link and its token, leave whole
// links only, and that importing all again completes them.
func TestImportInterrupted(t *testing.T) {
	skipIfShort(t)
	eachDatabase(t, func(t *testing.T, open func(testing.TB) *Store) {
		const n = importSize * 3 / 4 // of two rows each: a transaction and a half
		all := implicitLinks(0, n)
		failure := errors.New("failure")
		for _, read := range []int{1, 2, importSize + 1, 2*n - 1} {
			store := open(t)
			did, err := store.Import(t.Context(), func(yield func(transfer.Row, error) bool) {
				for _, row := range all[:read] {
					if !yield(row, nil) {
						return
					}
				}
				yield(transfer.Row{}, failure)
			}, time.Now)
			if want := (read - 1) / 2; !errors.Is(err, failure) || did.Added != want {
				t.Fatalf("after %d rows: %+v, %v; want %d", read, did, err, want)
			}
			if tokens := len(tableRows(t, store, "tokens")); tokens != did.Added {
				t.Errorf("%d tokens of %d links", tokens, did.Added)
			}
			mustImport(t, store, sequenceOf(all), Imported{Added: n - did.Added, Known: did.Added})
			if tokens := len(tableRows(t, store, "tokens")); tokens != n {
				t.Errorf("%d tokens of %d links", tokens, n)
			}
		}
	})
}

// TestImportsAtOnce verifies that two imports of the same rows at the same time add everything once. One may fail
// because the other holds the database for too long; run again, it completes.
func TestImportsAtOnce(t *testing.T) {
	skipIfShort(t)
	eachDatabase(t, func(t *testing.T, open func(testing.TB) *Store) {
		const n = importSize
		first := open(t)
		second := openStore(t, Options(first.db.Options))
		var imports sync.WaitGroup
		var added, failed atomic.Int64
		for _, store := range []*Store{first, second} {
			imports.Go(func() {
				did, err := store.Import(context.Background(), sequenceOf(implicitLinks(0, n)), time.Now)
				added.Add(int64(did.Added))
				if err != nil {
					t.Logf("import: %v", err)
					failed.Add(1)
				}
			})
		}
		imports.Wait()
		if failed.Load() == 0 && added.Load() != n || failed.Load() > 1 {
			t.Errorf("%d added, %d imports failed", added.Load(), failed.Load())
		}
		mustImport(t, first, sequenceOf(implicitLinks(0, n)), Imported{Known: n})
		if links, tokens := len(tableRows(t, first, "links")), len(tableRows(t, first, "tokens")); links != n || tokens != n {
			t.Errorf("%d links and %d tokens", links, tokens)
		}
	})
}
