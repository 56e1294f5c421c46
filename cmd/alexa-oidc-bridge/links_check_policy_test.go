package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/sqlstore"
	"alexa-oidc-bridge/internal/testbridge"
)

// policyLinks makes links of Ada, who has all claims, of a person who has none, and one that was revoked.
func policyLinks(t *testing.T, database string) (links []bridge.Link) {
	t.Helper()
	testbridge.CreateDatabase(t, database)
	store, err := sqlstore.Open(t.Context(), sqlstore.Options{Driver: sqlstore.SQLite, DSN: database, Create: true})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	all := bridge.Claims{"email": "ada@contoso.com", "email_verified": true, "groups": []any{"alexa-users"},
		"hd": "contoso.com", "name": "Ada"}
	corp := bridge.Provider{ID: "corp", Issuer: "http://127.0.0.1:1",
		SubjectClaim: "sub", EmailClaim: "email", GroupsClaim: "groups"}
	for i, claims := range []bridge.Claims{all, {}, all} {
		now := time.Unix(1_800_000_000+int64(i), 0)
		link := bridge.Link{
			ID: bridge.NewLinkID(), ClientID: "pizza", Grant: bridge.GrantImplicit, CreatedAt: now,
			Identity: bridge.Identity{Provider: corp, Subject: fmt.Sprintf("\x1b%d", i), Claims: claims},
		}
		handle := bridge.HashOf(link.ID)
		consent := bridge.PendingConsent{Handle: handle, ExpiresAt: now.Add(time.Minute)}
		if err := store.CreatePendingConsent(t.Context(), consent); err != nil {
			t.Fatal(err)
		}
		newLink := bridge.NewLink{Link: link, Token: bridge.HashOf("token of " + link.ID)}
		if err := store.Link(t.Context(), handle, newLink); err != nil {
			t.Fatal(err)
		}
		links = append(links, link)
	}
	revocation := bridge.Revocation{Reason: bridge.ReasonOperator, Actor: "command:ada@host", At: time.Now()}
	if _, err := store.Revoke(t.Context(), bridge.LinkFilter{IDs: []string{links[2].ID}}, revocation); err != nil {
		t.Fatal(err)
	}
	return links
}

// policyTest is a change of the configuration, and what it does to the link of Ada and to one without claims: its
// reason and its rule, or nothing, if it stays.
type policyTest struct {
	replace   []string
	ada, none string
}

func policyTests() []policyTest {
	missing := func(rule, claim string) string {
		return "allow." + rule + ": the link has no claim " + claim +
			": the provider did not send it, or the skill did not need it, when the person linked"
	}
	const domains, groups = "email_domains: [contoso.com], ", "groups: [alexa-users], "
	const hd = "claims: [{name: hd, any_of: [contoso.com]}]"
	const unknown = "unknown_skill no skill has the client_id pizza"
	const issuer = "other_provider issuer is http://127.0.0.1:2; when the person linked it was http://127.0.0.1:1"
	const provider = "other_provider the provider of the skill is corp2; when the person linked it was corp"
	const subject = "other_provider subject_claim is oid; when the person linked it was sub"
	noEmail := "email_missing " + missing("email_domains", "email")
	noDepartment := "claim " + missing("claims: department", "department")
	return []policyTest{
		{nil, "", noEmail},
		{[]string{domains + groups + hd, ""}, "", ""},
		{[]string{"[contoso.com]", "[example.com]"},
			"email_domain allow.email_domains: the domain of the address is none of those", noEmail},
		{[]string{domains + groups, "groups: [inventors], "},
			"groups allow.groups: none of the 1 values of the claim groups matches", "groups " + missing("groups", "groups")},
		{[]string{domains + groups + "claims: [{name: hd", "claims: [{name: department"}, noDepartment, noDepartment},
		{[]string{"client_id: pizza", "client_id: pasta", "skills: [pizza]", "skills: [pasta]"}, unknown, unknown},
		{[]string{`127.0.0.1:1"`, `127.0.0.1:2"`}, issuer, issuer},
		{[]string{"id: corp", "id: corp2"}, provider, provider},
		{[]string{"client_id: bridge", "client_id: bridge, subject_claim: oid"}, subject, subject},
		{[]string{"client_id: bridge", "client_id: bridge, email_claim: [contact, email]"},
			"other_provider email_claim is contact.email; when the person linked it was email", noEmail},
		{[]string{"client_id: bridge", "client_id: bridge, groups_claim: roles"},
			"other_provider groups_claim is roles; when the person linked it was groups", noEmail},
	}
}

