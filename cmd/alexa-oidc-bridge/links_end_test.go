package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/sqlstore"
	"alexa-oidc-bridge/bridge/transfer"
)

// agedDatabase returns the configuration of a database with three links: old and unused, old and used lately, young.
func agedDatabase(t *testing.T) (config string) {
	days := func(n int) int64 { return time.Now().Add(-time.Duration(n) * 24 * time.Hour).Unix() }
	link := func(id string, created, used int64) transfer.Row {
		row := linkOf(id, "corp", "https://login.example.com", 0)
		row.Link.CreatedAt, row.Link.LastUsedAt = created, used
		return row
	}
	return databaseOf(t, link("unused", days(200), days(120)), link("used", days(199), days(2)), link("young", days(3), 0))
}

// TestLinksByAge selects links by when they were made and used.
func TestLinksByAge(t *testing.T) {
	t.Parallel()
	config := agedDatabase(t)
	for args, want := range map[string]string{
		"":                                     "lnk_unused lnk_used lnk_young",
		"--older-than 90d":                     "lnk_unused lnk_used",
		"--unused-for 2160h":                   "lnk_unused",
		"--unused-for 1d":                      "lnk_unused lnk_used lnk_young",
		"--older-than 200h --unused-for 1d":    "lnk_unused lnk_used",
		"--older-than 1d --limit 2":            "lnk_unused lnk_used",
		"--older-than 30000d":                  "",
		"--unused-for 1d --subject nobody":     "",
		"--limit 1 --older-than 1d --live":     "lnk_unused",
		"--limit 5 --grant implicit --live":    "lnk_unused lnk_used lnk_young",
		"--email ADA@contoso.com --limit 3":    "lnk_unused lnk_used lnk_young",
		"--provider corp --older-than 4752h1s": "lnk_unused lnk_used",
	} {
		command := append([]string{"links", "list", "--json", "--config", config}, strings.Fields(args)...)
		code, stdout, stderr := runCommand(command...)
		var links []struct {
			ID string `json:"link_id"`
		}
		err := json.Unmarshal([]byte(stdout), &links)
		var ids []string
		for _, link := range links {
			ids = append(ids, link.ID)
		}
		if got := strings.Join(ids, " "); code != 0 || err != nil || got != want {
			t.Errorf("%q: exit code %d, %q, want %q: %v%s", args, code, got, want, err, stderr)
		}
	}
	for _, args := range []string{"--older-than 0", "--older-than -1h", "--unused-for x", "--unused-for 1.5d",
		"--limit -1", "--older-than d", "--older-than 99999999d"} {
		for _, command := range []string{"list", "revoke"} {
			words := append([]string{"links", command, "--config", config}, strings.Fields(args)...)
			if code, stdout, _ := runCommand(words...); code != 2 {
				t.Errorf("%s %s: exit code %d\n%s", command, args, code, stdout)
			}
		}
	}
}

// TestLinksInPages lists more links than are read at a time.
func TestLinksInPages(t *testing.T) {
	t.Parallel()
	config := filledFile(t, 2*pageSize+3)
	for limit, want := range map[int]int{
		0: 2*pageSize + 3, pageSize: pageSize, pageSize + 1: pageSize + 1, 2 * pageSize: 2 * pageSize,
	} {
		_, stdout, _ := runCommand("links", "list", "--json", "--limit", fmt.Sprint(limit), "--config", config)
		var links []map[string]any
		if err := json.Unmarshal([]byte(stdout), &links); err != nil || len(links) != want {
			t.Errorf("limit %d: %d links, %v", limit, len(links), err)
		}
		_, stdout, _ = runCommand("links", "list", "--limit", fmt.Sprint(limit), "--config", config)
		if lines := strings.Count(stdout, "\n"); lines != want+1 || strings.Count(stdout, "LAST USED") != 1 {
			t.Errorf("limit %d: a table of %d lines", limit, lines)
		}
	}
}

