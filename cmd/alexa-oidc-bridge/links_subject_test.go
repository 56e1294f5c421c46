package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/sqlstore"
	"alexa-oidc-bridge/bridge/transfer"
)

// linkOf returns a link of ada, live unless revokedAt is set.
func linkOf(id, provider, issuer string, revokedAt int64) transfer.Row {
	return transfer.Row{Link: &transfer.Link{ID: "lnk_" + id, ClientID: "pizza", Grant: bridge.GrantImplicit, CreatedAt: 1,
		Provider: provider, Issuer: issuer, Subject: "ada", RevokedAt: revokedAt,
		Claims: bridge.Claims{"email": "ada@contoso.com"}}}
}

// databaseOf returns the configuration of a database with these links.
func databaseOf(t *testing.T, links ...transfer.Row) (config string) {
	t.Helper()
	config = emptyFile(t)
	rows := func(yield func(transfer.Row, error) bool) {
		for _, row := range links {
			if !yield(row, nil) {
				return
			}
		}
	}
	withTestStore(t, config, func(store *sqlstore.Store) {
		if did, err := store.Import(t.Context(), rows, time.Now); err != nil || did.Added != len(links) {
			t.Fatalf("%+v, %v", did, err)
		}
	})
	return config
}

// linkSignedIn makes a link of ada, who signed in at a time, and returns the error.
func linkSignedIn(t *testing.T, config, provider string, at time.Time) (err error) {
	t.Helper()
	now := time.Now()
	made := bridge.NewLink{SignedInAt: at, Link: bridge.Link{ID: bridge.NewLinkID(), ClientID: "pizza", CreatedAt: now,
		Identity: bridge.Identity{Provider: bridge.Provider{ID: provider}, Subject: "ada"}}}
	made.Token = bridge.HashOf(made.Link.ID)
	withTestStore(t, config, func(store *sqlstore.Store) {
		pending := bridge.PendingConsent{Handle: made.Token, ExpiresAt: now.Add(time.Minute)}
		if err := store.CreatePendingConsent(t.Context(), pending); err != nil {
			t.Fatal(err)
		}
		err = store.Link(t.Context(), pending.Handle, made)
	})
	return err
}

// TestSubjectOfSeveralProviders revokes and forgets by a subject that two people have.
func TestSubjectOfSeveralProviders(t *testing.T) {
	t.Parallel()
	const corp, other = "https://login.example.com", "https://other.example.com"
	for name, tt := range map[string]struct {
		second transfer.Row
		want   string // in the refusal; empty: both are ended
	}{
		"another provider":        {linkOf("b", "other", other, 0), "corp (" + corp + "), other (" + other + ")"},
		"another issuer":          {linkOf("b", "corp", other, 0), "corp (" + corp + "), corp (" + other + ")"},
		"another, revoked before": {linkOf("b", "other", other, 1), "corp (" + corp + "), other (" + other + ")"},
		"the same provider":       {linkOf("b", "corp", corp, 0), ""},
		"a test link":             {linkOf("b", "other", bridge.TestIssuer, 0), ""},
	} {
		for _, command := range []string{"revoke", "forget"} {
			t.Run(name+", "+command, func(t *testing.T) {
				config := databaseOf(t, linkOf("a", "corp", corp, 0), tt.second)
				begun, before := time.Now(), feedOf(t, config, bridge.Position{}).Position
				code, stdout, stderr := runCommand("links", command, "--subject", "ada", "--config", config)
				if tt.want == "" {
					if code != 0 || strings.Count(stdout, "lnk_") != 2 {
						t.Errorf("exit code %d: %s%s", code, stdout, stderr)
					}
					return
				}
				if code != 2 || stdout != "" || !strings.Contains(stderr, tt.want) || !strings.Contains(stderr, "add --provider") ||
					!strings.Contains(stderr, "nothing was ended") {
					t.Errorf("exit code %d: %s%s", code, stdout, stderr)
				}
				if links, events := storedLinks(t, config), feedOf(t, config, before).Events; len(links) != 2 || len(events) != 0 {
					t.Errorf("%d links, events %+v", len(links), events)
				}
				if err := linkSignedIn(t, config, "corp", begun); err != nil {
					t.Errorf("an open sign-in was revoked: %v", err)
				}
			})
		}
	}
}

// TestSubjectWithProvider ends one of two people who have the same subject.
func TestSubjectWithProvider(t *testing.T) {
	t.Parallel()
	for command, did := range map[string]string{
		"revoke": "revoked lnk_a\nlinks revoked: 1\n",
		"forget": "forgot lnk_a\nlinks forgotten: 1\n",
	} {
		config := databaseOf(t, linkOf("a", "corp", "https://a.example", 0), linkOf("b", "other", "https://b.example", 0))
		mustRun(t, did, "links", command, "--subject", "ada", "--provider", "corp", "--config", config)
		mustRun(t, strings.ReplaceAll(did, "_a", "_b"), "links", command, "--subject", "ada", "--skill", "pizza",
			"--provider", "other", "--config", config)
		// The operator of a provider whose issuer was changed knows that it is one person.
		config = databaseOf(t, linkOf("a", "corp", "https://a.example", 0), linkOf("b", "corp", "https://b.example", 0))
		code, stdout, stderr := runCommand("links", command, "--subject", "ada", "--provider", "corp", "--config", config)
		if code != 0 || strings.Count(stdout, "lnk_") != 2 {
			t.Errorf("%s of two issuers: exit code %d: %s%s", command, code, stdout, stderr)
		}
	}
}

// TestSubjectWithoutLinks ends a person who has no link yet, but perhaps a sign-in that waits.
func TestSubjectWithoutLinks(t *testing.T) {
	t.Parallel()
	for command, count := range map[string]string{"revoke": "links revoked: 0\n", "forget": "links forgotten: 0\n"} {
		config, begun := emptyFile(t), time.Now()
		code, stdout, stderr := runCommand("links", command, "--subject", "ada", "--provider", "corp", "--config", config)
		if code != 1 || stdout != count+"open sign-ins of the subject were revoked: to link, they must sign in again\n" ||
			!strings.Contains(stderr, "no link matches") {
			t.Errorf("%s: exit code %d: %s%s", command, code, stdout, stderr)
		}
		if err := linkSignedIn(t, config, "other", begun); err != nil {
			t.Errorf("%s: at another provider: %v", command, err)
		}
		code, stdout, _ = runCommand("links", command, "--email", "ada@contoso.com", "--config", config)
		if code != 1 || stdout != count {
			t.Errorf("%s by e-mail: exit code %d: %s", command, code, stdout)
		}
	}
}

// TestSubjectEndsSignIn ends a person by the command while a sign-in waits.
func TestSubjectEndsSignIn(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"revoke", "--subject", "ada"},
		{"forget", "--subject", "ada"},
		{"revoke", "--subject", "ada", "--provider", "corp"},
	} {
		config, begun := emptyFile(t), time.Now()
		runCommand(append(append([]string{"links"}, args...), "--config", config)...)
		if err := linkSignedIn(t, config, "corp", begun); !errors.Is(err, bridge.ErrSignInRevoked) {
			t.Errorf("%v: %v", args, err)
		}
	}
}
