package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/internal/postgrestest"
)

// replaceLinks puts a view in the place of the links of a SQLite database, with another expression for a column.
func replaceLinks(t *testing.T, store *Store, column, expression string) {
	t.Helper()
	columns := strings.Replace("id, client_id, grant_type, provider, issuer, subject_claim, groups_claim, subject, claims, scope, alexa_user, "+
		"created_at, last_used_at, revoked_at, reason", column+",", expression+" AS "+column+",", 1)
	other, err := sql.Open("sqlite", store.options.DSN)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := other.Exec(`ALTER TABLE links RENAME TO kept; CREATE VIEW links AS SELECT ` + columns + ` FROM kept`); err != nil {
		t.Fatal(err)
	}
}

// What cannot be read of one link is nobody else's trouble, and no reason to say that there are no others.
func TestLookUpsBesideABrokenLink(t *testing.T) {
	const overflow, brokenJSON = "abs(-9223372036854775808)", "'{'"
	for column, value := range map[string]string{"subject": overflow, "claims": brokenJSON, "created_at": "'soon'"} {
		store := newSQLite(t)
		ids := granted(t, store, 3)
		hashes := slices.Sorted(maps.Keys(ids)) // the order in which SQLite reads them
		broken := hashes[1]
		replaceLinks(t, store, column, `CASE id WHEN '`+ids[broken]+`' THEN `+value+` ELSE `+column+` END`)
		for i, got := range together(t, store, append(hashes, string(bridge.HashOf("unknown")))) {
			switch {
			case i == 3:
				wantAnswer(t, got.token, got.err, "")
			case hashes[i] != broken:
				wantAnswer(t, got.token, got.err, ids[hashes[i]])
			case got.err == nil || errors.Is(got.err, sql.ErrNoRows) || got.token.Link.ID != "":
				t.Errorf("%s: for the link that cannot be read %+v was found: %v", column, got.token, got.err)
			}
		}
	}
}

// Who hangs up while others share their query has not hung up for them.
func TestLookUpsBesideOneWhoHangsUp(t *testing.T) {
	server := postgrestest.ForTest(t, postgrestest.Config{})
	dsn := server.DatabaseFor(t)
	store := createPostgreSQL(t, dsn)
	ids := granted(t, store, 3)
	locked, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer locked.Close()
	lock, err := locked.Begin()
	if err == nil {
		_, err = lock.Exec(`LOCK TABLE links IN ACCESS EXCLUSIVE MODE`)
	}
	if err != nil {
		t.Fatal(err)
	}
	l, first := store.open.Load().lookups, string(bridge.HashOf("unknown"))
	for range cap(l.sharing.turns) {
		l.sharing.turns <- struct{}{}
	}
	leader := l.sharing.join(lookup{token: first})
	var callers sync.WaitGroup
	for hash, id := range ids {
		callers.Go(func() {
			found, err := l.find(t.Context(), hash)
			wantAnswer(t, found, err, id)
		})
	}
	for numberWaiting(l) <= len(ids) {
		runtime.Gosched()
	}
	impatient, hangUp := context.WithCancel(t.Context())
	callers.Go(func() { l.sharing.lead(impatient, leader) }) // which gives one turn back
	waitUntil(t, locked, 1)
	for range cap(l.sharing.turns) - 1 {
		l.sharing.turns.giveBack()
	}
	hangUp()
	waitUntil(t, locked, len(ids)) // each by a query of their own
	if err := lock.Rollback(); err != nil {
		t.Error(err)
	}
	callers.Wait()
	if leader.err == nil || errors.Is(leader.err, sql.ErrNoRows) {
		t.Errorf("who hung up got %v", leader.err)
	}
}

// waitUntil waits until so many queries of the database wait for a lock.
func waitUntil(t *testing.T, db *sql.DB, queries int) {
	t.Helper()
	for waiting := 0; waiting < queries; {
		err := db.QueryRow(`SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`).Scan(&waiting)
		if err != nil {
			t.Fatal(err)
		}
	}
}

// A connection that is cut is the trouble of one lookup at the most, however many share the query.
func TestLookUpsWhenConnectionsAreCut(t *testing.T) {
	server := postgrestest.ForTest(t, postgrestest.Config{})
	store := createPostgreSQL(t, server.DatabaseFor(t))
	ids := granted(t, store, 20)
	hashes := slices.Concat(slices.Collect(maps.Keys(ids)), slices.Collect(maps.Keys(ids)), slices.Collect(maps.Keys(ids)))
	for range 3 {
		together(t, store, hashes) // makes the connections
		if err := server.Cut(); err != nil {
			t.Fatal(err)
		}
		failed := 0
		for i, got := range together(t, store, hashes) {
			if got.err == nil || errors.Is(got.err, sql.ErrNoRows) {
				wantAnswer(t, got.token, got.err, ids[hashes[i]])
			} else {
				failed++
			}
		}
		if failed > poolSize {
			t.Errorf("%d of %d lookups failed", failed, len(hashes))
		}
	}
}

// Who shared a query with one who panicked is not left waiting.
func TestLookUpsBesideAPanic(t *testing.T) {
	store := newSQLite(t)
	ids := granted(t, store, 2)
	l := store.open.Load().lookups
	prepared := l.prepared[maxShared]
	l.prepared[maxShared] = nil // panics
	var waiting []*asked[lookup]
	for hash := range ids {
		waiting = append(waiting, l.sharing.join(lookup{token: hash}))
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		l.sharing.turns <- struct{}{}
		l.sharing.lead(t.Context(), waiting[0])
	}()
	for _, a := range waiting {
		if !isClosed(a.done) || a.err == nil || !a.shared || len(l.sharing.turns) > 0 {
			t.Errorf("closed %v, error %v, %d turns taken", isClosed(a.done), a.err, len(l.sharing.turns))
		}
	}
	l.prepared[maxShared] = prepared
}

// A query that a database does not answer ends when the patience of who leads does.
func TestLookUpOfAHangingDatabase(t *testing.T) {
	server := postgrestest.ForTest(t, postgrestest.Config{})
	proxy := server.ProxyForTest(t)
	store := createPostgreSQL(t, proxy.DSN(server.DatabaseFor(t)))
	if _, err := store.Lookup(t.Context(), "none"); !errors.Is(err, bridge.ErrNotFound) { // and now there is a connection
		t.Fatal(err)
	}
	if err := proxy.Set(postgrestest.Hang); err != nil {
		t.Fatal(err)
	}
	l := store.open.Load().lookups
	asked := []*asked[lookup]{l.sharing.join(lookup{token: "one"}), l.sharing.join(lookup{token: "other"})}
	soon, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	l.sharing.turns <- struct{}{}
	l.sharing.lead(soon, asked[0])
	for _, a := range asked {
		if a.err == nil || errors.Is(a.err, sql.ErrNoRows) {
			t.Errorf("from a database that hangs came %+v, %v", a.question.found, a.err)
		}
	}
}