// TestEndPlans shows and counts what would be ended, which changes nothing.
func TestEndPlans(t *testing.T) {
	t.Parallel()
	for command, done := range map[string]string{"revoke": "revoked", "forget": "forgotten"} {
		config := agedDatabase(t)
		end := func(args ...string) (int, string, string) {
			return runCommand(append([]string{"links", command, "--config", config}, args...)...)
		}
		position := feedOf(t, config, bridge.Position{}).Position
		code, stdout, stderr := end("--older-than", "90d", "--dry-run")
		if code != 0 || !strings.Contains(stdout, "lnk_unused") || !strings.Contains(stdout, "ada@contoso.com") ||
			!strings.HasSuffix(stdout, "links that would be "+done+": 2\n") || stderr != "" {
			t.Errorf("dry run: exit code %d\n%s%s", code, stdout, stderr)
		}
		code, stdout, _ = end("--subject", "nobody", "--dry-run")
		if code != 1 || strings.Contains(stdout, "open sign-ins") {
			t.Errorf("dry run of nobody: exit code %d\n%s", code, stdout)
		}
		for _, args := range [][]string{{"--older-than", "90d", "--expect", "1"}, {"lnk_used", "lnk_young", "--expect", "3"},
			{"--older-than", "90d", "--expect", "0", "--yes"}, {"--older-than", "90d", "--expect", "3", "--dry-run"}} {
			code, stdout, stderr = end(args...)
			if code != 1 || strings.Contains(stdout, "links "+done) || !strings.Contains(stderr, "nothing was changed") {
				t.Errorf("%v: exit code %d\n%s%s", args, code, stdout, stderr)
			}
		}
		if events := feedOf(t, config, position).Events; len(events) != 0 || len(storedLinks(t, config)) != 3 {
			t.Errorf("something was changed: %+v", events)
		}
		if code, _, stderr = end("--older-than", "90d", "--expect", "-1"); code != 2 {
			t.Errorf("a negative number: exit code %d\n%s", code, stderr)
		}
		code, stdout, stderr = end("--older-than", "90d", "--expect", "2")
		if code != 0 || !strings.HasSuffix(stdout, "lnk_used\nlinks "+done+": 2\n") {
			t.Errorf("expected: exit code %d\n%s%s", code, stdout, stderr)
		}
		_, stdout, _ = end("--older-than", "90d", "--dry-run")
		if !strings.HasSuffix(stdout, "links that would be "+done+": 0\n") {
			t.Errorf("dry run afterwards: %s", stdout)
		}
		code, stdout, stderr = end("lnk_unused", "lnk_young", "lnk_unknown", "--dry-run")
		if code != 1 || !strings.Contains(stdout, "lnk_young") || !strings.Contains(stderr, "unknown lnk_unknown") {
			t.Errorf("dry run of ids: exit code %d\n%s%s", code, stdout, stderr)
		}
	}
}

// TestEndMany ends more links than a transaction does, without a terminal at once.
func TestEndMany(t *testing.T) {
	t.Parallel()
	const n = endBatch + 7
	for _, command := range []string{"revoke", "forget"} {
		config := filledFile(t, n)
		code, stdout, stderr := runCommand("links", command, "--skill", "pizza", "--config", config)
		if code != 0 || stderr != "" || strings.Count(stdout, "lnk_") != n ||
			!strings.HasSuffix(stdout, fmt.Sprintf(": %d\n", n)) {
			t.Errorf("%s: exit code %d, %d lines: %s", command, code, strings.Count(stdout, "\n"), stderr)
		}
	}
}

// TestEndManyIDs ends links by more ids than a query of SQLite can have.
func TestEndManyIDs(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"revoke", "forget"} {
		config := databaseOf(t, linkOf("first", "corp", "https://login.example.com", 0),
			linkOf("last", "corp", "https://login.example.com", 0))
		args := []string{"links", command, "--config", config, "lnk_first"}
		for i := range 33_000 {
			args = append(args, fmt.Sprint("lnk_unknown", i))
		}
		code, stdout, stderr := runCommand(append(args, "lnk_last", "--expect", "2")...)
		if code != 1 || strings.Count(stdout, "lnk_") != 2 || !strings.Contains(stderr, "33000 of 33002 links are unknown") {
			t.Errorf("%s: exit code %d, %s%.200s", command, code, stdout, stderr[max(0, len(stderr)-200):])
		}
	}
}

// TestProgress says once a second how far a command has come.
func TestProgress(t *testing.T) {
	var out bytes.Buffer
	now := time.Unix(1_800_000_000, 0)
	p := newProgress(&out, "links revoked so far", func() time.Time { return now })
	for i, step := range []time.Duration{0, 999 * time.Millisecond, time.Millisecond, 500 * time.Millisecond,
		time.Second} {
		now = now.Add(step)
		p.report((i + 1) * 100)
	}
	if want := "links revoked so far: 300\nlinks revoked so far: 500\n"; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}

