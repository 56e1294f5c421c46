//go:build linux

package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/sqlstore"
	"alexa-oidc-bridge/bridge/transfer"
)

// Everything of a link follows from its number, so that no list of millions is kept.

func token(kind bridge.TokenKind, n int) string {
	return bridge.NewToken(kind, sha256.Sum256(fmt.Appendf(nil, "load test %s %d", kind, n)))
}

func lookupBody(n int) string { return "token=" + token(bridge.AccessTokenKind, n) }
func refreshBody(n int) string {
	return "grant_type=refresh_token&refresh_token=" + token(bridge.RefreshTokenKind, n)
}

// rows returns links with an access token, of which the first have a refresh token too. Their last use is an hour
// ahead, so that the bridge does not write it.
func rows(links, refreshable int) iter.Seq2[transfer.Row, error] {
	now := time.Now()
	return func(yield func(transfer.Row, error) bool) {
		for n := range links {
			subject := fmt.Sprintf("person%014d", n)
			link := &transfer.Link{ID: "lnk_" + subject, ClientID: skillID, Grant: bridge.GrantAuthorizationCode,
				Provider: providerID, Issuer: issuer, SubjectClaim: "sub", GroupsClaim: "groups", Subject: subject,
				Claims: bridge.Claims{"email": subject + "@contoso.com", "name": "Ada Lovelace"}, Scope: "orders",
				CreatedAt: now.Unix(), LastUsedAt: now.Add(bridge.UseGrain).Unix()}
			row := func(kind bridge.TokenKind, name string) transfer.Row {
				return transfer.Row{Token: &transfer.Token{LinkID: link.ID, Hash: bridge.HashOf(token(kind, n)), Kind: name,
					CreatedAt: now.Unix(), ExpiresAt: now.AddDate(1, 0, 0).Unix()}}
			}
			if !yield(transfer.Row{Link: link}, nil) || !yield(row(bridge.AccessTokenKind, "access"), nil) ||
				n < refreshable && !yield(row(bridge.RefreshTokenKind, "refresh"), nil) {
				return
			}
		}
	}
}

// newDatabase makes a database with links, of which the first can be refreshed. Remove removes it, also after an
// error.
func newDatabase(ctx context.Context, driver string, links, refreshable int) (dsn string, remove func(), err error) {
	folder, err := os.MkdirTemp("", "loadtest-database-")
	dsn, remove = folder+"/links.db", func() { os.RemoveAll(folder) }
	if driver == sqlstore.PostgreSQL && err == nil {
		dsn, remove, err = startPostgreSQL(ctx, folder)
	}
	if err != nil {
		return "", remove, err
	}
	store, err := sqlstore.Open(ctx, sqlstore.Options{Driver: driver, DSN: dsn, Create: true})
	if err != nil {
		return "", remove, err
	}
	_, err = store.Import(ctx, rows(links, refreshable), time.Now)
	if driver == sqlstore.PostgreSQL && err == nil {
		// It would do so by itself in the middle of a round.
		err = exec.CommandContext(ctx, "vacuumdb", "--quiet", "--analyze", "--dbname="+dsn).Run()
	}
	return dsn, remove, errors.Join(err, store.Close())
}

// startPostgreSQL starts a PostgreSQL with its default settings in a folder. It listens on a unix socket only, and
// runs as the user postgres instead of as root.
func startPostgreSQL(ctx context.Context, folder string) (dsn string, stop func(), err error) {
	const asPostgres = `set -e
		[ "$(id -u)" != 0 ] || { chown postgres . && run="setpriv --reuid=postgres --regid=postgres --clear-groups"; }
		`
	sh := func(ctx context.Context, script string) error {
		cmd := pinned(ctx, clientCore, "sh", "-c", asPostgres+script)
		cmd.Dir = folder
		return cmd.Run()
	}
	stop = func() {
		sh(context.WithoutCancel(ctx), `[ ! -f data/postmaster.pid ] || $run pg_ctl -D data -m immediate stop`)
		os.RemoveAll(folder)
	}
	return "postgres:///postgres?user=postgres&host=" + folder, stop, sh(ctx, `
		$run initdb -D data -U postgres -A trust -E UTF8 --locale=C
		$run pg_ctl -D data -w -l log -o "-k $PWD -c listen_addresses=" start`)
}

// findPostgreSQL adds PostgreSQL to the PATH, or leaves it out where it is not installed.
func (b *bench) findPostgreSQL() {
	folders, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	os.Setenv("PATH", strings.Join(append(folders, os.Getenv("PATH")), ":"))
	if _, err := exec.LookPath("initdb"); err != nil && slices.Contains(b.stores, sqlstore.PostgreSQL) {
		fmt.Println("PostgreSQL is left out: it is not installed.")
		b.stores = slices.DeleteFunc(b.stores, func(store string) bool { return store == sqlstore.PostgreSQL })
	}
}
