package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/keys"
	"alexa-oidc-bridge/bridge/sqlstore"
	"alexa-oidc-bridge/bridge/transfer"
)

// newKey returns a key and its text in the configuration.
func newKey(t *testing.T) (secret []byte, text string) {
	t.Helper()
	text = keys.Generate()
	secret, err := keys.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return secret, text
}

// keysConfig writes a configuration of an empty database, with keys, in which all else is wrong.
func keysConfig(t *testing.T, driver, dsn string, texts ...string) (path string) {
	t.Helper()
	path = emptyDatabase(t, driver, dsn)
	mustWriteFile(t, path, fmt.Sprintf("storage: {driver: %s, dsn: %q}\nproviders: nonsense\nkeys: [%s]\n",
		driver, dsn, strings.Join(texts, ", ")))
	return path
}

// addTokens adds links whose refresh tokens are sealed by a key.
func addTokens(t *testing.T, path string, secret []byte, linkIDs ...string) {
	t.Helper()
	addTokensOf(t, path, "https://login.example.com", secret, linkIDs...)
}

// addTokensOf is addTokens for links of an issuer.
func addTokensOf(t *testing.T, path, issuer string, secret []byte, linkIDs ...string) {
	t.Helper()
	ring, now := keys.NewRing(secret), time.Now().Unix()
	withTestStore(t, path, func(store *sqlstore.Store) {
		_, err := store.Import(t.Context(), func(yield func(transfer.Row, error) bool) {
			for _, id := range linkIDs {
				for _, row := range []transfer.Row{
					{Link: &transfer.Link{ID: id, ClientID: "pizza", Grant: bridge.GrantImplicit, CreatedAt: now, Provider: "corp",
						Issuer: issuer, Subject: id, CheckedAt: now, Claims: bridge.Claims{}}},
					{UpstreamToken: &transfer.UpstreamToken{LinkID: id, Provider: "corp", DueAt: now,
						Sealed: ring.SealUpstreamToken(id, keys.UpstreamToken{ClientID: "bridge", RefreshToken: "token of " + id})}},
				} {
					if !yield(row, nil) {
						return
					}
				}
			}
		}, time.Now)
		if err != nil {
			t.Fatal(err)
		}
	})
}

// linkNames returns link ids.
func linkNames(prefix string, n int) (ids []string) {
	for i := range n {
		ids = append(ids, fmt.Sprintf("lnk_%s%04d", prefix, i))
	}
	return ids
}

// wantOpened verifies that a key opens the refresh tokens of these links only.
func wantOpened(t *testing.T, path string, secret []byte, linkIDs ...string) {
	t.Helper()
	withTestStore(t, path, func(store *sqlstore.Store) {
		tokens, err := store.UpstreamTokens(t.Context(), "", 1_000_000)
		if err != nil {
			t.Fatal(err)
		}
		var opened []string
		for _, token := range tokens {
			if plain, err := keys.NewRing(secret).OpenUpstreamToken(token.LinkID, token.Sealed); err == nil &&
				plain.RefreshToken == "token of "+token.LinkID {
				opened = append(opened, token.LinkID)
			}
		}
		if slices.Sort(linkIDs); !slices.Equal(opened, linkIDs) {
			t.Errorf("the key opens %d tokens, want %d", len(opened), len(linkIDs))
		}
	})
}

// rotatedOutput is what keys rotate prints of tokens.
func rotatedOutput(resealed, newest, unopened, older int) string {
	return fmt.Sprintf("sealed again by the newest key: %d\nsealed by the newest key before: %d\n"+
		"opened by no key: %d\nleft under older keys: %d\n", resealed, newest, unopened, older)
}

func TestKeysRotate(t *testing.T) {
	testKeysRotate(t, sqlstore.SQLite, filepath.Join(t.TempDir(), "bridge.db"))
}

