package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/internal/postgrestest"
)

// usual is the refresh of a name for a new access token, as many as are wanted.
func usual(name, access string) *bridge.Refresh {
	return &bridge.Refresh{Token: bridge.HashOf(name + " refresh"), ClientID: "pizza", Now: begin.Add(time.Hour), Honours: anyLink,
		Tokens: bridge.NewTokens{Access: bridge.HashOf(access), AccessExpiresAt: begin.Add(2 * time.Hour)}}
}

// wantAccess looks up an access token that must be of a link, or of none.
func wantAccess(t *testing.T, store *Store, access bridge.Hash, id string) {
	t.Helper()
	found, err := store.Lookup(t.Context(), access)
	if id == "" && !errors.Is(err, bridge.ErrNotFound) {
		t.Errorf("there is an access token %q: %+v, %v", access, found, err)
	}
	if id != "" && (err != nil || found.Link.ID != id || !found.IssuedAt.Equal(begin.Add(time.Hour)) || !found.ExpiresAt.Equal(begin.Add(2*time.Hour))) {
		t.Errorf("%q is not an access token of %s: %+v, %v", access, id, found, err)
	}
}

// Refreshes that come together share two statements. What is unusual about one of them is not done, and keeps no other back.
func TestRefreshesTogether(t *testing.T) {
	onBoth(t, func(t *testing.T, empty func(t *testing.T) *Store) { refreshTogether(t, empty(t)) })
}

func refreshTogether(t *testing.T, store *Store) {
	f := &furnished{T: t, store: store, now: begin}
	for _, name := range []string{"one", "other", "revoked", "rotated", "superseded"} {
		f.grant(name)
	}
	f.must(f.refresh("rotated", "child"))
	f.must(f.refresh("superseded", "confirming"))
	f.must(f.refresh("confirming", "confirmed"))
	f.must(errOf(store.Revoke(t.Context(), bridge.LinkFilter{IDs: []string{"lnk_revoked"}}, bridge.ReasonOperator, begin)))

	refused := func(why string, change func(*bridge.Refresh)) *bridge.Refresh {
		refresh := usual("one", why)
		change(refresh)
		return refresh
	}
	group := map[*bridge.Refresh]string{
		usual("one", "first"):                "lnk_one",
		usual("one", "second"):               "lnk_one",
		usual("other", "third"):              "lnk_other",
		usual("rotated", "fourth"):           "lnk_rotated", // whose child nobody has presented
		usual("child", "of child"):           "",
		usual("superseded", "of superseded"): "",
		usual("revoked", "of revoked"):       "",
		usual("unknown", "of unknown"):       "",
		refused("another skill's", func(r *bridge.Refresh) { r.ClientID = "pasta" }):                           "",
		refused("more scope", func(r *bridge.Refresh) { r.Scope = "more" }):                                    "",
		refused("expired", func(r *bridge.Refresh) { r.Now = begin.Add(48 * time.Hour) }):                      "",
		refused("suspended", func(r *bridge.Refresh) { r.Honours = func(*bridge.Link) bool { return false } }): "",
		refused("no refresh token", func(r *bridge.Refresh) { r.Token = bridge.HashOf("one access") }):         "",
	}
	r := store.open.Load().refreshes
	asking := map[*bridge.Refresh]*asked[refreshing]{}
	var last *asked[refreshing]
	for refresh := range group {
		last = r.sharing.join(refreshing{refresh: refresh})
		asking[refresh] = last
	}
	gone, hangUp := context.WithCancel(t.Context())
	hangUp()
	r.sharing.turns <- struct{}{}
	r.sharing.lead(gone, last)
	for refresh, id := range group {
		a := asking[refresh]
		wantAccess(t, store, refresh.Tokens.Access, id)
		if a.err != nil || a.question.added != (id != "") || a.question.added && a.question.link.ID != id {
			t.Errorf("%+v was added: %v, to %q, %v; want %q", refresh, a.question.added, a.question.link.ID, a.err, id)
		}
	}
	wantNoTurns(t, store)
}

