package sqlstore

import (
	"errors"
	"fmt"
	"iter"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/transfer"
)

// begin is the time of the first link of a test.
var begin = time.Unix(1_800_000_000, 0).UTC()

func honourAll(*bridge.Link) bool { return true }

func openStore(t testing.TB, options Options) *Store {
	t.Helper()
	options.Create = true
	store, err := Open(t.Context(), options)
	must(t, err)
	t.Cleanup(func() { store.Close() })
	return store
}

func openFile(t testing.TB, path string) *Store {
	return openStore(t, Options{Driver: SQLite, DSN: path})
}

// newSQLite opens a new, empty SQLite database.
func newSQLite(t testing.TB) *Store {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bridge.db")
	copyMigrated(t, path)
	return openFile(t, path)
}

// eachDatabase runs a test on each kind of database, with a function that opens a new, empty one. PostgreSQL needs
// the build tag strict.
func eachDatabase(t *testing.T, test func(t *testing.T, open func(testing.TB) *Store)) {
	t.Parallel()
	for driver, open := range databases(t) {
		t.Run(driver, func(t *testing.T) { test(t, open) })
	}
}

func skipIfShort(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("writes thousands of rows")
	}
}

// fixture puts links into a store. Tokens and codes are named after what they are; the store has the hashes of the
// names.
type fixture struct {
	testing.TB
	store *Store
	now   time.Time
}

func newFixture(t testing.TB, store *Store) *fixture { return &fixture{t, store, begin} }

func (f *fixture) link(name string, made bridge.NewLink) {
	f.Helper()
	f.now = f.now.Add(time.Second)
	made.Link.ID, made.Link.ClientID, made.Link.Scope, made.Link.CreatedAt = "lnk_"+name, "pizza", "orders", f.now
	made.Link.Grant = bridge.GrantImplicit
	if made.Code != nil {
		made.Link.Grant = bridge.GrantAuthorizationCode
	}
	made.Link.Provider = bridge.Provider{ID: "corp", Issuer: "https://login.example.com", SubjectClaim: "oid",
		EmailClaim: "mail", GroupsClaim: "cognito:groups"}
	if made.Link.Subject == "" {
		made.Link.Subject = "subject of " + name
	}
	made.Link.Account = bridge.Account{Subject: "sub of " + name, Session: "sid of " + name, Directory: "id of " + name,
		Email: name + "@contoso.com"}
	made.Link.CheckedAt, made.UpstreamToken, made.RecheckAt = f.now, []byte("upstream token of "+name),
		f.now.Add(24*time.Hour)
	pending := bridge.PendingConsent{Handle: bridge.HashOf("consent " + name), ExpiresAt: f.now.Add(time.Minute)}
	must(f, f.store.CreatePendingConsent(f.Context(), pending))
	must(f, f.store.Link(f.Context(), pending.Handle, made))
}

// grant makes a link by the code grant, redeemed for the tokens "name access" and "name refresh".
func (f *fixture) grant(name string) {
	f.Helper()
	f.link(name, bridge.NewLink{Code: &bridge.NewCode{Hash: bridge.HashOf("code " + name),
		RedirectURI: "https://pitangui.amazon.com/x",
		ExpiresAt:   f.now.Add(time.Minute)}})
	_, err := f.store.Redeem(f.Context(), bridge.Redemption{Code: bridge.HashOf("code " + name), ClientID: "pizza",
		RedirectURI: "https://pitangui.amazon.com/x", Tokens: f.tokens(name), Now: f.now, Permits: honourAll})
	must(f, err)
}

func (f *fixture) tokens(name string) bridge.NewTokens {
	return bridge.NewTokens{Access: bridge.HashOf(name + " access"), AccessExpiresAt: f.now.Add(time.Hour),
		Refresh: bridge.HashOf(name + " refresh"), RefreshExpiresAt: f.now.Add(24 * time.Hour)}
}

