package main

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/sqlstore"
	"alexa-oidc-bridge/bridge/transfer"
)

func TestLinksForget(t *testing.T) {
	path, links := newDatabase(t)
	position := feedOf(t, path, bridge.Position{}).Position
	code, stdout, stderr := runCommand("links", "forget", links[0].ID, "lnk_unknown\x1b", "--config", path,
		"--reason", "asked to be erased", "--actor", "ada")
	if code != 1 || stdout != "forgot "+links[0].ID+"\n" || !strings.Contains(stderr, "unknown lnk_unknown") ||
		!strings.Contains(stderr, "1 of 2 links are unknown") || strings.Contains(stderr, "\x1b") {
		t.Errorf("exit code %d\n%s\n%s", code, stdout, stderr)
	}
	want := bridge.Event{LinkID: links[0].ID, ClientID: "pizza", Reason: "asked to be erased", Actor: "ada"}
	if events := feedOf(t, path, position).Events; len(events) != 1 || events[0] != want {
		t.Errorf("events %+v, want %+v", events, want)
	}
	code, stdout, stderr = runCommand("links", "forget", links[0].ID, "--config", path)
	if code != 1 || stdout != "" || !strings.Contains(stderr, "unknown "+links[0].ID) {
		t.Errorf("again: exit code %d\n%s\n%s", code, stdout, stderr)
	}
	mustRevoke(t, path, links[1].ID)
	position = feedOf(t, path, bridge.Position{}).Position
	mustRun(t, "forgot "+links[1].ID+"\nlinks forgotten: 1\n", "links", "forget", "--subject", "grace", "--config", path)
	if events := feedOf(t, path, position).Events; len(events) != 0 {
		t.Errorf("events of a link that was revoked before: %+v", events)
	}
	wantFailure(t, "no link matches", "links", "forget", "--subject", "grace", "--config", path)
	mustRun(t, "forgot "+links[2].ID+"\nlinks forgotten: 1\n", "links", "forget", "--skill", "pizza",
		"--email", "P2@contoso.com", "--config", path)
	mustRun(t, "[]\n", "links", "list", "--json", "--config", path)
	withTestStore(t, path, func(store *sqlstore.Store) {
		if _, err := store.Lookup(t.Context(), bridge.HashOf("token of "+links[2].ID)); !errors.Is(err, bridge.ErrNotFound) {
			t.Error(err)
		}
	})
}

func feedOf(t *testing.T, config string, after bridge.Position) (feed bridge.Feed) {
	t.Helper()
	withTestStore(t, config, func(store *sqlstore.Store) {
		var err error
		if feed, err = store.ReadFeed(t.Context(), after); err != nil {
			t.Fatal(err)
		}
	})
	return feed
}

// TestForgottenLinksStayForgotten imports an export from before a link was erased, and one from after into a database
// that still has it.
func TestForgottenLinksStayForgotten(t *testing.T) {
	folder, path, other := t.TempDir(), filledFile(t, 3), emptyFile(t)
	old, later := filepath.Join(folder, "old.jsonl"), filepath.Join(folder, "later.jsonl")
	mustRun(t, "links exported: 3\n", "links", "export", old, "--config", path)
	mustRun(t, "forgot lnk_0000001\n", "links", "forget", "lnk_0000001", "--config", path)
	mustRun(t, "links exported: 2\n", "links", "export", later, "--config", path)
	text := mustReadFile(t, later)
	lines := strings.Split(text, "\n")
	if !strings.HasPrefix(lines[1], `{"tombstone":{"link_id":"lnk_0000001","ended_at":`) ||
		strings.Count(text, "lnk_0000001") != 1 || !strings.HasSuffix(text, `,"tombstones":1}`+"\n") {
		t.Errorf("exported: %s", text)
	}
	mustRun(t, importOutput(0, 0, 2, 1), "links", "import", old, "--config", path)
	mustRun(t, importOutput(3, 0, 0, 0), "links", "import", old, "--config", other)
	mustRun(t, importOutput(0, 0, 2, 1), "links", "import", later, "--config", other)
	mustRun(t, importOutput(0, 0, 2, 1), "links", "import", old, "--config", other)
	for _, config := range []string{path, other} {
		if _, list, _ := runCommand("links", "list", "--json", "--config", config); strings.Count(list, "link_id") != 2 ||
			strings.Contains(list, "lnk_0000001") {
			t.Errorf("%s", list)
		}
	}
}

// TestTableHasNoControlCharacters lists a link of a database that somebody else wrote.
func TestTableHasNoControlCharacters(t *testing.T) {
	const evil = "a\x1b[31m\u009b\u202eb"
	config := emptyFile(t)
	withTestStore(t, config, func(store *sqlstore.Store) {
		link := &transfer.Link{ID: "lnk_" + evil, ClientID: evil, Grant: evil, Provider: evil, Subject: evil,
			CreatedAt: 1, RevokedAt: 1, Reason: evil, Actor: evil, Claims: bridge.Claims{"email": evil}}
		rows := func(yield func(transfer.Row, error) bool) { yield(transfer.Row{Link: link}, nil) }
		if _, err := store.Import(t.Context(), rows, time.Now); err != nil {
			t.Fatal(err)
		}
	})
	for _, args := range [][]string{{"list"}, {"list", "--json"}, {"forget", "--skill", evil}} {
		_, stdout, stderr := runCommand(append(append([]string{"links"}, args...), "--config", config)...)
		if strings.ContainsAny(stdout+stderr, "\x1b\u009b\u202e") || !strings.Contains(stdout, "lnk_a") {
			t.Errorf("%v: %q%q", args, stdout, stderr)
		}
	}
}
