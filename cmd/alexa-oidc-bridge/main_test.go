package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/keys"
	"alexa-oidc-bridge/bridge/sqlstore"
	"alexa-oidc-bridge/internal/testbridge"
)

// TestMain runs the program instead of the tests in processes that tests start.
func TestMain(m *testing.M) {
	if os.Getenv("BRIDGE_TEST_RUN_AS_PROGRAM") != "" {
		main()
	}
	os.Exit(m.Run())
}

func runCommand(args ...string) (code int, stdout, stderr string) {
	var out, err bytes.Buffer
	code = run(args, &out, &err)
	return code, out.String(), err.String()
}

func TestUsage(t *testing.T) {
	t.Setenv("BRIDGE_CONFIG", filepath.Join(t.TempDir(), "none.yaml"))
	tests := []struct {
		args   string
		code   int
		stdout string
		stderr string
	}{
		{"", 0, "Usage:", ""},
		{"--help", 0, "check ", ""},
		{"links", 0, "revoke", ""},
		{"frobnicate", 2, "", "see alexa-oidc-bridge --help"},
		{"serve --frobnicate", 2, "", "unknown flag"},
		{"serve now", 2, "", "see alexa-oidc-bridge serve --help"},
		{"links revoke --unused-for 90", 2, "", "see alexa-oidc-bridge links revoke --help"},
		{"serve", 2, "", "none.yaml cannot be used"},
		{"check", 2, "", "none.yaml cannot be used"},
		{"health", 2, "", "none.yaml cannot be used"},
		{"links list", 2, "", "none.yaml cannot be used"},
		{"links revoke lnk_x", 2, "", "none.yaml cannot be used"},
		{"links revoke", 2, "", "no links are named"},
		{"links revoke --subject=", 2, "", "--subject is empty"},
		{"links revoke --email= --skill=pizza", 2, "", "--email is empty"},
		{"links revoke lnk_x --skill pizza", 2, "", "not both"},
		{"links revoke --grant code", 2, "", "not the name of a grant"},
		{"links list --grant code", 2, "", "not the name of a grant"},
		{"links list --subject=", 2, "", "--subject is empty"},
		{"links list --live --email= --skill=pizza", 2, "", "--email is empty"},
		{"links revoke lnk_x --reason=", 2, "", "the reason cannot be kept"},
		{"links revoke lnk_x --reason=replaced", 2, "", "the reason is a word that the bridge itself uses"},
		{"links revoke lnk_x --actor=", 2, "", "the actor cannot be kept"},
		{"links revoke lnk_x --actor=skill:pizza", 2, "", "the actor is not an operator"},
		{"links revoke lnk_x --actor=System", 2, "", "the actor is not an operator"},
		{"links forget", 2, "", "no links are named"},
		{"links forget --subject=", 2, "", "--subject is empty"},
		{"links forget lnk_x --skill pizza", 2, "", "not both"},
		{"links forget --grant code", 2, "", "not the name of a grant"},
		{"links forget lnk_x --reason=", 2, "", "the reason cannot be kept"},
		{"links forget lnk_x --reason=unlinked", 2, "", "the reason is a word that the bridge itself uses"},
		{"links forget lnk_x --actor=person", 2, "", "the actor is not an operator"},
		{"links forget --help", 0, "when it ended remain", ""},
		{"version", 0, "alexa-oidc-bridge ", ""},
	}
	for _, tt := range tests {
		code, stdout, stderr := runCommand(strings.Fields(tt.args)...)
		if code != tt.code || !strings.Contains(stdout, tt.stdout) || !strings.Contains(stderr, tt.stderr) {
			t.Errorf("%q: exit code %d\n%s\n%s", tt.args, code, stdout, stderr)
		}
		if lines := strings.Count(stderr, "\n"); tt.code != 0 && lines < 2 {
			t.Errorf("%q: stderr does not say what is wrong and what to do: %s", tt.args, stderr)
		}
	}
	if code, _, _ := runCommand("links", "revoke", ""); code != 2 {
		t.Errorf("an empty id: exit code %d", code)
	}
}

