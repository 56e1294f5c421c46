package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"alexa-oidc-bridge/bridge/keys"
	"alexa-oidc-bridge/bridge/sqlstore"
	"alexa-oidc-bridge/internal/testbridge"
)

// wellKnown is what OIDC Discovery §4 appends to an issuer.
const wellKnown = "/.well-known/openid-configuration"

// Keys of P-256: one that can be read, and one whose point is not on the curve.
const (
	coordinate = "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4"
	goodKey    = `{"kty":"EC","crv":"P-256","kid":"1","x":"` + coordinate +
		`","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}`
	brokenKey = `{"kty":"EC","crv":"P-256","kid":"2","x":"` + coordinate + `","y":"` + coordinate + `"}`
)

// withKeys starts a provider of which only metadata and keys exist.
func withKeys(t *testing.T, keys string) (issuer string) { return fakeProvider(t, keys, "", nil) }

// withMetadata starts such a provider that announces something else, or more.
func withMetadata(t *testing.T, name string, value any) (issuer string) {
	return fakeProvider(t, goodKey, name, value)
}

func fakeProvider(t *testing.T, keys, name string, value any) (issuer string) {
	t.Helper()
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	metadata := map[string]any{"issuer": server.URL, "authorization_endpoint": server.URL + "/authorize",
		"token_endpoint": server.URL + "/token", "jwks_uri": server.URL + "/keys"}
	if name != "" {
		metadata[name] = value
	}
	mux.HandleFunc("GET "+wellKnown, func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(metadata)
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"keys":[%s]}`, keys)
	})
	return server.URL
}

// onlineConfig writes a configuration beside a database that does not exist.
func onlineConfig(t *testing.T, publicURL, issuer string) (path string) {
	t.Helper()
	t.Setenv("BRIDGE_KEY", keys.Generate())
	t.Setenv("CORP_CLIENT_SECRET", testbridge.ClientSecret)
	path = filepath.Join(t.TempDir(), "config.yaml")
	mustWriteFile(t, path, fmt.Sprintf(`
public_url: %s
keys: ["${BRIDGE_KEY}"]
storage: {dsn: bridge.db}
providers: [{id: corp, issuer: %q, client_id: alexa-bridge, client_secret: "${CORP_CLIENT_SECRET}", timeout: 5s}]
skills: [{client_id: radio, name: Radio, grants: [implicit], vendor_ids: [M2AAAAAAAAAAAA]}]
`, publicURL, issuer))
	return path
}

// nobody is an address at which no server listens.
func nobody(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	return server.URL
}

// wantFinding runs check --online and verifies that one line has a level and a text, and the line below it a hint.
func wantFinding(t *testing.T, path string, code int, level, text, hint string) {
	t.Helper()
	got, stdout, stderr := runCommand("check", "--online", "--config", path)
	_, findings, _ := strings.Cut(stdout, "the configuration is good\n")
	found := false
	lines := strings.Split(findings, "\n")
	for i, line := range lines[:len(lines)-1] {
		found = found || strings.HasPrefix(line, level+" ") && strings.Contains(line, text) &&
			(hint == "" || strings.HasPrefix(lines[i+1], "         ") && strings.Contains(lines[i+1], hint))
	}
	if got != code || !found {
		t.Errorf("exit code %d, want %d and %s, %q, %q\n%s%s", got, code, level, text, hint, findings, stderr)
	}
	if strings.Contains(stdout+stderr, testbridge.ClientSecret) {
		t.Errorf("the client secret is printed:\n%s%s", stdout, stderr)
	}
}

func TestCheckOnline(t *testing.T) {
	b := testbridge.Start(t, func(*testbridge.Bridge) {})
	path := onlineConfig(t, b.Origin, b.Provider.Issuer())
	database := filepath.Join(filepath.Dir(path), "bridge.db")
	store, err := sqlstore.Open(t.Context(), sqlstore.Options{Driver: sqlstore.SQLite, DSN: database, Create: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	issuer := b.Provider.Issuer()
	for _, text := range []string{
		"provider corp: discovery at " + strings.TrimSuffix(issuer, "/") + wellKnown + " finds the issuer " + issuer,
		"provider corp: keys for signatures: 1",
		"provider corp: ID tokens are accepted with RS256",
		"provider corp: client authentication is client_secret_basic, from its metadata",
		"provider corp: the redirect URI is " + b.Origin + "/callback/corp",
		"database " + database + ": can be opened, and has the schema of this program",
		"public_url: " + b.Origin + metadataPath + " leads to a server that calls itself " + b.Origin,
	} {
		wantFinding(t, path, 0, levelOK, text, "")
	}
	wantFiles(t, filepath.Dir(path), "bridge.db", "config.yaml")
}

func TestCheckOnlineProvider(t *testing.T) {
	b := testbridge.Start(t, func(*testbridge.Bridge) {})
	good := withKeys(t, goodKey)
	unreachable := nobody(t)
	noIssuer := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(noIssuer.Close)
	slash := b.Provider.Issuer()
	tests := []struct {
		issuer            string
		level, text, hint string
	}{
		{strings.TrimSuffix(slash, "/"), levelFault, `announces the issuer "` + slash + `"`,
			"set issuer to the announced one"},
		{good + "/", levelFault, good + wellKnown + ` announces the issuer "` + good + `", configured is "` + good + `/"`,
			"set issuer"},
		{noIssuer.URL, levelFault, noIssuer.URL + wellKnown + ": status 404", "discovery_url"},
		{unreachable, levelFault, unreachable + wellKnown, "the network and HTTPS_PROXY"},
		{good, levelOK, "ID tokens are accepted with RS256", ""},
		{withMetadata(t, "id_token_signing_alg_values_supported", []string{"HS256"}), levelFault,
			"HS256 only", "RS256 or ES256"},
		{withKeys(t, brokenKey+","+goodKey), levelOK,
			"keys for signatures: 1, skipped: 1", ""},
		{withKeys(t, brokenKey), levelFault, "provider corp: keys: ", "key set"},
		{withMetadata(t, "jwks_uri", noIssuer.URL), levelFault, "provider corp: keys: status 404", "key set"},
		{withMetadata(t, "token_endpoint_auth_methods_supported", []string{"client_secret_post"}), levelOK,
			"client_secret_post", "`try`"},
		{withMetadata(t, "token_endpoint_auth_methods_supported", []string{"private_key_jwt"}), levelFault,
			"neither", "auth_method"},
		{withMetadata(t, "authorization_endpoint", "http://sign-in.example.com/"), levelOK,
			"people sign in at sign-in.example.com", "Domain List"},
	}
	for _, tt := range tests {
		code := 0
		if tt.level == levelFault {
			code = 1
		}
		path := onlineConfig(t, b.Origin, tt.issuer)
		wantFinding(t, path, code, tt.level, tt.text, tt.hint)
		wantFinding(t, path, code, levelOK, "the redirect URI is "+b.Origin+"/callback/corp", "compare it")
	}
}

func TestCheckOnlineDatabase(t *testing.T) {
	issuer := withKeys(t, goodKey)
	content := func(text string) func(*testing.T, string) {
		return func(t *testing.T, path string) { mustWriteFile(t, path, text) }
	}
	tests := []struct {
		dsn               string
		create            func(t *testing.T, path string)
		level, text, hint string
	}{
		{"bridge.db", func(*testing.T, string) {}, levelWarning, "does not exist", "serve, which creates it"},
		{"none/bridge.db", func(*testing.T, string) {}, levelFault, "folder does not exist", "create the folder"},
		{"config.yaml/bridge.db", func(*testing.T, string) {}, levelFault, "config.yaml", "storage.dsn"},
		{"bridge.db", content(""), levelWarning, "is empty", "serve, which creates it"},
		{"bridge.db", content(strings.Repeat("no database ", 1000)), levelFault, "not a SQLite database", "storage.dsn"},
	}
	for _, tt := range tests {
		path := onlineConfig(t, nobody(t), issuer)
		mustWriteFile(t, path, strings.Replace(mustReadFile(t, path), "dsn: bridge.db", "dsn: "+tt.dsn, 1))
		tt.create(t, filepath.Join(filepath.Dir(path), tt.dsn))
		before, err := os.ReadDir(filepath.Dir(path))
		if err != nil {
			t.Fatal(err)
		}
		code := 0
		if tt.level == levelFault {
			code = 1
		}
		wantFinding(t, path, code, tt.level, tt.text, tt.hint)
		var names []string
		for _, entry := range before {
			names = append(names, entry.Name())
		}
		wantFiles(t, filepath.Dir(path), names...)
	}
}

// TestCheckOnlinePostgreSQL verifies that the password of a database is not printed when it cannot be reached.
func TestCheckOnlinePostgreSQL(t *testing.T) {
	path := onlineConfig(t, nobody(t), withKeys(t, goodKey))
	host := strings.TrimPrefix(nobody(t), "http://")
	t.Setenv("DB_PASSWORD", testbridge.ClientSecret) // which wantFinding looks for
	mustWriteFile(t, path, strings.Replace(mustReadFile(t, path), "storage: {dsn: bridge.db}",
		`storage: {driver: postgres, dsn: "postgres://bridge:${DB_PASSWORD}@`+host+`/bridge"}`, 1))
	wantFinding(t, path, 1, levelFault, "database: ", "running and reachable")
}

func TestCheckOnlinePublicURL(t *testing.T) {
	issuer := withKeys(t, goodKey)
	respond := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "https://www.example.com/")
			w.WriteHeader(status)
			io.WriteString(w, body)
		}
	}
	tests := []struct {
		handler           http.Handler
		level, text, hint string
	}{
		{respond(200, `{"issuer":"https://other.example.com"}`), levelFault,
			`configured for "https://other.example.com"`, "public_url"},
		{respond(200, `<html>`), levelFault, "another server answers", "listen address"},
		{respond(200, `{}`), levelFault, "another server answers", "listen address"},
		{http.NotFoundHandler(), levelFault, "(status 404)", "listen address"},
		{respond(301, ``), levelFault, "status 301, a redirect", "set public_url to where it leads"},
		{respond(502, ``), levelWarning, "status 502", "start serve"},
	}
	for _, tt := range tests {
		server := httptest.NewServer(tt.handler)
		code := 0
		if tt.level == levelFault {
			code = 1
		}
		wantFinding(t, onlineConfig(t, server.URL, issuer), code, tt.level, tt.text, tt.hint)
		server.Close()
	}
	wantFinding(t, onlineConfig(t, nobody(t), issuer), 0, levelWarning, "public_url: no response", "start serve")
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	wantFinding(t, onlineConfig(t, server.URL, issuer), 1, levelFault, "certificate", "Amazon trusts")
}