// TestLinksShow shows a link that was revoked, and a live one with an Alexa user, without hashes.
func TestLinksShow(t *testing.T) {
	t.Parallel()
	config, links := newDatabase(t)
	user := bridge.AlexaUserHash("pizza", "amzn1.ask.account.ADA")
	withTestStore(t, config, func(store *sqlstore.Store) {
		use := bridge.Use{LinkID: links[0].ID, At: time.Unix(1_800_000_000, 0), AlexaUser: user}
		if err := store.TouchLinks(t.Context(), []bridge.Use{use}); err != nil {
			t.Fatal(err)
		}
	})
	mustRun(t, "revoked "+links[1].ID+"\n", "links", "revoke", links[1].ID, "--actor", "grace", "--config", config)
	for id, want := range map[string][]string{
		links[0].ID: {"ada", "p0@contoso.com", "corp", "orders", "tied since 2027-01-15 08:00", "live tokens", "linked"},
		links[1].ID: {"operator, by grace", "revoked", "linked"},
		links[2].ID: {"evil"},
	} {
		code, stdout, stderr := runCommand("links", "show", id, "--config", config)
		for _, word := range want {
			if code != 0 || !strings.Contains(stdout, word) {
				t.Errorf("exit code %d, no %q: %s%s", code, word, stdout, stderr)
			}
		}
		_, text, _ := runCommand("links", "show", id, "--json", "--config", config)
		if strings.ContainsAny(stdout+text, "\x1b\u009b\u202e") || strings.Contains(stdout+text, string(user)) ||
			strings.Contains(stdout+text, string(bridge.HashOf("token of "+id))) {
			t.Errorf("%s%s", stdout, text)
		}
		var object struct {
			ID     string           `json:"link_id"`
			Claims map[string]any   `json:"claims"`
			Tied   *time.Time       `json:"alexa_tied_at"`
			Tokens int              `json:"live_tokens"`
			Audit  []map[string]any `json:"audit"`
		}
		live := 1
		if id == links[1].ID {
			live = 0
		}
		if err := json.Unmarshal([]byte(text), &object); err != nil || object.ID != id || object.Tokens != live ||
			len(object.Audit) != 2-live || (object.Tied != nil) != (id == links[0].ID) || object.Claims["email"] == nil {
			t.Errorf("%v: %s", err, text)
		}
	}
	wantFailure(t, "no link has the id lnk_unknown", "links", "show", "lnk_unknown", "--config", config)
	if code, _, _ := runCommand("links", "show", "--config", config); code != 2 {
		t.Errorf("without an id: exit code %d", code)
	}
}

// TestEndInterrupted interrupts a command while it ends links. What it printed has ended, and nothing else.
func TestEndInterrupted(t *testing.T) {
	t.Parallel()
	for command, done := range map[string]string{"revoke": "revoked", "forget": "forgotten"} {
		config := filledFile(t, 3*endBatch)
		ctx, interrupt := context.WithCancel(t.Context())
		cmd := rootCommand()
		out := &firstWrite{do: interrupt}
		cmd.SetOut(out)
		cmd.SetErr(io.Discard)
		cmd.SetArgs([]string{"links", command, "--skill", "pizza", "--config", config})
		err := cmd.ExecuteContext(ctx)
		failure, ok := errors.AsType[*failure](err)
		ended := strings.Count(out.String(), "lnk_")
		want := fmt.Sprintf("interrupted: %d links were %s, and no others", ended, done)
		if !ok || failure.code != exitFailed || failure.Error() != want {
			t.Errorf("%s: %v", command, err)
		}
		_, list, _ := runCommand("links", "list", "--live", "--config", config)
		if live := strings.Count(list, "\n") - 1; ended == 0 || ended > endBatch || live != 3*endBatch-ended {
			t.Errorf("%s: %d links have ended, %d are live", command, ended, live)
		}
	}
}

// firstWrite calls a function at its first write.
type firstWrite struct {
	bytes.Buffer
	do func()
}

func (w *firstWrite) Write(p []byte) (int, error) {
	w.do()
	return w.Buffer.Write(p)
}

// TestEndUnread ends links while nobody reads which.
func TestEndUnread(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"revoke", "forget"} {
		config := filledFile(t, 3*endBatch)
		reader, writer, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		reader.Close()
		cmd, _, stderr := commandProcess("", "links", command, "--skill", "pizza", "--config", config)
		cmd.Stdout = writer
		exit, _ := errors.AsType[*exec.ExitError](cmd.Run())
		writer.Close()
		if exit == nil || exit.ExitCode() != exitFailed || !strings.Contains(stderr.String(), "output could not be written") {
			t.Errorf("%s: %v, %s", command, exit, stderr)
		}
		_, list, _ := runCommand("links", "list", "--live", "--config", config)
		if live := strings.Count(list, "\n") - 1; live != 0 {
			t.Errorf("%s: %d links are live", command, live)
		}
	}
}
