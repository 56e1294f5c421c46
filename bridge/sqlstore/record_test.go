package sqlstore

import (
	"errors"
	"fmt"
	"iter"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/internal/postgrestest"
)

var begin = time.Unix(1_800_000_000, 0).UTC()

func anyLink(*bridge.Link) bool { return true }

// furnished is what a test has put into a store. Secrets are named after what they are; their hashes are in the store.
type furnished struct {
	*testing.T
	store *Store
	now   time.Time
}

func (f *furnished) link(name string, made bridge.NewLink) bridge.Link {
	f.Helper()
	f.now = f.now.Add(time.Second)
	made.Link.ID, made.Link.ClientID, made.Link.Scope, made.Link.CreatedAt = "lnk_"+name, "pizza", "orders", f.now
	made.Link.Grant = bridge.GrantImplicit
	if made.Code != nil {
		made.Link.Grant = bridge.GrantAuthorizationCode
	}
	made.Link.Provider = bridge.Provider{ID: "corp", Issuer: "https://login.example.com", SubjectClaim: "oid", GroupsClaim: "cognito:groups"}
	if made.Link.Subject == "" {
		made.Link.Subject = "subject of " + name
	}
	pending := bridge.PendingConsent{Handle: bridge.HashOf("consent " + name), ExpiresAt: f.now.Add(time.Minute)}
	if err := errors.Join(f.store.CreatePendingConsent(f.Context(), pending), f.store.Link(f.Context(), pending.Handle, made)); err != nil {
		f.Fatal(name, err)
	}
	return made.Link
}

// grant makes a link by the code grant, redeemed for the tokens "name access" and "name refresh".
func (f *furnished) grant(name string) {
	f.Helper()
	f.link(name, bridge.NewLink{Code: &bridge.NewCode{Hash: bridge.HashOf("code " + name), RedirectURI: "https://pitangui.amazon.com/x",
		ExpiresAt: f.now.Add(time.Minute)}})
	_, err := f.store.Redeem(f.Context(), bridge.Redemption{Code: bridge.HashOf("code " + name), ClientID: "pizza",
		RedirectURI: "https://pitangui.amazon.com/x", Tokens: f.tokens(name), Now: f.now, Honours: anyLink})
	if err != nil {
		f.Fatal(name, err)
	}
}

func (f *furnished) tokens(name string) bridge.NewTokens {
	return bridge.NewTokens{Access: bridge.HashOf(name + " access"), AccessExpiresAt: f.now.Add(time.Hour),
		Refresh: bridge.HashOf(name + " refresh"), RefreshExpiresAt: f.now.Add(24 * time.Hour)}
}

// refresh presents the refresh token of a name for the tokens of another.
func (f *furnished) refresh(name, successor string) error {
	f.now = f.now.Add(time.Second)
	_, err := f.store.Refresh(f.Context(), bridge.Refresh{Token: bridge.HashOf(name + " refresh"), ClientID: "pizza",
		Tokens: f.tokens(successor), Now: f.now, Honours: anyLink})
	return err
}

func (f *furnished) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

