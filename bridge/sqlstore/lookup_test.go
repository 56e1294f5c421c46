package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/sqlstore/postgrestest"
)

// granted puts links into a store, and returns their ids by the hashes of their access tokens.
func granted(t *testing.T, store *Store, links int) map[string]string {
	f := &furnished{T: t, store: store, now: begin}
	ids := map[string]string{}
	for i := range links {
		name := fmt.Sprint("shared ", i)
		f.grant(name)
		ids[string(bridge.HashOf(name+" access"))] = "lnk_" + name
	}
	return ids
}

func numberWaiting(l *lookUps) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.waiting)
}

// wantAnswer checks what was found against the link that there should be, or none.
func wantAnswer(t *testing.T, found bridge.AccessToken, err error, id string) {
	t.Helper()
	switch {
	case id == "" && !errors.Is(err, sql.ErrNoRows):
		t.Errorf("what is no access token was found: %v, %v", found.Link.ID, err)
	case id != "" && (err != nil || found.Link.ID != id || found.Link.Subject == "" || found.IssuedAt.IsZero() || found.ExpiresAt.IsZero()):
		t.Errorf("for %s %+v was found: %v", id, found, err)
	}
}

// Those that ask at the same time are answered by one query, each what they asked for, and without regard to whether the
// client of the one who asks for them all is still there.
func TestLookUpsShareAQuery(t *testing.T) {
	onBoth(t, func(t *testing.T, empty func(t *testing.T) *Store) {
		store := empty(t)
		ids := granted(t, store, maxShared)
		l := store.open.Load().lookUps
		var waiting []*asked
		for i := range maxShared + 2 {
			waiting = append(waiting, l.ask(string(bridge.HashOf(fmt.Sprintf("shared %d access", i%(maxShared-3))))))
		}
		waiting[3].token = string(bridge.HashOf("unknown"))
		waiting[4].token = string(bridge.HashOf("shared 4 refresh"))
		waiting[5].token = ""
		l.leave(waiting[6])
		gone, hangUp := context.WithTimeout(t.Context(), time.Minute)
		hangUp()
		l.turns <- struct{}{}
		if !l.lead(gone, waiting[maxShared]) {
			t.Fatal("nothing was read")
		}
		for i, a := range waiting {
			if read := isClosed(a.done); read != (i != 6 && i <= maxShared) {
				t.Errorf("%d was answered: %v", i, read)
			} else if read {
				wantAnswer(t, a.found, a.err, ids[a.token])
			}
		}
		l.turns <- struct{}{}
		if l.lead(t.Context(), waiting[0]) || isClosed(waiting[maxShared+1].done) || len(l.turns) > 0 {
			t.Error("one who has an answer led again, or kept the turn")
		}
		l.turns <- struct{}{}
		if !l.lead(t.Context(), waiting[maxShared+1]) || numberWaiting(l) > 0 {
			t.Error("the last was not read")
		}
		wantAnswer(t, waiting[maxShared+1].found, waiting[maxShared+1].err, ids[waiting[maxShared+1].token])
	})
}

// Whatever comes together, everybody gets their own answer.
func TestManyLookUpsAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, empty func(t *testing.T) *Store) {
		store := empty(t)
		ids := granted(t, store, 40)
		var callers sync.WaitGroup
		for caller := range 100 {
			callers.Go(func() {
				random := rand.New(rand.NewPCG(1, uint64(caller)))
				for range 30 {
					token := bridge.HashOf(fmt.Sprintf("shared %d access", random.IntN(50)))
					found, err := store.LookUp(t.Context(), token)
					if errors.Is(err, bridge.ErrNotFound) {
						err = sql.ErrNoRows
					}
					wantAnswer(t, found, err, ids[string(token)])
				}
			})
		}
		callers.Wait()
		if l := store.open.Load().lookUps; numberWaiting(l)+len(l.turns) > 0 {
			t.Errorf("%d wait still and %d turns are taken", numberWaiting(l), len(l.turns))
		}
	})
}

// A query that fails fails for all who share it, rather than to tell them that there is no such token.
func TestLookUpsShareAFailure(t *testing.T) {
	onBoth(t, func(t *testing.T, empty func(t *testing.T) *Store) {
		store := empty(t)
		granted(t, store, 1)
		l := store.open.Load().lookUps
		known, unknown := l.ask(string(bridge.HashOf("shared 0 access"))), l.ask(string(bridge.HashOf("unknown")))
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
		l.turns <- struct{}{}
		l.lead(t.Context(), known)
		for _, a := range []*asked{known, unknown} {
			if a.err == nil || errors.Is(a.err, sql.ErrNoRows) {
				t.Errorf("from a closed database came %+v, %v", a.found, a.err)
			}
		}
	})
}

