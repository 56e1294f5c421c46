package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/sqlstore/internal/engine"
)

// grantMany makes links, and returns their ids by the hashes of their access tokens.
func grantMany(t testing.TB, store *Store, links int) map[bridge.Hash]string {
	f := newFixture(t, store)
	ids := map[bridge.Hash]string{}
	for i := range links {
		name := fmt.Sprint("many ", i)
		f.grant(name)
		ids[bridge.HashOf(name+" access")] = "lnk_" + name
	}
	return ids
}

// wantToken compares the result of a lookup with the id of the link, or "" for none.
func wantToken(t testing.TB, found bridge.AccessToken, err error, id string) {
	t.Helper()
	switch {
	case id == "" && !errors.Is(err, sql.ErrNoRows) && !errors.Is(err, bridge.ErrNotFound):
		t.Errorf("found link %q, %v; want none", found.Link.ID, err)
	case id != "" && (err != nil || found.Link.ID != id || found.Link.Subject == "" ||
		found.IssuedAt.IsZero() || found.ExpiresAt.IsZero()):
		t.Errorf("found %+v, %v; want link %s", found, err, id)
	}
}

func TestLookupBatch(t *testing.T) {
	t.Parallel()
	store := newSQLite(t)
	ids := grantMany(t, store, engine.MaxBatch-2)
	for _, size := range []int{1, 2, engine.MaxBatch} {
		var batch []*pendingLookup
		for i := range size { // the last two are repeated
			batch = append(batch, &pendingLookup{hash: bridge.HashOf(fmt.Sprintf("many %d access", i%(engine.MaxBatch-2)))})
		}
		if size > 3 {
			batch[3].hash = bridge.HashOf("unknown")
			batch[4].hash = bridge.HashOf("many 4 refresh")
			batch[5].hash = ""
		}
		must(t, store.lookups.run(t.Context(), batch))
		for _, pending := range batch {
			wantToken(t, pending.token, pending.err, ids[pending.hash])
		}
	}
}

func TestLookupsAtOnce(t *testing.T) {
	skipIfShort(t)
	eachDatabase(t, func(t *testing.T, open func(testing.TB) *Store) {
		store := open(t)
		ids := grantMany(t, store, 20)
		var callers sync.WaitGroup
		for caller := range 50 {
			callers.Go(func() {
				random := rand.New(rand.NewPCG(1, uint64(caller)))
				for range 20 {
					hash := bridge.HashOf(fmt.Sprintf("many %d access", random.IntN(25)))
					found, err := store.Lookup(t.Context(), hash)
					wantToken(t, found, err, ids[hash])
				}
			})
		}
		callers.Wait()
	})
}

// replaceLinks replaces the table links of a SQLite database by a view, with another expression for a column.
func replaceLinks(t *testing.T, store *Store, column, expression string) {
	t.Helper()
	columns := strings.Replace(strings.ReplaceAll(linkColumns, "links.", ""), column+",", expression+" AS "+column+",", 1)
	other, err := sql.Open("sqlite", store.db.Options.DSN)
	must(t, err)
	defer other.Close()
	must(t, errOf(other.Exec(`ALTER TABLE links RENAME TO stored; CREATE VIEW links AS SELECT `+columns+` FROM stored`)))
}

// TestLookupBesideAMalformedLink verifies that lookups of other links, and of none, succeed when they share a query
// with one whose row cannot be read.
func TestLookupBesideAMalformedLink(t *testing.T) {
	t.Parallel()
	malformed := map[string]string{"subject": "abs(-9223372036854775808)", "claims": "'{'", "created_at": "'soon'"}
	for column, value := range malformed {
		store := newSQLite(t)
		ids := grantMany(t, store, 3)
		hashes := slices.Sorted(maps.Keys(ids))
		bad := hashes[1]
		replaceLinks(t, store, column, `CASE id WHEN '`+ids[bad]+`' THEN `+value+` ELSE `+column+` END`)
		hashes = append(hashes, bridge.HashOf("unknown"))
		var shared atomic.Bool // whether a batch with the malformed link was shared
		l := store.lookups
		l.batcher = engine.NewBatcher(1, func(ctx context.Context, batch []*pendingLookup) error {
			if len(batch) > 1 && slices.ContainsFunc(batch, func(p *pendingLookup) bool { return p.hash == bad }) {
				shared.Store(true)
			}
			return l.run(ctx, batch)
		})
		var callers sync.WaitGroup
		for !shared.Load() {
			for _, hash := range slices.Concat(hashes, hashes, hashes) {
				callers.Go(func() {
					found, err := store.Lookup(t.Context(), hash)
					if hash != bad {
						wantToken(t, found, err, ids[hash])
					} else if err == nil || errors.Is(err, bridge.ErrNotFound) {
						t.Errorf("%s: found %+v, %v", column, found, err)
					}
				})
			}
			callers.Wait()
		}
	}
}