func testKeysRotate(t *testing.T, driver, dsn string) {
	newest, newestText := newKey(t)
	old, oldText := newKey(t)
	older, olderText := newKey(t)
	path := keysConfig(t, driver, dsn, newestText, oldText, olderText)
	byNewest, byOld, byOlder := linkNames("a", 2), linkNames("b", rotationPage+7), linkNames("c", 1)
	addTokens(t, path, newest, byNewest...)
	addTokens(t, path, old, byOld...)
	addTokens(t, path, older, byOlder...)
	all := slices.Concat(byNewest, byOld, byOlder)

	code, stdout, stderr := runCommand("keys", "rotate", "--dry-run", "--config", path)
	if code != 1 || stdout != rotatedOutput(0, 2, 0, len(byOld)+1) || !strings.Contains(stderr, "older keys are needed") {
		t.Errorf("exit code %d\n%s\n%s", code, stdout, stderr)
	}
	wantOpened(t, path, newest, byNewest...)

	began := time.Now().Truncate(time.Second)
	code, stdout, stderr = runCommand("keys", "rotate", "--config", path)
	rest, ok := strings.CutPrefix(stdout, rotatedOutput(len(byOld)+1, 2, 0, 0))
	if code != 0 || !ok || stderr != "" || strings.Count(rest, "\n") != 1 {
		t.Fatalf("exit code %d\n%s\n%s", code, stdout, stderr)
	}
	after, err := time.Parse(time.RFC3339, strings.TrimSuffix(strings.Fields(rest)[6], ","))
	if err != nil || after.Before(began.Add(10*time.Minute)) || after.After(time.Now().Add(10*time.Minute)) {
		t.Errorf("%s, %v", rest, err)
	}
	wantOpened(t, path, newest, all...)
	wantOpened(t, path, old)

	mustWriteFile(t, path, strings.ReplaceAll(mustReadFile(t, path), ", "+oldText+", "+olderText, ""))
	for _, flags := range [][]string{nil, {"--dry-run"}} {
		code, stdout, stderr = runCommand(append([]string{"keys", "rotate", "--config", path}, flags...)...)
		if code != 0 || !strings.HasPrefix(stdout, rotatedOutput(0, len(all), 0, 0)+"older keys may be removed after ") ||
			stderr != "" {
			t.Errorf("exit code %d\n%s\n%s", code, stdout, stderr)
		}
	}
}

// A key that was removed too early leaves tokens that nobody can open. The others are sealed again, and with the key so
// are these.
func TestKeysRotateWithoutKey(t *testing.T) {
	newest, newestText := newKey(t)
	old, oldText := newKey(t)
	lost, lostText := newKey(t)
	path := keysConfig(t, sqlstore.SQLite, filepath.Join(t.TempDir(), "bridge.db"), newestText, oldText)
	byOld, byLost := linkNames("a", 3), linkNames("b", shownLinks+2)
	addTokens(t, path, old, byOld...)
	addTokens(t, path, lost, byLost...)
	code, stdout, stderr := runCommand("keys", "rotate", "--config", path)
	if code != 1 || !strings.Contains(stdout, "sealed again by the newest key: 3\n") ||
		!strings.Contains(stdout, "opened by no key: 22\n  of link lnk_b0000\n") ||
		strings.Count(stdout, "  of link ") != shownLinks ||
		!strings.Contains(stdout, "  and of 2 more\nleft under older keys: 0\n") ||
		strings.Contains(stdout, "may be removed") {
		t.Errorf("exit code %d\n%s", code, stdout)
	}
	if !strings.Contains(stderr, "no key opens the refresh tokens of 22 links\n  put the key that was removed back") {
		t.Errorf("%s", stderr)
	}
	wantOpened(t, path, newest, byOld...)
	mustWriteFile(t, path, strings.ReplaceAll(mustReadFile(t, path), oldText, lostText))
	if code, stdout, _ := runCommand("keys", "rotate", "--config", path); code != 0 ||
		!strings.HasPrefix(stdout, rotatedOutput(22, 3, 0, 0)) {
		t.Errorf("exit code %d\n%s", code, stdout)
	}
	wantOpened(t, path, newest, append(byOld, byLost...)...)
}

