package server_test

import (
	"net/http"
	"strings"
	"testing"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/internal/testbridge"
)

// adminOperations are requests that succeed with the token "hr", by what they need.
func adminOperations(id string) map[string][]string {
	return map[string][]string{
		"read":   {"GET /api/links", "GET /api/links/" + id, "GET /api/audit"},
		"revoke": {"POST /api/links/" + id + "/revoke", `POST /api/links/revoke {"filter":{"skill":"lights"}}`},
		"forget": {"POST /api/links/" + id + "/forget"},
		"":       {"GET /api/openapi.json"},
	}
}

// testAdminRights tries every operation with tokens that may not.
func testAdminRights(t *testing.T, document *apiDocument) {
	a := startAdmin(t, document)
	for right, operations := range adminOperations(a.LinkOf(bridge.Account{Subject: "ada"})) {
		for _, operation := range operations {
			method, target, body := splitOperation(operation)
			for name, secret := range map[string]string{"read": auditorSecret, "revoke": revokerSecret} {
				if right == name || right == "" {
					if response, text := a.send(method, target, body, bearer(secret)); response.StatusCode != 200 {
						t.Errorf("%s with %s: status %d: %s", operation, name, response.StatusCode, text)
					}
					continue
				}
				a.wantError(403, "insufficient_scope", "add "+right+" to its may", method, target, body, bearer(secret))
			}
		}
	}
	a.WantLinks(1)
	a.WantLogged(map[string]any{"msg": "admin API request rejected", "reason": "insufficient_scope",
		"actor": "api:auditor", "address": "127.0.0.1"})
}

// splitOperation splits an operation into method, target and body.
func splitOperation(operation string) (method, target, body string) {
	words := append(strings.SplitN(operation, " ", 3), "")
	return words[0], words[1], words[2]
}

// testAdminAuthentication sends requests without the secret of a token.
func testAdminAuthentication(t *testing.T, document *apiDocument) {
	a := startAdmin(t, document)
	id := a.LinkOf(bridge.Account{Subject: "ada"})
	for _, change := range map[string]func(*http.Request){
		"none":          withoutAuth,
		"another":       bearer(anotherSecret),
		"empty":         header("Authorization", "Bearer "),
		"Basic":         basicAuth("hr", hrSecret),
		"cut":           bearer(hrSecret[:31]),
		"longer":        bearer(hrSecret + "x"),
		"two headers":   func(r *http.Request) { r.Header.Add("Authorization", "Bearer "+hrSecret) },
		"a backend's":   bearer(testbridge.BackendSecret),
		"other scheme":  header("Authorization", "Token "+hrSecret),
		"with its name": bearer("hr:" + hrSecret),
	} {
		for _, operations := range adminOperations(id) {
			for _, operation := range operations {
				method, target, body := splitOperation(operation)
				a.wantError(401, "invalid_token", "admin_tokens", method, target, body, change)
			}
		}
		a.wantError(401, "invalid_token", "admin_tokens", "GET", "/api/people", "", change) // nothing is told of what exists
	}
	response, _ := a.send("GET", "/api/links?access_token="+hrSecret, "", withoutAuth)
	if got := response.Header.Get("WWW-Authenticate"); response.StatusCode != 401 || got != `Bearer realm="admin"` {
		t.Errorf("without a token: status %d, challenge %q", response.StatusCode, got)
	}
	a.WantLogged(map[string]any{"msg": "admin API request rejected", "level": "WARN", "reason": "invalid_token",
		"error": "no admin token has this secret", "address": "127.0.0.1", "status": 401.0})
	if len(a.liveIDs()) != 1 {
		t.Error("a link ended")
	}
	a.want(200, "GET", "/api/links", "", header("Authorization", "bearer "+hrSecret))
	a.Config.AdminTokens[0].Secrets = append(a.Config.AdminTokens[0].Secrets, bridge.NewSecret(anotherSecret))
	a.Restart()
	a.want(200, "GET", "/api/links", "", bearer(anotherSecret))
	a.want(200, "GET", "/api/links", "", bearer(hrSecret))
}

// testAdminPages sends requests as browsers do for pages.
func testAdminPages(t *testing.T, document *apiDocument) {
	a := startAdmin(t, document)
	id := a.LinkOf(bridge.Account{Subject: "ada"})
	for _, change := range []func(*http.Request){
		header("Origin", "https://evil.example"), header("Origin", "null"), header("Origin", a.origin),
		header("Sec-Fetch-Site", "cross-site"), header("Sec-Fetch-Site", "same-site"),
		header("Sec-Fetch-Site", "same-origin"),
	} {
		for _, operations := range adminOperations(id) {
			for _, operation := range operations {
				method, target, body := splitOperation(operation)
				response, text := a.send(method, target, body, change)
				if response.StatusCode != 403 || !strings.Contains(text, "access_denied") {
					t.Errorf("%s: status %d: %s", operation, response.StatusCode, text)
				}
				for name := range response.Header {
					if strings.HasPrefix(name, "Access-Control-") {
						t.Errorf("%s: a header of CORS: %v", operation, response.Header)
					}
				}
			}
		}
	}
	response, _ := a.send("OPTIONS", "/api/links/revoke", "", header("Origin", "https://evil.example"),
		header("Access-Control-Request-Method", "POST"), withoutAuth)
	if response.StatusCode != 405 || response.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("a preflight: status %d, %v", response.StatusCode, response.Header)
	}
	a.want(200, "GET", "/api/links", "", header("Sec-Fetch-Site", "none"))
	if len(a.liveIDs()) != 1 {
		t.Error("a link ended")
	}
}

