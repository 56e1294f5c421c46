package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"alexa-oidc-bridge/bridge/keys"
	"alexa-oidc-bridge/bridge/sqlstore"
)

// mintBackendSecret is that of the backend in mintConfig.
const mintBackendSecret = "Zr4u7x!A%D*G-KaPdSgVkYp3s6v9y$B&"

// mintConfig writes a configuration of a skill that may have test links, and of one that may not.
func mintConfig(t *testing.T, driver, dsn string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "config.yaml")
	text := fmt.Sprintf(`
public_url: http://127.0.0.1:8080
listen: 127.0.0.1:0
admin_listen: 127.0.0.1:0
keys: [%s]
storage: {driver: %s, dsn: %q}
providers: [{id: corp, issuer: "http://127.0.0.1:1", client_id: bridge}]
skills:
  - client_id: pizza
    name: Contoso Pizza
    grants: [implicit]
    vendor_ids: [M2AAAAAAAAAAAA]
    scopes: [orders]
    claims: [email, name, groups, level]
    allow: {email_domains: [contoso.com], groups: [alexa-users], claims: [{name: hd, any_of: [contoso.com]}]}
    test_tokens: true
  - {client_id: lights, name: Contoso Lights, grants: [implicit], vendor_ids: [M2AAAAAAAAAAAA]}
backends: [{id: pizza-backend, secret: %q, skills: [pizza]}]
`, keys.Generate(), driver, dsn, mintBackendSecret)
	mustWriteFile(t, path, text)
	return path
}

// adaClaims are flags with claims that mintConfig admits.
const adaClaims = " --claim email=ada@contoso.com --claim email_verified=true" +
	" --claim groups=alexa-users --claim hd=contoso.com"

func TestLinksMint(t *testing.T) {
	testMint(t, mintConfig(t, sqlstore.SQLite, filepath.Join(t.TempDir(), "bridge.db")))
}

// testMint makes a test link while serve runs, looks it up, and ends it by other commands.
func testMint(t *testing.T, path string) {
	log, _, end := startServe(t, path)
	defer func() {
		if err := end(); err != nil {
			t.Error(err)
		}
	}()
	token, stderr := mustMint(t, path, "--skill pizza --sub test-ada --claim level=1 --claim level=2 --actor ci"+adaClaims)
	linkID := regexp.MustCompile(`^test link (lnk_[a-z0-9]{26}) of test-ada, good until \S+Z\n$`).
		FindStringSubmatch(stderr)
	if linkID == nil || strings.Contains(stderr, token) {
		t.Fatalf("stderr %q", stderr)
	}
	var response struct {
		Active, Test bool
		Sub, Scope   string
		LinkID       string `json:"link_id"`
		Issued       int64  `json:"iat"`
		Expires      int64  `json:"exp"`
		Claims       map[string]any
	}
	body := lookupAt(t, log.String(), token)
	err := json.Unmarshal([]byte(body), &response)
	if err != nil || !response.Active || !response.Test || response.Sub != "test-ada" ||
		response.LinkID != linkID[1] || response.Scope != "orders" || response.Expires-response.Issued != 3600 ||
		fmt.Sprint(response.Claims) != "map[email:ada@contoso.com groups:[alexa-users] level:[1 2]]" {
		t.Errorf("%s", body)
	}
	wantListed(t, path, linkID[1], "ci")

	moved, file := emptyFile(t), filepath.Join(t.TempDir(), "links.jsonl")
	mustRun(t, "links exported: 1\n", "links", "export", file, "--config", path)
	mustRun(t, importOutput(1, 0, 0, 0), "links", "import", file, "--config", moved)
	wantListed(t, moved, linkID[1], "ci")

	mustRun(t, "revoked "+linkID[1]+"\nlinks revoked: 1\n", "links", "revoke", "--subject", "test-ada", "--config", path)
	log.Wait(t, 0, "link revoked")
	if body := lookupAt(t, log.String(), token); body != `{"active":false}` {
		t.Errorf("revoked: %s", body)
	}
	mustRun(t, "forgot "+linkID[1]+"\n", "links", "forget", linkID[1], "--config", path)
	mustRun(t, "[]\n", "links", "list", "--json", "--config", path)
}

// mustMint runs links mint and returns the token.
func mustMint(t *testing.T, path, args string) (token, stderr string) {
	t.Helper()
	code, stdout, stderr := runCommand(append([]string{"links", "mint", "--config", path}, strings.Fields(args)...)...)
	if code != 0 || !regexp.MustCompile(`^aob_at_[A-Za-z0-9_-]{43}\n$`).MatchString(stdout) {
		t.Fatalf("exit code %d, %q\n%s", code, stdout, stderr)
	}
	return strings.TrimSpace(stdout), stderr
}

// wantListed verifies that links list shows a test link, and who made it.
func wantListed(t *testing.T, path, linkID, actor string) {
	t.Helper()
	var list []map[string]any
	_, stdout, _ := runCommand("links", "list", "--json", "--live", "--config", path)
	if err := json.Unmarshal([]byte(stdout), &list); err != nil || len(list) != 1 || list[0]["link_id"] != linkID ||
		list[0]["test"] != true || list[0]["actor"] != actor {
		t.Errorf("%v: %s", err, stdout)
	}
	if _, stdout, _ := runCommand("links", "list", "--config", path); !strings.Contains(stdout, "test link") {
		t.Errorf("the table does not say that it is a test link: %s", stdout)
	}
}