// TestRevision sets the commit as the linker does for an image. A test binary has none of its own.
func TestRevision(t *testing.T) {
	revision = "0123abc"
	t.Cleanup(func() { revision = "" })
	if _, stdout, _ := runCommand("version"); !strings.Contains(stdout, " 0123abc go") {
		t.Errorf("version prints %q", stdout)
	}
}

func TestSecret(t *testing.T) {
	_, stdout, _ := runCommand("secret")
	secret := strings.TrimSpace(stdout)
	if _, err := keys.Parse(secret); err != nil || !regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`).MatchString(secret) {
		t.Errorf("%q: %v", secret, err)
	}
	if _, again, _ := runCommand("secret"); again == stdout {
		t.Error("the same secret twice")
	}
}

const storageOnly = "storage: {dsn: bridge.db}\nproviders: nonsense\nkeys: [\"${NOT_SET_ANYWHERE}\"]\n"

// newDatabase creates a database with links of three people, and a configuration that is valid only in storage.
func newDatabase(t *testing.T) (configPath string, links []bridge.Link) {
	t.Helper()
	dir := t.TempDir()
	configPath = filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(configPath, []byte(storageOnly), 0o600); err != nil {
		t.Fatal(err)
	}
	options := sqlstore.Options{Driver: sqlstore.SQLite, DSN: filepath.Join(dir, "bridge.db"), Create: true}
	testbridge.CreateDatabase(t, options.DSN)
	store, err := sqlstore.Open(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	now := time.Unix(1_800_000_000, 0).UTC()
	for i, subject := range []string{"ada", "grace", "\x1b[31m\u009b\u202eevil"} {
		link := bridge.Link{
			ID: bridge.NewLinkID(), ClientID: "pizza", Grant: bridge.GrantImplicit, Scope: "orders",
			CreatedAt: now,
			Identity: bridge.Identity{Provider: bridge.Provider{ID: "corp", Issuer: "https://login.example.com"},
				Subject: subject, Claims: bridge.Claims{"email": fmt.Sprintf("p%d@contoso.com", i)}},
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
		now = now.Add(time.Second)
	}
	return configPath, links
}

func TestLinksList(t *testing.T) {
	path, links := newDatabase(t)
	code, stdout, stderr := runCommand("links", "list", "--json", "--config", path)
	var list []map[string]any
	if err := json.Unmarshal([]byte(stdout), &list); code != 0 || err != nil || len(list) != 3 {
		t.Fatalf("exit code %d, %v: %s%s", code, err, stdout, stderr)
	}
	want := map[string]any{"link_id": links[0].ID, "client_id": "pizza", "provider": "corp", "sub": "ada", "name": "",
		"email": "p0@contoso.com", "grant": "implicit", "scope": "orders",
		"created_at": "2027-01-15T08:00:00Z", "last_used_at": nil, "revoked_at": nil, "reason": "", "actor": ""}
	if fmt.Sprint(list[0]) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", list[0], want)
	}
	for flag, n := range map[string]int{"--subject=ada": 1, "--email=P1@contoso.com": 1, "--skill=pizza": 3,
		"--skill=x": 0, "--provider=corp": 3, "--provider=corp --subject=grace": 1} {
		_, stdout, _ := runCommand(append([]string{"links", "list", "--json", "--config", path}, strings.Fields(flag)...)...)
		if err := json.Unmarshal([]byte(stdout), &list); err != nil || len(list) != n {
			t.Errorf("%s: %d links, want %d", flag, len(list), n)
		}
	}
	_, stdout, _ = runCommand("links", "list", "--config", path)
	if !strings.Contains(stdout, links[1].ID) || !strings.Contains(stdout, "implicit") ||
		!strings.Contains(stdout, "p1@contoso.com") || strings.Contains(stdout, "\x1b") {
		t.Errorf("the table: %q", stdout)
	}
	if code, _, stderr := runCommand("links", "revoke", links[1].ID, "--config", path); code != 0 {
		t.Fatal(stderr)
	}
	_, stdout, _ = runCommand("links", "list", "--live", "--json", "--config", path)
	if err := json.Unmarshal([]byte(stdout), &list); err != nil || len(list) != 2 ||
		strings.Contains(stdout, links[1].ID) {
		t.Errorf("--live: %d links, want 2", len(list))
	}
}

func TestLinksRevoke(t *testing.T) {
	path, links := newDatabase(t)
	code, stdout, stderr := runCommand("links", "revoke", links[0].ID, "lnk_unknown", "--config", path,
		"--reason", "left the company")
	if code != 1 || stdout != "revoked "+links[0].ID+"\n" || !strings.Contains(stderr, "unknown lnk_unknown") {
		t.Errorf("exit code %d\n%s\n%s", code, stdout, stderr)
	}
	code, stdout, _ = runCommand("links", "revoke", links[0].ID, "--config", path)
	if code != 0 || stdout != "already revoked "+links[0].ID+"\n" {
		t.Errorf("again: exit code %d, %s", code, stdout)
	}
	code, stdout, _ = runCommand("links", "revoke", "--provider", "corp", "--config", path)
	if code != 0 || !strings.HasSuffix(stdout, "links revoked: 2\n") {
		t.Errorf("the rest: exit code %d, %s", code, stdout)
	}
	code, _, stderr = runCommand("links", "revoke", "--email", "nobody@contoso.com", "--config", path)
	if code != 1 || !strings.Contains(stderr, "no link matches") || !strings.Contains(stderr, "keeps the email claim") {
		t.Errorf("nobody: exit code %d, %s", code, stderr)
	}
	code, _, stderr = runCommand("links", "revoke", "--skill", "lights", "--config", path)
	if code != 1 || !strings.Contains(stderr, "no link matches") || strings.Contains(stderr, "email") {
		t.Errorf("of another skill: exit code %d, %s", code, stderr)
	}
	if code, _, _ = runCommand("links", "revoke", "--provider", "corp", "--config", path); code != 0 {
		t.Errorf("all ended before: exit code %d", code)
	}
	_, stdout, _ = runCommand("links", "list", "--json", "--config", path)
	if strings.ContainsFunc(stdout, func(r rune) bool { return r > '~' }) {
		t.Errorf("not ASCII: %q", stdout)
	}
	if strings.Count(stdout, `"reason": "operator"`) != 2 || strings.Count(stdout, `"reason": "left the company"`) != 1 {
		t.Errorf("after all: %s", stdout)
	}
}

func TestCommandsNeverCreate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(storageOnly), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"links", "list"}, {"links", "revoke", "lnk_x"}, {"links", "forget", "lnk_x"}} {
		code, _, stderr := runCommand(append(args, "--config", path)...)
		if code != 1 || !strings.Contains(stderr, "there is no database") {
			t.Errorf("%v: exit code %d, %s", args, code, stderr)
		}
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("%v, %v", entries, err)
	}
	empty := filepath.Join(filepath.Dir(path), "bridge.db") // as a volume may be prepared
	mustWriteFile(t, empty, "")
	if code, _, stderr := runCommand("links", "list", "--config", path); code != 1 ||
		!strings.Contains(stderr, "there is no database") {
		t.Errorf("an empty file: exit code %d, %s", code, stderr)
	}
	if text, err := os.ReadFile(empty); err != nil || len(text) > 0 {
		t.Errorf("the empty file has %d bytes, %v", len(text), err)
	}
}

func TestCheck(t *testing.T) {
	t.Setenv("PIZZA_CLIENT_SECRET", keys.Generate())
	t.Setenv("PIZZA_BACKEND_SECRET", keys.Generate())
	t.Setenv("HR_ADMIN_SECRET", keys.Generate())
	t.Setenv("CORP_CLIENT_SECRET", keys.Generate())
	t.Setenv("BRIDGE_KEY", keys.Generate())
	code, stdout, stderr := runCommand("check", "--config", "../../config.example.yaml")
	if code != 0 || stderr != "" {
		t.Errorf("exit code %d, %s", code, stderr)
	}
	for _, want := range []string{"https://link.example.com/authorize", "https://link.example.com/callback/corp",
		"pizza"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("the output does not contain %s:\n%s", want, stdout)
		}
	}
	t.Setenv("BRIDGE_KEY", "")
	code, _, stderr = runCommand("check", "--config", "../../config.example.yaml")
	if code != 2 || !strings.Contains(stderr, "keys[0]: the environment variable BRIDGE_KEY is unset or empty; ") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
}