// testAdminOutage asks while the store is out of reach.
func testAdminOutage(t *testing.T, document *apiDocument) {
	a := startAdmin(t, document)
	id := a.LinkOf(bridge.Account{Subject: "ada"})
	hookStore(a.testBridge).be(failing())
	for _, operations := range adminOperations(id) {
		for _, operation := range operations {
			method, target, body := splitOperation(operation)
			if target == "/api/openapi.json" {
				continue
			}
			response, text := a.send(method, target, body)
			if response.StatusCode != 503 || response.Header.Get("Retry-After") == "" ||
				!strings.Contains(text, `"temporarily_unavailable"`) || strings.Contains(text, errBroken.Error()) {
				t.Errorf("%s: status %d, %v: %s", operation, response.StatusCode, response.Header, text)
			}
		}
	}
	for _, malformed := range []string{"x%00", "lnk_x%00", "LNK_X", "lnk_"} { // for which PostgreSQL may fail, too
		a.wantError(404, "not_found", "no link", "POST", "/api/links/"+malformed+"/revoke", "")
	}
	a.WantLogged(map[string]any{"msg": "admin API request failed", "level": "ERROR", "error": errBroken.Error(),
		"actor": "api:hr"})
}

// testAdminLimits guesses secrets from one address, which shuts out nobody who has one.
func testAdminLimits(t *testing.T, document *apiDocument) {
	a := startAdmin(t, document, withProxy(600, 2))
	a.Clock.Hold()
	id := a.LinkOf(bridge.Account{Subject: "ada"})
	tries := 0
	for _, operations := range adminOperations(id) {
		for _, operation := range operations {
			method, target, body := splitOperation(operation)
			want := http.StatusUnauthorized
			for range 3 {
				if tries++; tries > 2 {
					want = http.StatusTooManyRequests
				}
				response, text := a.send(method, target, body, bearer(anotherSecret), forwarded(stranger))
				if response.StatusCode != want {
					t.Errorf("%s, try %d: status %d, want %d: %s", operation, tries, response.StatusCode, want, text)
				}
			}
		}
	}
	a.want(200, "GET", "/api/links", "", forwarded(stranger))
	a.wantError(403, "insufficient_scope", "", "GET", "/api/links", "", bearer(revokerSecret), forwarded(stranger))
	a.wantError(401, "invalid_token", "", "GET", "/api/links", "", bearer(anotherSecret), forwarded(honest))
	a.WantLogged(map[string]any{"reason": "too_many", "status": 429.0, "address": stranger})
	if !strings.Contains(a.Metrics(), `bridge_limited_total{route="/api/links/{id}"}`) {
		t.Errorf("no metric of the limit:\n%s", bridgeMetrics(a.Metrics()))
	}
}

// TestAdminAPIIsOff asks for the API where there is none: without tokens, and on the public listener.
func TestAdminAPIIsOff(t *testing.T) {
	t.Parallel()
	off, on := listenAdmin(startBridge(t), nil), startAdmin(t, nil)
	on.origin = on.Origin
	for _, a := range []*adminAPI{off, on} {
		for _, operations := range adminOperations("lnk_x") {
			for _, operation := range operations {
				method, target, body := splitOperation(operation)
				if response, _ := a.send(method, target, body); response.StatusCode != http.StatusNotFound {
					t.Errorf("%s: status %d, want 404", operation, response.StatusCode)
				}
			}
		}
	}
}

// TestAdminAPIHasNoWarningOfProxy verifies that failures on the admin listener, which no proxy stands before, do not
// warn that one should be trusted.
func TestAdminAPIHasNoWarningOfProxy(t *testing.T) {
	t.Parallel()
	a := startAdmin(t, nil, func(b *testBridge) {
		b.Config.PublicURL, b.Config.Limits.FailuresPerMinute = "https://link.example.com", 30
	})
	a.wantError(401, "invalid_token", "", "GET", "/api/links", "", withoutAuth)
	if strings.Contains(a.Logs.String(), "no limits per address") {
		t.Errorf("the log: %s", a.Logs)
	}
}

// TestAdminPaths asks for what is on the admin listener by other spellings of its path, which a rule of a proxy would
// not see, and sends a request behind which a proxy could see another one.
func TestAdminPaths(t *testing.T) {
	t.Parallel()
	a := startAdmin(t, nil)
	for _, path := range []string{
		"//api/links", "/./api/links", "/x/../api/links", "/api/links/", "/%61pi/links", "/api%2flinks",
		"//metrics", "/%6detrics",
	} {
		response, _ := a.send("GET", path, "")
		if response.StatusCode != http.StatusNotFound || response.Header.Get("Location") != "" {
			t.Errorf("%s: status %d, %v", path, response.StatusCode, response.Header)
		}
	}
	for length, want := range map[int64]bool{2: false, -1: true} { // -1: in chunks
		response, _ := a.send("POST", "/api/links/lnk_x/revoke", "{}", func(r *http.Request) { r.ContentLength = length })
		if response.Close != want {
			t.Errorf("length %d: the connection is closed: %v, want %v", length, response.Close, want)
		}
	}
}