// lookupAt looks a token up at the server that wrote a log.
func lookupAt(t *testing.T, log, token string) string {
	t.Helper()
	address := regexp.MustCompile(`"listen":"([^"]+)"`).FindStringSubmatch(log)
	form := url.Values{"token": {token}, "client_id": {"pizza-backend"}, "client_secret": {mintBackendSecret}}
	response, err := http.PostForm("http://"+address[1]+"/lookup", form)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// TestLinksMintRefused verifies what a test link may not be, and that nothing is made then.
func TestLinksMintRefused(t *testing.T) {
	database := filepath.Join(t.TempDir(), "bridge.db")
	path := mintConfig(t, sqlstore.SQLite, database)
	emptyDatabase(t, sqlstore.SQLite, database)
	const ada = "--skill pizza --sub test-ada"
	tests := []struct {
		args, stderr, hint string
	}{
		{"--sub test-ada", "--skill is missing", "name the skill"},
		{"--skill pizza", "--sub is not a subject", "such as test-ada"},
		{"--skill pizza --sub a\x1bb", "--sub is not a subject", "such as test-ada"},
		{"--skill pizza --sub a\xffb", "--sub is not a subject", "such as test-ada"},
		{"--skill pizza --sub " + strings.Repeat("a", 256), "--sub is not a subject", "1 to 255 bytes"},
		{"--skill nobody --sub test-ada", "no skill has this client_id", "pizza, lights"},
		{"--skill lights --sub test-ada", "may not have test links", "set test_tokens: true for the skill"},
		{ada + adaClaims + " --lifetime 24h1s", "--lifetime is out of range", "from 1s to 24h"},
		{ada + adaClaims + " --lifetime 0s", "--lifetime is out of range", "from 1s to 24h"},
		{ada + adaClaims + " --actor person", "the actor is not an operator", "use a name"},
		{ada + adaClaims + " --claim phone=1", "does not keep the claim phone",
			"use one of email, email_verified, groups, hd, level, name"},
		{ada + adaClaims + " --claim name", "--claim is not name=value", "--claim name=Ada"},
		{ada, "allow does not admit this person: email_domains (email_missing)",
			"--claim 'email=test@contoso.com' --claim 'email_verified=true' --claim 'groups=alexa-users' " +
				"--claim 'hd=contoso.com'"},
		{ada + strings.Replace(adaClaims, "=true", "=false", 1), "email_domains (email_unverified)", "email_verified=true"},
		{ada + strings.Replace(adaClaims, "=alexa-users", "=inventors", 1), "groups (groups)", "groups=alexa-users"},
	}
	args := func(text string) []string {
		return append([]string{"links", "mint", "--config", path}, strings.Split(text, " ")...)
	}
	for _, tt := range tests {
		code, stdout, stderr := runCommand(args(tt.args)...)
		if code != exitUsage || stdout != "" || !strings.Contains(stderr, tt.stderr) || !strings.Contains(stderr, tt.hint) ||
			strings.Contains(stderr, "\x1b") {
			t.Errorf("%q: exit code %d, %s\n%s", tt.args, code, stdout, stderr)
		}
	}
	mustRun(t, "[]\n", "links", "list", "--json", "--config", path)
	mustMint(t, path, ada+adaClaims+" --lifetime 24h")
	if err := os.Remove(database); err != nil {
		t.Fatal(err)
	}
	wantFailure(t, "serve creates the database", args(ada+adaClaims)...)
}

// TestMintInDocuments runs the command of docs/testing.md, and compares the response of the lookup with the one there.
func TestMintInDocuments(t *testing.T) {
	document := strings.ReplaceAll(documents(t)["docs/testing.md"], "\\\n", "")
	command := regexp.MustCompile(`\$\(alexa-oidc-bridge links mint ([^)]+)\)`).FindStringSubmatch(document)
	shown := regexp.MustCompile("(?s)```json\n(.*?)```").FindStringSubmatch(document)
	if command == nil || shown == nil {
		t.Fatal("docs/testing.md has no links mint, or no response")
	}
	path := mintConfig(t, sqlstore.SQLite, filepath.Join(t.TempDir(), "bridge.db"))
	text := strings.Replace(mustReadFile(t, path), ", claims: [{name: hd, any_of: [contoso.com]}]", "", 1)
	mustWriteFile(t, path, strings.Replace(text, "http://127.0.0.1:8080", "https://link.example.com", 1))
	log, _, end := startServe(t, path)
	defer end()
	token, _ := mustMint(t, path, command[1])
	var want, got map[string]any
	err := errors.Join(json.Unmarshal([]byte(shown[1]), &want),
		json.Unmarshal([]byte(lookupAt(t, log.String(), token)), &got))
	for _, key := range []string{"iat", "exp", "link_id"} { // which differ each time
		if want[key] == nil || got[key] == nil {
			t.Errorf("%s is missing", key)
		}
		delete(want, key)
		delete(got, key)
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v, %v", got, want, err)
	}
}