// furnish puts links of every kind into a store.
func furnish(t *testing.T, store *Store) *furnished {
	t.Helper()
	f := &furnished{T: t, store: store, now: begin}
	f.link("implicit", bridge.NewLink{Token: bridge.HashOf("implicit access"), Link: bridge.Link{Identity: bridge.Identity{
		Subject: "Ζωή <&>\u2028 \x1b", Claims: bridge.Claims{"email": "ZOË@Contoso.com", "name": "Ζωή 🍕", "n": 12345678901234567890.0,
			"groups": []any{"a", true, nil, map[string]any{"deep": []any{}}}, "nul": "a\x00b"}}}})
	f.link("expiring", bridge.NewLink{Token: bridge.HashOf("expiring access"), ExpiresAt: begin.Add(48 * time.Hour),
		Link: bridge.Link{Identity: bridge.Identity{Claims: bridge.Claims{}}}})
	f.link("unredeemed", bridge.NewLink{Code: &bridge.NewCode{Hash: bridge.HashOf("code unredeemed"), CodeChallenge: "challenge",
		RedirectURI: "https://layla.amazon.com/x", ExpiresAt: begin.Add(10 * time.Minute)}})
	f.link("oldest", bridge.NewLink{Token: bridge.HashOf("oldest access"), MaxLinks: 1, Link: bridge.Link{Identity: bridge.Identity{Subject: "ada"}}})
	f.link("newest", bridge.NewLink{Token: bridge.HashOf("newest access"), MaxLinks: 1, Link: bridge.Link{Identity: bridge.Identity{Subject: "ada"}}})
	f.grant("redeemed")
	f.grant("rotating") // a chain of three, where the second was presented twice
	f.must(f.refresh("rotating", "rotating 2"))
	f.must(f.refresh("rotating 2", "rotating 3"))
	f.must(f.refresh("rotating 2", "rotating 3b"))
	f.grant("replayed")
	f.must(f.refresh("replayed", "replayed 2"))
	f.must(f.refresh("replayed 2", "replayed 3"))
	if err := f.refresh("replayed", "none"); !errors.Is(err, bridge.ErrReplayed) {
		t.Fatal(err)
	}
	f.grant("ended")
	_, err := store.Revoke(t.Context(), bridge.LinkFilter{IDs: []string{"lnk_ended"}}, "left the company", f.now)
	f.must(err)
	f.must(store.TouchLinks(t.Context(), []bridge.Use{{LinkID: "lnk_implicit", At: begin.Add(5 * time.Hour), AlexaUser: bridge.HashOf("amzn1.ask.account.X")}}))
	return f
}

// contents are whole tables, by name: a row is a text with every column and its value.
func contents(t *testing.T, store *Store, tables ...string) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for _, table := range tables {
		for _, row := range rowsOf(t, store, table) {
			all[table] = append(all[table], fmt.Sprint(row))
		}
		slices.Sort(all[table])
	}
	return all
}

func rowsOf(t *testing.T, store *Store, table string) []map[string]any {
	t.Helper()
	rows, err := store.open.Load().reader.QueryContext(t.Context(), `SELECT * FROM `+table)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var all []map[string]any
	for rows.Next() {
		values := make([]any, len(columns))
		for i := range values {
			values[i] = new(any)
		}
		if err := rows.Scan(values...); err != nil {
			t.Fatal(err)
		}
		row := map[string]any{}
		for i, column := range columns {
			row[column] = *values[i].(*any)
		}
		all = append(all, row)
	}
	return all
}

var moved = []string{"links", "tokens", "codes"}

func wantContents(t *testing.T, what string, got, want map[string][]string) {
	t.Helper()
	for table := range want {
		if !slices.Equal(got[table], want[table]) {
			t.Errorf("%s: %s\n%q\nwant\n%q", what, table, got[table], want[table])
		}
	}
}

func mustImport(t *testing.T, store *Store, records iter.Seq2[Record, error], want Imported) {
	t.Helper()
	did, err := store.Import(t.Context(), records, func() time.Time { return begin.Add(7 * time.Hour) })
	if err != nil || did != want {
		t.Fatalf("%+v, %v; want %+v", did, err, want)
	}
}

func newSQLite(t *testing.T) *Store { return create(t, filepath.Join(t.TempDir(), "bridge.db")) }

// onBoth runs a test on either database, with what makes an empty one.
func onBoth(t *testing.T, test func(t *testing.T, empty func(t *testing.T) *Store)) {
	t.Run(SQLite, func(t *testing.T) { test(t, newSQLite) })
	t.Run(PostgreSQL, func(t *testing.T) {
		server := postgrestest.ForTest(t, postgrestest.Config{})
		test(t, func(t *testing.T) *Store { return createPostgreSQL(t, server.DatabaseFor(t)) })
	})
}