// What is wrong with one refresh is not wrong with those that came together with it.
func TestRefreshBesideABadOne(t *testing.T) {
	onBoth(t, func(t *testing.T, empty func(t *testing.T) *Store) {
		store := empty(t)
		granted(t, store, 3)
		r := store.open.Load().refreshes
		bad := usual("shared 0", "shared 1 access") // which there is already
		group := []*asked[refreshing]{r.sharing.join(refreshing{refresh: bad}), r.sharing.join(refreshing{refresh: usual("shared 2", "new")})}
		r.sharing.turns <- struct{}{}
		r.sharing.lead(t.Context(), group[0])
		for _, a := range group {
			if a.err != nil || a.question.added {
				t.Errorf("added: %v, %v", a.question.added, a.err)
			}
		}
		if _, err := store.Refresh(t.Context(), *bad); err == nil {
			t.Error("an access token was given out twice")
		}
		if _, err := store.Refresh(t.Context(), *usual("shared 2", "new")); err != nil {
			t.Error(err)
		}
		wantAccess(t, store, bridge.HashOf("new"), "lnk_shared 2")
	})
}

// Who leads a group with little time left has the time of who came last.
func TestRefreshesUntilTheLast(t *testing.T) {
	for _, one := range []struct {
		waits []time.Duration // 0: without end
		want  time.Duration
	}{{[]time.Duration{time.Minute, time.Hour, time.Second}, time.Hour}, {[]time.Duration{time.Minute, 0, time.Second}, 0}} {
		synctest.Test(t, func(t *testing.T) {
			began, together := time.Now(), 0
			r := newRefreshes(leaders, 0, func(ctx context.Context, group []*asked[refreshing]) error {
				together = len(group)
				deadline, bounded := ctx.Deadline()
				if bounded != (one.want > 0) || bounded && !deadline.Equal(began.Add(one.want)) || ctx.Err() != nil {
					t.Errorf("until %v, %v", deadline, ctx.Err())
				}
				return nil
			})
			for range leaders {
				r.sharing.turns <- struct{}{}
			}
			for _, wait := range one.waits {
				ctx, cancel := t.Context(), context.CancelFunc(func() {})
				if wait > 0 {
					ctx, cancel = context.WithTimeout(ctx, wait)
				}
				go func() {
					defer cancel()
					if _, _, err := r.try(ctx, usual("one", "new")); err != nil {
						t.Error(err)
					}
				}()
			}
			synctest.Wait()
			r.sharing.turns.giveBack()
			synctest.Wait()
			if together != len(one.waits) {
				t.Errorf("%d asked together", together)
			}
		})
	}
}

func wantNoTurns(t *testing.T, store *Store) {
	t.Helper()
	open := store.open.Load()
	if len(open.refreshes.sharing.turns) > 0 {
		t.Error("a turn to lead was kept")
	}
	if p, isPool := open.writer.(*pool); isPool && len(p.turns) > 0 {
		t.Error("a turn to write was kept")
	}
}

func poolOf(store *Store) *pool { return store.open.Load().writer.(*pool) }

func errOf(_ any, err error) error { return err }

// What happens to a link or a token between the two statements is seen by the second.
func TestRefreshesBesideAnEnd(t *testing.T) {
	store := createPostgreSQL(t, postgrestest.ForTest(t, postgrestest.Config{}).DatabaseFor(t))
	f := &furnished{T: t, store: store, now: begin}
	for _, name := range []string{"live", "revoked", "superseded", "locked"} {
		f.grant(name)
	}
	p := poolOf(store)
	var group []*asked[refreshing]
	for _, name := range []string{"live", "revoked", "superseded", "locked"} {
		group = append(group, &asked[refreshing]{question: refreshing{refresh: usual(name, "new "+name)}})
	}
	read, err := p.readPresented(t.Context(), group)
	if err != nil || len(read) != len(group) {
		t.Fatalf("%d of %d are usual, %v", len(read), len(group), err)
	}
	f.must(errOf(store.Revoke(t.Context(), bridge.LinkFilter{IDs: []string{"lnk_revoked"}}, bridge.ReasonOperator, begin)))
	f.must(errOf(p.db.Exec(`UPDATE tokens SET superseded_at = 1 WHERE hash = $1`, string(bridge.HashOf("superseded refresh")))))
	lock, err := p.db.Begin()
	f.must(err)
	f.must(errOf(lock.Exec(`SELECT FROM links WHERE id = 'lnk_locked' FOR UPDATE`)))
	f.must(p.addAccess(t.Context(), read))
	f.must(lock.Rollback())
	wantAccess(t, store, bridge.HashOf("new live"), "lnk_live")
	for _, name := range []string{"revoked", "superseded", "locked"} {
		wantAccess(t, store, bridge.HashOf("new "+name), "")
	}
}