// rotate presents the refresh token of a name for the tokens of another.
func (f *fixture) rotate(name, successor string) error {
	f.now = f.now.Add(time.Second)
	_, err := f.store.Refresh(f.Context(), bridge.Refresh{Token: bridge.HashOf(name + " refresh"), ClientID: "pizza",
		Tokens: f.tokens(successor), Now: f.now, Permits: honourAll})
	return err
}

func (f *fixture) revoke(name string, reason bridge.Reason) {
	f.Helper()
	_, err := f.store.Revoke(f.Context(), bridge.LinkFilter{IDs: []string{"lnk_" + name}},
		bridge.Revocation{Reason: reason, At: f.now})
	must(f, err)
}

func (f *fixture) forget(name string) {
	f.Helper()
	_, err := f.store.Forget(f.Context(), bridge.LinkFilter{IDs: []string{"lnk_" + name}},
		bridge.Revocation{Reason: "x", At: f.now})
	must(f, err)
}

// must ends the test on an error.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// errOf drops the first result of a call.
func errOf[T any](_ T, err error) error { return err }

// fill puts nine links of every kind into a store, and a tombstone.
func fill(t testing.TB, store *Store) *fixture {
	t.Helper()
	f := newFixture(t, store)
	f.link("implicit", bridge.NewLink{Token: bridge.HashOf("implicit access"), Link: bridge.Link{Identity: bridge.Identity{
		Subject: "Ζωή <&>\u2028",
		Claims: bridge.Claims{"email": "ZOË@Contoso.com", "name": "Ζωή 🍕", "n": 12345678901234567890.0,
			"groups":  []any{"a", true, nil, map[string]any{"deep": []any{}}},
			"address": "1 Main Street\r\n\tSpringfield \u0085\x00"}}}})
	f.link("expiring", bridge.NewLink{Token: bridge.HashOf("expiring access"), ExpiresAt: begin.Add(48 * time.Hour),
		Link: bridge.Link{Identity: bridge.Identity{Claims: bridge.Claims{}}}})
	f.link("unredeemed", bridge.NewLink{Code: &bridge.NewCode{Hash: bridge.HashOf("code unredeemed"),
		CodeChallenge: "challenge",
		RedirectURI:   "https://layla.amazon.com/x", ExpiresAt: begin.Add(10 * time.Minute)}})
	// Danish sorts "aa" after "z".
	f.link("aaoldest", bridge.NewLink{Token: bridge.HashOf("aaoldest access"), MaxLinks: 1,
		Link: bridge.Link{Identity: bridge.Identity{Subject: "ada", Claims: bridge.Claims{"email": "ada@contoso.com"}}}})
	f.link("newest", bridge.NewLink{Token: bridge.HashOf("newest access"), MaxLinks: 1,
		Link: bridge.Link{Identity: bridge.Identity{Subject: "ada"}}})
	f.grant("redeemed")
	f.grant("rotating") // a chain of three, of which the second was presented twice
	must(t, f.rotate("rotating", "rotating 2"))
	must(t, f.rotate("rotating 2", "rotating 3"))
	must(t, f.rotate("rotating 2", "rotating 3b"))
	f.grant("replayed")
	must(t, f.rotate("replayed", "replayed 2"))
	must(t, f.rotate("replayed 2", "replayed 3"))
	if err := f.rotate("replayed", "none"); !errors.Is(err, bridge.ErrReplayed) {
		t.Fatal(err)
	}
	f.grant("revoked")
	f.revoke("revoked", "left the company")
	f.link("forgotten", bridge.NewLink{Token: bridge.HashOf("forgotten access")})
	f.forget("forgotten")
	use := bridge.Use{LinkID: "lnk_implicit", At: begin.Add(5 * time.Hour),
		AlexaUser: bridge.HashOf("amzn1.ask.account.X")}
	must(t, store.TouchLinks(t.Context(), []bridge.Use{use}))
	f.recheck("lnk_implicit",
		bridge.RecheckResult{CheckedAt: f.now, DueAt: f.now.Add(time.Hour), Stable: true, DeadAt: f.now})
	f.recheck("lnk_redeemed", bridge.RecheckResult{DueAt: f.now.Add(time.Minute), Unanswered: true})
	must(t, store.write(t.Context(), func(tx *transaction) error { // as after a move, so that contents can be compared
		return tx.ExecOnce(`UPDATE upstream_tokens SET unanswered = 1`)
	}))
	return f
}

