package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/storetest"
	"alexa-oidc-bridge/internal/postgrestest"
)

func createPostgreSQL(t *testing.T, dsn string) *Store {
	t.Helper()
	store, err := Open(t.Context(), Options{Driver: PostgreSQL, DSN: dsn, Create: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

// The suite on a database that sorts text as people do, which is not by bytes.
func TestPostgreSQL(t *testing.T) {
	server := postgrestest.ForTest(t, postgrestest.Config{ICULocale: "en-US"})
	storetest.Run(t, func(t *testing.T) bridge.Store { return createPostgreSQL(t, server.DatabaseFor(t)) })
}

// Replicas that start at once on an empty database all come up, with one schema and one epoch.
func TestReplicasStartAtOnce(t *testing.T) {
	server := postgrestest.ForTest(t, postgrestest.Config{})
	for range 3 {
		dsn := server.DatabaseFor(t)
		stores, errs := make([]*Store, 6), make([]error, 6)
		var group sync.WaitGroup
		for i := range stores {
			group.Go(func() {
				stores[i], errs[i] = Open(context.Background(), Options{Driver: PostgreSQL, DSN: dsn, Create: true})
			})
		}
		group.Wait()
		epochs := map[string]bool{}
		for i, store := range stores {
			if errs[i] != nil {
				t.Fatalf("start %d: %v", i, errs[i])
			}
			feed, err := store.ReadFeed(t.Context(), bridge.Position{})
			if err != nil {
				t.Fatal(err)
			}
			epochs[feed.Position.Epoch] = true
			if err := store.Close(); err != nil {
				t.Error(err)
			}
		}
		again := createPostgreSQL(t, dsn)
		feed, err := again.ReadFeed(t.Context(), bridge.Position{})
		if err != nil {
			t.Fatal(err)
		}
		epochs[feed.Position.Epoch] = true
		if len(epochs) != 1 || epochs[""] {
			t.Errorf("epochs: %v", epochs)
		}
	}
}

// A transaction whose caller's context ends in the middle says that, and not what the library did about it.
func TestContextEndsInTransaction(t *testing.T) {
	store := createPostgreSQL(t, postgrestest.ForTest(t, postgrestest.Config{}).DatabaseFor(t))
	ctx, cancel := context.WithCancel(t.Context())
	err := store.open.Load().writer.write(ctx, func(tx *transaction) error {
		cancel()
		for {
			if _, err := tx.Exec(`SELECT 1`); err != nil {
				return err
			}
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// What one process ends wakes another.
func TestNotified(t *testing.T) {
	dsn := postgrestest.ForTest(t, postgrestest.Config{}).DatabaseFor(t)
	here, there := createPostgreSQL(t, dsn), createPostgreSQL(t, dsn)
	if _, err := here.ReadFeed(t.Context(), bridge.Position{}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	woken := make(chan bool)
	go func() {
		here.WaitForEvents(ctx)
		woken <- ctx.Err() == nil
	}()
	link := bridge.Link{ID: bridge.NewLinkID(), CreatedAt: time.Unix(1_800_000_000, 0)}
	if err := there.write(ctx, func(tx *transaction) error { return insertLink(tx, &link) }); err != nil {
		t.Fatal(err)
	}
	if _, err := there.Revoke(ctx, bridge.LinkFilter{IDs: []string{link.ID}}, "x", link.CreatedAt); err != nil {
		t.Fatal(err)
	}
	select {
	case notified := <-woken:
		if !notified {
			t.Error("not woken")
		}
	case <-time.After(10 * time.Second):
		t.Error("not woken")
	}
}

func TestPostgreSQLRefused(t *testing.T) {
	server := postgrestest.ForTest(t, postgrestest.Config{})
	foreign := server.DatabaseFor(t)
	execute(t, foreign, `CREATE TABLE holiday_photos (id BIGINT)`)
	careless := server.DatabaseFor(t)
	execute(t, careless, `ALTER ROLE CURRENT_USER SET synchronous_commit = off`)
	defer execute(t, careless, `ALTER ROLE CURRENT_USER RESET synchronous_commit`)
	for name, test := range map[string]struct {
		dsn    string
		create bool
		want   error
	}{
		"no such database":          {strings.Replace(foreign, databaseOf(t, foreign), "nowhere", 1) + "&options=-csynchronous_commit%3Don", true, ErrNoDatabase},
		"another program's":         {foreign + "&options=-csynchronous_commit%3Don", true, ErrSchema},
		"empty, and not to be made": {server.DatabaseFor(t) + "&options=-csynchronous_commit%3Don", false, ErrSchema},
		"asynchronous commits":      {careless, true, ErrUnsafe},
	} {
		store, err := Open(t.Context(), Options{Driver: PostgreSQL, DSN: test.dsn, Create: test.create})
		if err == nil {
			store.Close()
		}
		if !errors.Is(err, test.want) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), url.QueryEscape(server.Password)) {
			t.Errorf("%s: the error has the password", name)
		}
	}
}

// sslmode says whom to believe: with verify-full only a server whose certificate is the right one.
func TestTLS(t *testing.T) {
	server := postgrestest.ForTest(t, postgrestest.Config{TLS: true})
	other := postgrestest.ForTest(t, postgrestest.Config{TLS: true})
	dsn := server.VerifyFull(server.DatabaseFor(t))
	store := createPostgreSQL(t, dsn)
	reader, err := store.reader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var encrypted bool
	err = reader.QueryRow(`SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()`).Scan(&encrypted)
	if err != nil || !encrypted {
		t.Errorf("encrypted: %v, %v", encrypted, err)
	}
	for name, wrong := range map[string]string{
		"another authority": strings.Replace(dsn, url.QueryEscape(server.CAFile), url.QueryEscape(other.CAFile), 1),
		"the system's":      strings.Replace(dsn, "sslrootcert="+url.QueryEscape(server.CAFile), "", 1),
	} {
		if wrong == dsn {
			t.Fatal("nothing was replaced in the DSN")
		}
		if store, err := Open(t.Context(), Options{Driver: PostgreSQL, DSN: wrong, Create: true}); err == nil {
			store.Close()
			t.Errorf("%s: connected", name)
		}
	}
}

// Of several hosts, one that lets everybody wait is passed over soon enough for those who follow the feed.
func TestSeveralHosts(t *testing.T) {
	server := postgrestest.ForTest(t, postgrestest.Config{})
	hole := server.ProxyForTest(t)
	if err := hole.Set(postgrestest.Hang); err != nil {
		t.Fatal(err)
	}
	dsn := server.DatabaseFor(t)
	store := createPostgreSQL(t, strings.Replace(dsn, "@", "@"+hole.Address()+",", 1))
	ctx, cancel := context.WithTimeout(t.Context(), time.Second) // as long as a follower waits
	defer cancel()
	if _, err := store.ReadFeed(ctx, bridge.Position{}); err != nil {
		t.Error(err)
	}
}

// A file that the DSN names is what the error is about, and the password is not in it.
func TestMissingCertificate(t *testing.T) {
	dsn := "postgres://bridge:geheim@localhost/bridge?sslmode=verify-full&sslrootcert=/nowhere/ca.pem"
	_, err := Open(t.Context(), Options{Driver: PostgreSQL, DSN: dsn})
	if err == nil || !strings.Contains(err.Error(), "/nowhere/ca.pem") || strings.Contains(err.Error(), "geheim") {
		t.Errorf("err = %v", err)
	}
}

func databaseOf(t *testing.T, dsn string) string {
	t.Helper()
	parsed, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimPrefix(parsed.Path, "/")
}

func execute(t *testing.T, dsn, statement string) {
	t.Helper()
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(statement); err != nil {
		t.Fatal(err)
	}
}

// A connection that ends in the middle of anything is followed by another, without a word from outside.
func TestConnectionsCut(t *testing.T) {
	server := postgrestest.ForTest(t, postgrestest.Config{})
	store := createPostgreSQL(t, server.DatabaseFor(t))
	var position bridge.Position
	for range 3 {
		feed, err := store.ReadFeed(t.Context(), position)
		if err != nil {
			t.Fatal(err)
		}
		position = feed.Position
		if err := server.Cut(); err != nil {
			t.Fatal(err)
		}
		for try := 0; ; try++ {
			_, followErr := store.ReadFeed(t.Context(), position)
			_, linksErr := store.Links(t.Context(), bridge.LinkFilter{})
			writeErr := store.TouchLinks(t.Context(), []bridge.Use{{LinkID: "lnk_x", At: time.Unix(1_800_000_000, 0)}})
			if followErr == nil && linksErr == nil && writeErr == nil {
				break
			}
			if try == 2*poolSize {
				t.Fatalf("does not recover: %v, %v, %v", followErr, linksErr, writeErr)
			}
		}
	}
}

// What the server is asked to enforce, unless the DSN says otherwise.
func TestServerLimits(t *testing.T) {
	dsn := postgrestest.ForTest(t, postgrestest.Config{}).DatabaseFor(t)
	for dsn, want := range map[string]string{dsn: "5s 5s", dsn + "&lock_timeout=7s": "7s 5s"} {
		store := createPostgreSQL(t, dsn)
		for _, db := range []*sql.DB{store.open.Load().reader, store.open.Load().follower.db, store.open.Load().writer.(*pool).db} {
			var got string
			err := db.QueryRow(`SELECT current_setting('lock_timeout') || ' ' || current_setting('idle_in_transaction_session_timeout')`).Scan(&got)
			if err != nil || got != want {
				t.Errorf("%s, %v; want %s", got, err, want)
			}
		}
	}
}

// Two transactions that wait for one another both succeed, one of them at its second try.
func TestDeadlock(t *testing.T) {
	store := createPostgreSQL(t, postgrestest.ForTest(t, postgrestest.Config{}).DatabaseFor(t))
	now := time.Unix(1_800_000_000, 0)
	ids := []string{bridge.NewLinkID(), bridge.NewLinkID()}
	for _, id := range ids {
		if err := store.write(t.Context(), func(tx *transaction) error { return insertLink(tx, &bridge.Link{ID: id, CreatedAt: now}) }); err != nil {
			t.Fatal(err)
		}
	}
	locked := []chan struct{}{make(chan struct{}), make(chan struct{})}
	tries := make([]int, 2)
	errs := make([]error, 2)
	var group sync.WaitGroup
	for i := range ids {
		group.Go(func() {
			errs[i] = store.write(t.Context(), func(tx *transaction) error {
				tries[i]++
				if _, err := tx.Exec(`UPDATE links SET scope = 'x' WHERE id = $1`, ids[i]); err != nil {
					return err
				}
				if tries[i] == 1 {
					close(locked[i])
				}
				<-locked[1-i]
				_, err := tx.Exec(`UPDATE links SET scope = 'x' WHERE id = $1`, ids[1-i])
				return err
			})
		})
	}
	group.Wait()
	if errs[0] != nil || errs[1] != nil || tries[0]+tries[1] != 3 {
		t.Errorf("%v after %v tries", errs, tries)
	}
}

// Locks that a frozen process holds are let go by the server.
func TestFrozenInTransaction(t *testing.T) {
	dsn := postgrestest.ForTest(t, postgrestest.Config{}).DatabaseFor(t)
	frozen := createPostgreSQL(t, dsn+"&idle_in_transaction_session_timeout=200ms")
	other := createPostgreSQL(t, dsn)
	link := bridge.Link{ID: bridge.NewLinkID(), CreatedAt: time.Unix(1_800_000_000, 0)}
	if err := other.write(t.Context(), func(tx *transaction) error { return insertLink(tx, &link) }); err != nil {
		t.Fatal(err)
	}
	begun, thaw, result := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		result <- frozen.write(context.Background(), func(tx *transaction) error {
			_, err := tx.end("frozen", link.CreatedAt, `id = $3`, link.ID)
			close(begun)
			<-thaw
			return err
		})
	}()
	<-begun
	ended, err := other.Revoke(t.Context(), bridge.LinkFilter{IDs: []string{link.ID}}, "x", link.CreatedAt)
	if err != nil || len(ended) != 1 || ended[0].Reason != "x" {
		t.Errorf("%v, %v", ended, err)
	}
	close(thaw)
	if err := <-result; err == nil {
		t.Error("the frozen transaction succeeded afterwards")
	}
}