// A refresh of a link that is being ended waits for the end, and fails.
func TestRefreshOfALinkThatEnds(t *testing.T) {
	server := postgrestest.ForTest(t, postgrestest.Config{})
	dsn := server.DatabaseFor(t)
	store := createPostgreSQL(t, dsn)
	f := &furnished{T: t, store: store, now: begin}
	f.grant("ending")
	watch, err := sql.Open("pgx", dsn)
	f.must(err)
	defer watch.Close()
	ending, err := poolOf(store).db.Begin()
	f.must(err)
	f.must(errOf(ending.Exec(`UPDATE links SET revoked_at = 1`)))
	failed := make(chan error)
	go func() {
		_, err := store.Refresh(t.Context(), *usual("ending", "late"))
		failed <- err
	}()
	waitUntil(t, watch, 1)
	f.must(ending.Commit())
	if err := <-failed; !errors.Is(err, bridge.ErrRevoked) {
		t.Error(err)
	}
	wantAccess(t, store, bridge.HashOf("late"), "")
}

// Whatever comes together, everybody gets a token of their own, in a database with the strictest order of transactions, too.
func TestManyRefreshesAtOnce(t *testing.T) {
	server := postgrestest.ForTest(t, postgrestest.Config{})
	for _, isolation := range []string{"", "repeatable read", "serializable"} {
		t.Run(isolation, func(t *testing.T) {
			dsn := server.DatabaseFor(t)
			store := createPostgreSQL(t, dsn)
			granted(t, store, 8)
			if isolation != "" {
				if _, err := poolOf(store).db.Exec(`DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_isolation = ''` +
					isolation + `''', current_database()); END $$`); err != nil {
					t.Fatal(err)
				}
				store = createPostgreSQL(t, dsn)
			}
			var callers sync.WaitGroup
			for caller := range 40 {
				callers.Go(func() {
					random := rand.New(rand.NewPCG(2, uint64(caller)))
					for i := range 10 {
						name, access := fmt.Sprint("shared ", random.IntN(8)), fmt.Sprint("new ", caller, i)
						link, err := store.Refresh(t.Context(), *usual(name, access))
						if err != nil || link.ID != "lnk_"+name {
							t.Errorf("%+v, %v", link, err)
						}
						wantAccess(t, store, bridge.HashOf(access), "lnk_"+name)
					}
				})
			}
			callers.Wait()
			wantNoTurns(t, store)
		})
	}
}

// A database that does not answer keeps nobody for longer than the time of who leads, nor does a pool whose turns are taken.
func TestRefreshOfAHangingDatabase(t *testing.T) {
	server := postgrestest.ForTest(t, postgrestest.Config{})
	proxy := server.ProxyForTest(t)
	store := createPostgreSQL(t, proxy.DSN(server.DatabaseFor(t)))
	f := &furnished{T: t, store: store, now: begin}
	f.grant("one")
	p := poolOf(store)
	for _, hang := range []func() error{
		func() error {
			for range cap(p.turns) {
				p.turns <- struct{}{}
			}
			return nil
		},
		func() error {
			for range cap(p.turns) {
				p.turns.giveBack()
			}
			return proxy.Set(postgrestest.Hang)
		},
	} {
		f.must(hang())
		soon, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		if _, err := store.Refresh(soon, *usual("one", "never")); err == nil {
			t.Error("a database that hangs did a refresh")
		}
		cancel()
		if len(store.open.Load().refreshes.sharing.turns) > 0 {
			t.Error("a turn was kept")
		}
	}
}

// A connection that is cut while links are read leaves the refreshes to transactions; nothing has been done yet.
func TestRefreshWhenConnectionsAreCut(t *testing.T) {
	server := postgrestest.ForTest(t, postgrestest.Config{})
	store := createPostgreSQL(t, server.DatabaseFor(t))
	f := &furnished{T: t, store: store, now: begin}
	f.grant("one")
	for i := range 5 {
		f.must(errOf(store.Refresh(t.Context(), *usual("one", fmt.Sprint("before ", i)))))
		f.must(server.Cut())
		access := fmt.Sprint("after ", i)
		f.must(errOf(store.Refresh(t.Context(), *usual("one", access))))
		wantAccess(t, store, bridge.HashOf(access), "lnk_one")
	}
}

// Only what was certainly not done may be done again.
func TestUndone(t *testing.T) {
	for err, want := range map[error]bool{
		&pgconn.PgError{Code: "40001"}:                           true,
		fmt.Errorf("insert: %w", &pgconn.PgError{Code: "0A000"}): true,
		&pgconn.PgError{Code: "57P01"}:                           false,
		io.ErrUnexpectedEOF:                                      false,
		context.DeadlineExceeded:                                 false,
	} {
		if undone(err) != want {
			t.Errorf("%v: undone is %v", err, !want)
		}
	}
}