func TestKeysRotateNeedsKeysAndDatabase(t *testing.T) {
	path := keysConfig(t, sqlstore.SQLite, filepath.Join(t.TempDir(), "bridge.db"), "not-a-key")
	code, _, stderr := runCommand("keys", "rotate", "--config", path)
	if code != 2 || !strings.Contains(stderr, "keys[0]") || strings.Contains(stderr, "nonsense") {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
	_, text := newKey(t)
	mustWriteFile(t, path, fmt.Sprintf("storage: {dsn: %q}\nkeys: [%s]\n", filepath.Join(t.TempDir(), "none.db"), text))
	wantFailure(t, "none.db", "keys", "rotate", "--config", path)
}

// busyStore is a database of which servers replace tokens while they are sealed again.
type busyStore struct {
	*sqlstore.Store
	before func(ctx context.Context, linkID string) // is called before a token is replaced
}

func (b *busyStore) ResealUpstreamToken(ctx context.Context, from bridge.SealedToken, sealed []byte) (bool, error) {
	b.before(ctx, from.LinkID)
	return b.Store.ResealUpstreamToken(ctx, from, sealed)
}

// replaceToken does what a recheck does when the provider answers with a new refresh token.
func replaceToken(t *testing.T, store *sqlstore.Store, linkID string, secret []byte) {
	t.Helper()
	now := time.Now().Add(time.Hour)
	recheck, err := store.BeginRecheck(t.Context(), bridge.RecheckStart{LinkID: linkID, Now: now, Lease: time.Second})
	if err == nil {
		err = store.ReplaceUpstreamToken(t.Context(), linkID, recheck.Lease,
			keys.NewRing(secret).SealUpstreamToken(linkID, keys.UpstreamToken{RefreshToken: "token of " + linkID}))
	}
	if err == nil {
		err = store.FinishRecheck(t.Context(), bridge.RecheckResult{LinkID: linkID, Lease: recheck.Lease, DueAt: now})
	}
	if err != nil {
		t.Error(err)
	}
}

// A token that a server replaces between reading and writing keeps what the server stored, and is read again.
func TestKeysRotateWhileServersRun(t *testing.T) {
	newest, newestText := newKey(t)
	old, oldText := newKey(t)
	tests := map[string]struct {
		by    []byte // the key of the server
		times int    // how often it replaces a token
		want  rotated
	}{
		"a server seals by the newest key":      {newest, 1, rotated{resealed: 2}},
		"a server sealed by the older key":      {old, 1, rotated{resealed: 3}},
		"a server goes on sealing by the older": {old, 99, rotated{resealed: 2, older: 1}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			path := keysConfig(t, sqlstore.SQLite, filepath.Join(t.TempDir(), "bridge.db"), newestText, oldText)
			links := linkNames("a", 3)
			addTokens(t, path, old, links...)
			withTestStore(t, path, func(store *sqlstore.Store) {
				replaced := 0
				busy := &busyStore{store, func(_ context.Context, linkID string) {
					if linkID == links[1] && replaced < tt.times {
						replaced++
						replaceToken(t, store, linkID, tt.by)
					}
				}}
				got, err := rotation{busy, keys.NewRing(newest, old), false}.run(t.Context())
				if err != nil || fmt.Sprint(got) != fmt.Sprint(tt.want) {
					t.Errorf("got %+v, want %+v (%v)", got, tt.want, err)
				}
				if failure := got.failure(false); (failure != nil) != (tt.want.older > 0) {
					t.Errorf("%v", failure)
				}
			})
			if tt.want.older == 0 {
				wantOpened(t, path, newest, links...)
			} else {
				wantOpened(t, path, newest, links[0], links[2])
			}
		})
	}
}
