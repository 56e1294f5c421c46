package sqlstore

import (
	"errors"
	"slices"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/transfer"
)

func tombstoneOf(link []transfer.Row) []transfer.Row {
	return []transfer.Row{{Tombstone: &transfer.Tombstone{LinkID: link[0].Link.ID, EndedAt: begin.Unix() + 5}}}
}

// TestImportTombstones verifies that a link whose tombstone is in the database, or before or after it in the import,
// in one transaction or another, is not there afterwards.
func TestImportTombstones(t *testing.T) {
	skipIfShort(t)
	eachDatabase(t, func(t *testing.T, open func(testing.TB) *Store) {
		link, between := implicitLink(0), implicitLinks(1, importSize)
		grave := tombstoneOf(link)
		ended := implicitLink(0)
		ended[0].Link.RevokedAt = begin.Unix() + 1
		longBefore, longAfter := slices.Concat(grave, between, link), slices.Concat(link, between, grave)
		tests := map[string]struct {
			before, rows []transfer.Row
			want         Imported
			events       int
		}{
			"in the database":                {grave, link, Imported{Erased: 1}, 0},
			"before":                         {nil, slices.Concat(grave, link), Imported{Erased: 1}, 0},
			"after":                          {nil, slices.Concat(link, grave), Imported{Added: 1, Erased: 1}, 1},
			"long before":                    {nil, longBefore, Imported{Added: importSize, Erased: 1}, 0},
			"long after":                     {nil, longAfter, Imported{Added: importSize + 1, Erased: 1}, 1},
			"before and after":               {nil, slices.Concat(grave, link, grave, link), Imported{Erased: 2}, 0},
			"of a live link of the database": {link, grave, Imported{Erased: 1}, 1},
			"of a revoked link":              {ended, grave, Imported{Erased: 1}, 0},
			"of no link":                     {nil, grave, Imported{}, 0},
			"twice":                          {grave, grave, Imported{}, 0},
		}
		for name, tt := range tests {
			t.Run(name, func(t *testing.T) {
				store := open(t)
				must(t, errOf(store.Import(t.Context(), sequenceOf(tt.before), time.Now)))
				before, err := store.ReadFeed(t.Context(), bridge.Position{})
				must(t, err)
				mustImport(t, store, sequenceOf(tt.rows), tt.want)
				feed, err := store.ReadFeed(t.Context(), before.Position)
				must(t, err)
				if len(feed.Events) != tt.events {
					t.Errorf("events: %+v", feed.Events)
				}
				for _, event := range feed.Events {
					want := bridge.Event{LinkID: "lnk_0000000", ClientID: "pizza", Reason: bridge.ReasonErased,
						Actor: bridge.ActorSystem}
					if event != want {
						t.Errorf("event %+v, want %+v", event, want)
					}
				}
				wantTombstones(t, store, grave[0])
				if links, err := store.Links(t.Context(), bridge.LinkFilter{IDs: []string{"lnk_0000000"}}); err != nil ||
					len(links) != 0 {
					t.Errorf("%+v, %v", links, err)
				}
				if _, err := store.Lookup(t.Context(), link[1].Token.Hash); !errors.Is(err, bridge.ErrNotFound) {
					t.Errorf("the token: %v", err)
				}
			})
		}
	})
}

func wantTombstones(t *testing.T, store *Store, want ...transfer.Row) {
	t.Helper()
	var found []transfer.Tombstone
	for _, row := range exportRows(t, store) {
		if row.Tombstone != nil {
			found = append(found, *row.Tombstone)
		}
	}
	if len(found) != len(want) || len(want) > 0 && found[0] != *want[0].Tombstone {
		t.Errorf("tombstones %+v", found)
	}
}

// TestOldExportResurrectsNothing imports an export from before links were erased, by hand and by the sweep.
func TestOldExportResurrectsNothing(t *testing.T) {
	eachDatabase(t, func(t *testing.T, open func(testing.TB) *Store) {
		f := fill(t, open(t))
		sweep := bridge.Sweep{Now: f.now.Add(time.Hour), Limit: 1000}
		must(t, errOf(f.store.Sweep(t.Context(), sweep)))
		old := exportRows(t, f.store)
		f.forget("implicit")
		sweep.EndedRetention = time.Hour
		must(t, errOf(f.store.Sweep(t.Context(), sweep)))
		before := contents(t, f.store, exported...)
		if n := len(before["tombstones"]); n != 5 { // with aaoldest, replayed, revoked and forgotten
			t.Errorf("%d tombstones", n)
		}
		mustImport(t, f.store, sequenceOf(old), Imported{Known: fillLinks - 4, Erased: 4})
		wantContents(t, "imported", contents(t, f.store, exported...), before)

		// What the other database still has is erased by its import.
		other := open(t)
		mustImport(t, other, sequenceOf(old), Imported{Added: fillLinks})
		mustImport(t, other, f.store.Export(t.Context()), Imported{Known: fillLinks - 4, Erased: 4})
		wantContents(t, "there", contents(t, other, exported...), before)
	})
}

// TestLinkWithManyTokens verifies that a link that owns more than a transaction of a sweep deletes is erased.
func TestLinkWithManyTokens(t *testing.T) {
	skipIfShort(t)
	eachDatabase(t, func(t *testing.T, open func(testing.TB) *Store) {
		rows := slices.Concat(implicitLink(0), implicitLink(1))
		rows[0].Link.RevokedAt, rows[2].Link.RevokedAt = begin.Unix(), begin.Unix()
		const tokens = 2*deleteSize + 7
		for i := range tokens {
			token := *rows[3].Token
			token.Hash = bridge.HashOf(string(rune(i)))
			rows = append(rows, transfer.Row{Token: &token})
		}
		store := open(t)
		mustImport(t, store, sequenceOf(rows), Imported{Added: 2})
		sweep := bridge.Sweep{Now: begin.Add(time.Hour), Limit: 100, EndedRetention: time.Hour}
		if n, err := store.Sweep(t.Context(), sweep); err != nil || n != 4+tokens {
			t.Errorf("removed %d, %v", n, err)
		}
		for table, rows := range contents(t, store, exported...) {
			if want := map[string]int{"tombstones": 2}[table]; len(rows) != want {
				t.Errorf("%s has %d rows", table, len(rows))
			}
		}
	})
}