func TestMoveKeepsEveryColumn(t *testing.T) {
	from := furnish(t, newSQLite(t)).store
	between := createPostgreSQL(t, postgrestest.ForTest(t, postgrestest.Config{ICULocale: "da-DK"}).DatabaseFor(t))
	back := newSQLite(t)
	want := contents(t, from, moved...)
	mustImport(t, between, from.Export(t.Context()), Imported{Added: 9})
	wantContents(t, "on PostgreSQL", contents(t, between, moved...), want)
	mustImport(t, back, between.Export(t.Context()), Imported{Added: 9})
	wantContents(t, "on SQLite again", contents(t, back, moved...), want)

	for _, table := range moved {
		used := map[string]bool{}
		for _, row := range rowsOf(t, from, table) {
			for column, value := range row {
				used[column] = used[column] || fmt.Sprint(value) != "" && fmt.Sprint(value) != "0"
			}
		}
		for column, is := range used {
			if !is {
				t.Errorf("%s.%s is empty in every row, so that nobody knows whether it moves", table, column)
			}
		}
	}
	tables, err := texts(from.open.Load().reader.Query(sqliteDialect.tables))
	if err != nil {
		t.Fatal(err)
	}
	stay := []string{"bridge_schema", "sqlite_sequence", "feed", "events", "pending_consents", "persons_locked"}
	for _, table := range tables {
		if !slices.Contains(moved, table) && !slices.Contains(stay, table) {
			t.Errorf("does the table %s move?", table)
		}
	}
}

// After a move everything that was given out goes on as it would have.
func TestMovedLinksBehaveAsBefore(t *testing.T) {
	onBoth(t, func(t *testing.T, empty func(*testing.T) *Store) {
		f := furnish(t, newSQLite(t))
		target := empty(t)
		mustImport(t, target, f.store.Export(t.Context()), Imported{Added: 9})
		for _, name := range []string{"implicit", "expiring", "oldest", "newest", "redeemed", "rotating", "rotating 2", "rotating 3",
			"rotating 3b", "replayed 3", "ended", "unknown"} {
			before, errBefore := f.store.Lookup(t.Context(), bridge.HashOf(name+" access"))
			after, errAfter := target.Lookup(t.Context(), bridge.HashOf(name+" access"))
			if !reflect.DeepEqual(before, after) || !errors.Is(errAfter, errBefore) {
				t.Errorf("%s: %+v, %v; want %+v, %v", name, after, errAfter, before, errBefore)
			}
		}
		f.store = target
		f.must(f.refresh("redeemed", "redeemed 2"))
		f.must(f.refresh("redeemed", "redeemed 2b")) // the answer was lost
		f.must(f.refresh("rotating 2", "rotating 3c"))
		f.must(f.refresh("rotating 3", "rotating 4"))
		for name, want := range map[string]error{"ended": bridge.ErrRevoked, "replayed 3": bridge.ErrRevoked, "unknown": bridge.ErrNotFound} {
			if err := f.refresh(name, "x"); !errors.Is(err, want) {
				t.Errorf("%s: %v", name, err)
			}
		}
		for _, replay := range []string{"rotating 3b", "rotating 2"} { // a sibling of what was presented ends the link
			if err := f.refresh(replay, "x"); !errors.Is(err, bridge.ErrReplayed) && !errors.Is(err, bridge.ErrRevoked) {
				t.Errorf("%s: %v", replay, err)
			}
		}
		wantReason(t, target, "rotating", bridge.ReasonRefreshReplayed)

		redemption := bridge.Redemption{Code: bridge.HashOf("code unredeemed"), ClientID: "pizza", RedirectURI: "https://layla.amazon.com/x",
			CodeChallenge: "challenge", Tokens: f.tokens("late"), Now: f.now, Honours: anyLink}
		if _, err := target.Redeem(t.Context(), redemption); err != nil {
			t.Errorf("the code: %v", err)
		}
		replay := bridge.Redemption{Code: bridge.HashOf("code redeemed"), ClientID: "pizza", Tokens: f.tokens("twice"), Now: f.now.Add(time.Minute), Honours: anyLink}
		if _, err := target.Redeem(t.Context(), replay); !errors.Is(err, bridge.ErrReplayed) {
			t.Errorf("the code again: %v", err)
		}
		wantReason(t, target, "redeemed", bridge.ReasonCodeReplayed)
	})
}
