//go:build linux

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/sqlstore"
)

// Everything of a link follows from its number, so that no list of millions is kept.

func token(kind bridge.TokenKind, n int) string {
	return bridge.NewToken(kind, sha256.Sum256(fmt.Appendf(nil, "load test %s %d", kind, n)))
}

func lookupBody(n int) string { return "token=" + token(bridge.AccessTokenKind, n) }
func refreshBody(n int) string {
	return "grant_type=refresh_token&refresh_token=" + token(bridge.RefreshTokenKind, n)
}

// hashOf returns the hash of a link's access token. Ids and subjects begin with it too, so that links that are
// written in its order are appended to almost every index.
func hashOf(n int) bridge.Hash { return bridge.HashOf(token(bridge.AccessTokenKind, n)) }

// byHash returns the numbers below n in the order of their hashes.
func byHash(n int) []int {
	prefixes, order := make([][12]byte, n), make([]int, n)
	for i := range n {
		order[i] = i
		copy(prefixes[i][:], hashOf(i))
	}
	slices.SortFunc(order, func(a, b int) int { return bytes.Compare(prefixes[a][:], prefixes[b][:]) })
	return order
}

// table is rows of a table of the database.
type table struct {
	name, columns string
	rows          int
	row           func(i int) []any
}

// tables returns links, of which the first have a refresh token too. Their last use is an hour ahead, so that the
// bridge does not write it.
func tables(links, refreshable int, now time.Time) []table {
	const linkColumns = "id, subject, email, claims, client_id, grant_type, provider, issuer, subject_claim, " +
		"groups_claim, scope, alexa_user, created_at, last_used_at, revoked_at, reason"
	const tokenColumns = "hash, link_id, kind, created_at, expires_at, parent, place, superseded_at"
	linkID := func(hash bridge.Hash) string { return "lnk_" + string(hash[:26]) }
	order, expiry := byHash(links), now.AddDate(1, 0, 0).Unix()
	return []table{
		{"links", linkColumns, links, func(i int) []any {
			hash := hashOf(order[i])
			subject := string(hash[:20])
			email := subject + "@contoso.com"
			return []any{linkID(hash), subject, email, `{"email":"` + email + `","name":"Ada Lovelace"}`, skillID,
				string(bridge.GrantAuthorizationCode), providerID, issuer, "sub", "groups",
				"orders", "", now.Unix(), now.Add(bridge.UseGrain).Unix(), 0, ""}
		}},
		{"tokens", tokenColumns, links, func(i int) []any {
			hash := hashOf(order[i])
			return []any{string(hash), linkID(hash), "access", now.Unix(), expiry, "", 0, 0}
		}},
		{"tokens", tokenColumns, refreshable, func(i int) []any {
			hash := bridge.HashOf(token(bridge.RefreshTokenKind, i))
			return []any{string(hash), linkID(hashOf(i)), "refresh", now.Unix(), expiry, "", 0, 0}
		}},
	}
}

// newDatabase makes a database with links, of which the first can be refreshed. Remove removes it, also after an
// error.
func newDatabase(ctx context.Context, driver string, links, refreshable int) (dsn string, remove func(), err error) {
	folder, err := os.MkdirTemp("", "loadtest-database-")
	dsn, remove, seed := folder+"/links.db", func() { os.RemoveAll(folder) }, seedSQLite
	if driver == sqlstore.PostgreSQL && err == nil {
		dsn, remove, err = startPostgreSQL(ctx, folder)
		seed = seedPostgreSQL
	}
	if err != nil {
		return "", remove, err
	}
	store, err := sqlstore.Open(ctx, sqlstore.Options{Driver: driver, DSN: dsn, Create: true}) // for the tables
	if err != nil {
		return "", remove, err
	}
	return dsn, remove, errors.Join(store.Close(), seed(ctx, dsn, tables(links, refreshable, time.Now())))
}

// seedSQLite writes all rows in one transaction without a journal, and then syncs the file.
func seedSQLite(ctx context.Context, path string, tables []table) error {
	db, err := sql.Open("sqlite", path+"?_pragma=journal_mode(OFF)&_pragma=synchronous(OFF)&_pragma=cache_size(-262144)")
	if err != nil {
		return err
	}
	defer db.Close()
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	for _, t := range tables {
		values := "?" + strings.Repeat(", ?", strings.Count(t.columns, ","))
		insert, err := tx.PrepareContext(ctx, "INSERT INTO "+t.name+" ("+t.columns+") VALUES ("+values+")")
		if err != nil {
			return err
		}
		for i := range t.rows {
			if _, err := insert.ExecContext(ctx, t.row(i)...); err != nil {
				return err
			}
		}
	}
	return errors.Join(tx.Commit(), exec.CommandContext(ctx, "sync", path).Run())
}

func seedPostgreSQL(ctx context.Context, dsn string, tables []table) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for _, t := range tables {
		rows := pgx.CopyFromSlice(t.rows, func(i int) ([]any, error) { return t.row(i), nil })
		if _, err := conn.CopyFrom(ctx, pgx.Identifier{t.name}, strings.Split(t.columns, ", "), rows); err != nil {
			return err
		}
	}
	_, err = conn.Exec(ctx, "VACUUM ANALYZE") // which it would do by itself in the middle of a round
	return err
}

// asPostgres defines a function of the shell which runs a command as the user postgres instead of as root.
const asPostgres = `set -e
run() { if [ "$(id -u)" = 0 ]; then setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; else "$@"; fi; }
`

// startPostgreSQL starts a PostgreSQL with its default settings in a folder. It listens on a unix socket only.
func startPostgreSQL(ctx context.Context, folder string) (dsn string, stop func(), err error) {
	sh := func(ctx context.Context, script string) error {
		cmd := pinned(ctx, clientCore, "sh", "-c", asPostgres+script)
		cmd.Dir = folder
		return cmd.Run()
	}
	stop = func() {
		sh(context.WithoutCancel(ctx), `[ ! -f data/postmaster.pid ] || run pg_ctl -D data -m immediate stop`)
		os.RemoveAll(folder)
	}
	return "postgres:///postgres?user=postgres&host=" + folder, stop, sh(ctx, `[ "$(id -u)" != 0 ] || chown postgres .
		run initdb -D data -U postgres -A trust -E UTF8 --locale=C
		run pg_ctl -D data -w -l log -o "-k $PWD -c listen_addresses=" start`)
}

// findPostgreSQL adds PostgreSQL to the PATH, or leaves it out where it is not installed.
func (b *bench) findPostgreSQL() {
	folders, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	os.Setenv("PATH", strings.Join(append(folders, os.Getenv("PATH")), ":"))
	_, err := exec.LookPath("initdb")
	if i := slices.Index(b.stores, sqlstore.PostgreSQL); i >= 0 && err != nil {
		fmt.Println("PostgreSQL is left out: it is not installed.")
		b.stores = slices.Delete(b.stores, i, i+1)
	}
}