// A query that fails when it has found some has not found that there are no others.
func TestLookUpsFailHalfway(t *testing.T) {
	store := newSQLite(t)
	ids := granted(t, store, 3)
	l := store.open.Load().lookUps
	hashes := slices.Sorted(maps.Keys(ids)) // the order in which SQLite reads them
	broken, err := sql.Open("sqlite", store.options.DSN)
	if err != nil {
		t.Fatal(err)
	}
	defer broken.Close()
	_, err = broken.Exec(`ALTER TABLE links RENAME TO kept; CREATE VIEW links AS SELECT id, client_id, grant_type, provider, issuer, subject_claim,
		groups_claim, CASE id WHEN '` + ids[hashes[1]] + `' THEN abs(-9223372036854775808) ELSE subject END AS subject,
		claims, scope, alexa_user, created_at, last_used_at, revoked_at, reason FROM kept`)
	if err != nil {
		t.Fatal(err)
	}
	var group []*asked
	for _, hash := range hashes {
		group = append(group, l.ask(hash))
	}
	l.turns <- struct{}{}
	l.lead(t.Context(), group[0])
	if group[0].found.Link.ID != ids[hashes[0]] {
		t.Errorf("nothing was found before the failure: %v", group[0].err)
	}
	for _, a := range group {
		if a.err == nil || errors.Is(a.err, sql.ErrNoRows) {
			t.Errorf("from a query that failed came %+v, %v", a.found, a.err)
		}
	}
}

// Who is being read by another one waits for that, even if there are turns to have.
func TestLookUpWaitsForWhoLeads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLookUps(nil, 1)
		l.turns <- struct{}{}
		got := make(chan error)
		go func() {
			_, err := l.find(t.Context(), "token")
			got <- err
		}()
		synctest.Wait()
		group := l.take(&asked{})
		l.turns.giveBack()
		synctest.Wait() // never returns if it tries again and again
		group[0].err = sql.ErrNoRows
		close(group[0].done)
		if err := <-got; !errors.Is(err, sql.ErrNoRows) || len(l.turns) > 0 {
			t.Errorf("got %v, and %d turns are taken", err, len(l.turns))
		}
	})
}

// Who has waited for too long gives up and is not read any more.
func TestLookUpGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLookUps(nil, 1)
		l.turns <- struct{}{}
		patient, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		impatient, hangUp := context.WithCancel(t.Context())
		gaveUp := make(chan error, 2)
		for _, ctx := range []context.Context{patient, impatient} {
			go func() {
				_, err := l.find(ctx, "token")
				gaveUp <- err
			}()
			synctest.Wait()
		}
		hangUp()
		synctest.Wait()
		if err := <-gaveUp; !errors.Is(err, context.Canceled) || numberWaiting(l) != 1 {
			t.Errorf("who hung up got %v, and %d wait", err, numberWaiting(l))
		}
		if err := <-gaveUp; !errors.Is(err, context.DeadlineExceeded) || numberWaiting(l) != 0 {
			t.Errorf("who waited got %v, and %d wait", err, numberWaiting(l))
		}
		l.turns.giveBack()
		for range 20 { // so often that it is not by chance
			if _, err := l.find(impatient, "token"); !errors.Is(err, context.Canceled) || numberWaiting(l) != 0 {
				t.Fatalf("a caller that is gone got %v", err)
			}
		}
	})
}

// A query that a database does not answer ends when the patience of who leads does, and all who share it hear of it.
func TestLookUpOfAHangingDatabase(t *testing.T) {
	server := postgrestest.ForTest(t, postgrestest.Config{})
	proxy := server.ProxyForTest(t)
	store := createPostgreSQL(t, proxy.DSN(server.DatabaseFor(t)))
	if _, err := store.LookUp(t.Context(), "none"); !errors.Is(err, bridge.ErrNotFound) { // and now there is a connection
		t.Fatal(err)
	}
	if err := proxy.Set(postgrestest.Hang); err != nil {
		t.Fatal(err)
	}
	l := store.open.Load().lookUps
	asked := []*asked{l.ask("one"), l.ask("other")}
	soon, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	l.turns <- struct{}{}
	l.lead(soon, asked[0])
	for _, a := range asked {
		if a.err == nil || errors.Is(a.err, sql.ErrNoRows) {
			t.Errorf("from a database that hangs came %+v, %v", a.found, a.err)
		}
	}
}