// TestLinksCheckPolicy applies configurations to links, and leaves the database as it is.
func TestLinksCheckPolicy(t *testing.T) {
	database := filepath.Join(t.TempDir(), "bridge.db")
	path := mintConfig(t, sqlstore.SQLite, database)
	links := policyLinks(t, database)
	good, before := mustReadFile(t, path), mustReadFile(t, database)
	for _, tt := range policyTests() {
		mustWriteFile(t, path, good)
		editConfig(t, path, tt.replace...)
		got := checkPolicy(t, path)
		for i, want := range []string{tt.ada, tt.none, ""} { // the last one was revoked
			if got[links[i].ID] != want {
				t.Errorf("%q, link %d: got %q, want %q", tt.replace, i, got[links[i].ID], want)
			}
		}
	}
	if mustReadFile(t, database) != before {
		t.Error("the database was changed")
	}
}

// checkPolicy returns the reason and the rule for each link that links check-policy --json shows.
func checkPolicy(t *testing.T, path string) map[string]string {
	t.Helper()
	code, stdout, stderr := runCommand("links", "check-policy", "--json", "--config", path)
	var list []struct {
		LinkID       string `json:"link_id"`
		ClientID     string `json:"client_id"`
		Reason, Rule string
	}
	if err := json.Unmarshal([]byte(stdout), &list); err != nil || code != exitDone ||
		!strings.HasSuffix(stderr, fmt.Sprintf("live links checked: 2\nlinks that would be suspended: %d\n", len(list))) {
		t.Fatalf("exit code %d, %v: %s%s", code, err, stdout, stderr)
	}
	found := map[string]string{}
	for _, link := range list {
		found[link.LinkID] = link.Reason + " " + link.Rule
	}
	return found
}

// TestCheckPolicyTable verifies the table, and what is printed when nothing would be suspended or nothing can be said.
func TestCheckPolicyTable(t *testing.T) {
	database := filepath.Join(t.TempDir(), "bridge.db")
	path := mintConfig(t, sqlstore.SQLite, database)
	links := policyLinks(t, database)
	code, stdout, _ := runCommand("links", "check-policy", "--config", path)
	if code != exitDone || !strings.Contains(stdout, links[1].ID) || strings.Contains(stdout, links[0].ID) ||
		strings.Contains(stdout, "\x1b") || !strings.Contains(stdout, "allow.email_domains: the link has no claim email") ||
		!strings.HasSuffix(stdout, "\nlive links checked: 2\nlinks that would be suspended: 1\n") {
		t.Errorf("exit code %d\n%s", code, stdout)
	}
	mustRun(t, "revoked "+links[1].ID+"\n", "links", "revoke", links[1].ID, "--config", path)
	code, stdout, _ = runCommand("links", "check-policy", "--config", path)
	if code != exitDone || stdout != "live links checked: 1\nlinks that would be suspended: 0\n" {
		t.Errorf("exit code %d\n%s", code, stdout)
	}
	mustMint(t, path, "--skill pizza --sub test-ada"+adaClaims)
	editConfig(t, path, "test_tokens: true", "test_tokens: maybe")
	code, _, stderr := runCommand("links", "check-policy", "--config", path)
	if code != exitUsage || !strings.Contains(stderr, "test_tokens") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
	editConfig(t, path, "test_tokens: maybe", "test_tokens: false")
	_, stdout, _ = runCommand("links", "check-policy", "--config", path)
	if !strings.Contains(stdout, "test_tokens  it is a test link, and test_tokens of the skill is not true") {
		t.Errorf("a test link: %s", stdout)
	}
	if err := os.Remove(database); err != nil {
		t.Fatal(err)
	}
	code, _, stderr = runCommand("links", "check-policy", "--config", path)
	if code != exitFailed || !strings.Contains(stderr, "serve creates the database") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
}