// recheck begins and finishes a recheck.
func (f *fixture) recheck(linkID string, result bridge.RecheckResult) {
	f.Helper()
	started, err := f.store.BeginRecheck(f.Context(),
		bridge.RecheckStart{LinkID: linkID, Now: f.now, CheckedBefore: f.now, Lease: time.Minute})
	must(f, err)
	result.LinkID, result.Lease = linkID, started.Lease
	must(f, f.store.FinishRecheck(f.Context(), result))
}

const fillLinks = 9

// exported are the tables that an export has.
var exported = []string{"links", "tokens", "codes", "upstream_tokens", "tombstones"}

// contents returns the rows of tables as sorted texts with all columns, by the tables' names.
func contents(t testing.TB, store *Store, tables ...string) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for _, table := range tables {
		for _, row := range tableRows(t, store, table) {
			all[table] = append(all[table], fmt.Sprint(row))
		}
		slices.Sort(all[table])
	}
	return all
}

func tableRows(t testing.TB, store *Store, table string) []map[string]any {
	t.Helper()
	rows, err := store.db.Reader.QueryContext(t.Context(), `SELECT * FROM `+table)
	must(t, err)
	defer rows.Close()
	columns, err := rows.Columns()
	must(t, err)
	var all []map[string]any
	for rows.Next() {
		values := make([]any, len(columns))
		for i := range values {
			values[i] = new(any)
		}
		must(t, rows.Scan(values...))
		row := map[string]any{}
		for i, column := range columns {
			row[column] = *values[i].(*any)
		}
		all = append(all, row)
	}
	return all
}

func wantContents(t testing.TB, what string, got, want map[string][]string) {
	t.Helper()
	for table := range want {
		if !slices.Equal(got[table], want[table]) {
			t.Errorf("%s: %s\n%q\nwant\n%q", what, table, got[table], want[table])
		}
	}
}

func mustImport(t testing.TB, store *Store, rows iter.Seq2[transfer.Row, error], want Imported) {
	t.Helper()
	did, err := store.Import(t.Context(), rows, func() time.Time { return begin.Add(7 * time.Hour) })
	if err != nil || did != want {
		t.Fatalf("Import: %+v, %v; want %+v", did, err, want)
	}
}

// implicitLink returns the rows of a live link with one access token.
func implicitLink(i int) []transfer.Row {
	id := fmt.Sprintf("lnk_%07d", i)
	return []transfer.Row{
		{Link: &transfer.Link{ID: id, ClientID: "pizza", Grant: bridge.GrantImplicit, CreatedAt: begin.Unix()}},
		{Token: &transfer.Token{LinkID: id, Hash: bridge.HashOf("token of " + id), Kind: kindAccess,
			CreatedAt: begin.Unix()}},
	}
}

func implicitLinks(first, n int) []transfer.Row {
	var rows []transfer.Row
	for i := range n {
		rows = append(rows, implicitLink(first+i)...)
	}
	return rows
}

func sequenceOf(rows []transfer.Row) iter.Seq2[transfer.Row, error] {
	return func(yield func(transfer.Row, error) bool) {
		for _, row := range rows {
			if !yield(row, nil) {
				return
			}
		}
	}
}

func exportRows(t testing.TB, store *Store) []transfer.Row {
	t.Helper()
	var rows []transfer.Row
	for row, err := range store.Export(t.Context()) {
		must(t, err)
		rows = append(rows, row)
	}
	return rows
}

func wantReason(t testing.TB, store *Store, name string, want bridge.Reason) {
	t.Helper()
	links, err := store.Links(t.Context(), bridge.LinkFilter{IDs: []string{"lnk_" + name}})
	if err != nil || len(links) != 1 || links[0].Reason != want {
		t.Errorf("%s: %+v, %v; want the reason %q", name, links, err, want)
	}
}
