//go:build strict

package sqlstore

import (
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/internal/postgrestest"
)

// TestRefreshBatch verifies that a batch does the ordinary refreshes and leaves all others undone.
func TestRefreshBatch(t *testing.T) {
	t.Parallel()
	f, _ := newPostgreSQL(t)
	for _, name := range []string{"one", "other", "revoked", "rotated", "superseded"} {
		f.grant(name)
	}
	must(t, f.rotate("rotated", "child"))
	must(t, f.rotate("superseded", "confirming"))
	must(t, f.rotate("confirming", "confirmed"))
	f.revoke("revoked", bridge.ReasonOperator)
	changed := func(access string, change func(*bridge.Refresh)) *bridge.Refresh {
		refresh := stableRefresh("one", access)
		change(refresh)
		return refresh
	}
	// The child of "rotated" was not presented.
	want := map[*bridge.Refresh]string{
		stableRefresh("one", "first"):                                                                          "lnk_one",
		stableRefresh("one", "second"):                                                                         "lnk_one",
		stableRefresh("other", "third"):                                                                        "lnk_other",
		stableRefresh("rotated", "fourth"):                                                                     "lnk_rotated",
		stableRefresh("child", "of child"):                                                                     "",
		stableRefresh("superseded", "of superseded"):                                                           "",
		stableRefresh("revoked", "of revoked"):                                                                 "",
		stableRefresh("unknown", "of unknown"):                                                                 "",
		changed("another client", func(r *bridge.Refresh) { r.ClientID = "pasta" }):                            "",
		changed("more scope", func(r *bridge.Refresh) { r.Scope = "more" }):                                    "",
		changed("expired", func(r *bridge.Refresh) { r.Now = begin.Add(48 * time.Hour) }):                      "",
		changed("suspended", func(r *bridge.Refresh) { r.Permits = func(*bridge.Link) bool { return false } }): "",
		changed("no refresh token", func(r *bridge.Refresh) { r.Token = bridge.HashOf("one access") }):         "",
	}
	var batch []*pendingRefresh
	for refresh := range want {
		batch = append(batch, &pendingRefresh{refresh: refresh})
	}
	must(t, f.store.refreshBatch(t.Context(), batch))
	for _, pending := range batch {
		id := want[pending.refresh]
		wantAccess(t, f.store, pending.refresh.Tokens.Access, id)
		if pending.done != (id != "") || pending.done && pending.link.ID != id {
			t.Errorf("done %v for link %q, want %q", pending.done, pending.link.ID, id)
		}
	}
}

// TestRefreshBatchError verifies that a batch with a refresh that the database rejects does nothing and reports no
// error, so that each is tried again in a transaction.
func TestRefreshBatchError(t *testing.T) {
	t.Parallel()
	f, _ := newPostgreSQL(t)
	grantMany(t, f.store, 3)
	batch := []*pendingRefresh{{refresh: stableRefresh("many 0", "many 1 access")},
		{refresh: stableRefresh("many 2", "new")}}
	if err := f.store.refreshBatch(t.Context(), batch); err != nil || batch[0].done || batch[1].done {
		t.Errorf("done %v and %v, %v", batch[0].done, batch[1].done, err)
	}
	wantAccess(t, f.store, bridge.HashOf("new"), "")
}

// TestRefreshBatchGuards revokes, supersedes and locks between the two statements of a batch.
func TestRefreshBatchGuards(t *testing.T) {
	t.Parallel()
	f, beside := newPostgreSQL(t)
	var batch []*pendingRefresh
	for _, name := range []string{"live", "revoked", "superseded", "locked"} {
		f.grant(name)
		batch = append(batch, &pendingRefresh{refresh: stableRefresh(name, "new "+name)})
	}
	ordinary, err := selectOrdinary(t.Context(), beside, batch)
	if err != nil || len(ordinary) != len(batch) {
		t.Fatalf("%d of %d are ordinary, %v", len(ordinary), len(batch), err)
	}
	f.revoke("revoked", bridge.ReasonOperator)
	must(t, errOf(beside.Exec(`UPDATE tokens SET superseded_at = 1 WHERE hash = $1`,
		string(bridge.HashOf("superseded refresh")))))
	lock, err := beside.Begin()
	must(t, err)
	must(t, errOf(lock.Exec(`SELECT FROM links WHERE id = 'lnk_locked' FOR UPDATE`)))
	must(t, addAccessTokens(t.Context(), beside, ordinary))
	must(t, lock.Rollback())
	for _, pending := range batch {
		id := ""
		if pending.refresh.Token == bridge.HashOf("live refresh") {
			id = "lnk_live"
		}
		wantAccess(t, f.store, pending.refresh.Tokens.Access, id)
		if pending.done != (id != "") {
			t.Errorf("done %v, want link %q", pending.done, id)
		}
	}
}

// TestRefreshWaitsForRevoke verifies that a refresh of a link that is being revoked waits for the commit, and fails.
func TestRefreshWaitsForRevoke(t *testing.T) {
	t.Parallel()
	f, beside := newPostgreSQL(t)
	f.grant("one")
	revoking, err := beside.Begin()
	must(t, err)
	must(t, errOf(revoking.Exec(`UPDATE links SET revoked_at = 1`)))
	result := make(chan error)
	go func() {
		_, err := f.store.Refresh(t.Context(), *stableRefresh("one", "late"))
		result <- err
	}()
	waitForLock(t, beside)
	must(t, revoking.Commit())
	if err := <-result; !errors.Is(err, bridge.ErrRevoked) {
		t.Error(err)
	}
	wantAccess(t, f.store, bridge.HashOf("late"), "")
}

// waitForLock waits until a query waits for a lock.
func waitForLock(t *testing.T, db *sql.DB) {
	t.Helper()
	for waiting := 0; waiting == 0; {
		err := db.QueryRow(`SELECT COUNT(*) FROM pg_stat_activity
			WHERE wait_event_type = 'Lock' AND datname = current_database()`).Scan(&waiting)
		must(t, err)
	}
}

// TestRefreshIsolation refreshes on databases whose default isolation is stricter.
func TestRefreshIsolation(t *testing.T) {
	t.Parallel()
	server := postgrestest.Shared(t)
	for _, isolation := range []string{"repeatable read", "serializable"} {
		dsn := server.DatabaseFor(t)
		grantMany(t, openDSN(t, dsn), 8)
		refreshMany(t, openDSN(t, dsn+"&default_transaction_isolation="+strings.ReplaceAll(isolation, " ", "%20")))
	}
}

// TestRefreshWhenConnectionsAreCut verifies that a batch whose query fails is left to transactions.
func TestRefreshWhenConnectionsAreCut(t *testing.T) {
	t.Parallel()
	f, _ := newPostgreSQL(t)
	f.grant("one")
	for i := range 5 {
		must(t, errOf(f.store.Refresh(t.Context(), *stableRefresh("one", fmt.Sprint("before ", i)))))
		cut(t, f.store)
		access := fmt.Sprint("after ", i)
		must(t, errOf(f.store.Refresh(t.Context(), *stableRefresh("one", access))))
		wantAccessAfterCut(t, f.store, bridge.HashOf(access), "lnk_one")
	}
}

// wantAccessAfterCut is wantAccess, after lookups that may find broken connections.
func wantAccessAfterCut(t *testing.T, store *Store, access bridge.Hash, id string) {
	t.Helper()
	for range 20 {
		if _, err := store.Lookup(t.Context(), access); err == nil || errors.Is(err, bridge.ErrNotFound) {
			break
		}
	}
	wantAccess(t, store, access, id)
}
