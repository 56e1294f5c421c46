package server_test

import (
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"alexa-oidc-bridge/bridge"
)

// wantSCIMError checks an error response (RFC 7644 section 3.12).
func wantSCIMError(t testing.TB, response *http.Response, body map[string]any, status int, scimType string) {
	t.Helper()
	detail, _ := body["detail"].(string)
	want := map[string]any{"schemas": []any{scimError}, "status": fmt.Sprint(status), "detail": detail}
	if scimType != "" {
		want["scimType"] = scimType
	}
	if response.StatusCode != status || !reflect.DeepEqual(body, want) ||
		!regexp.MustCompile(`\. Reference: [A-Z0-9]{8}$`).MatchString(detail) {
		t.Errorf("status %d, %v, want %d %s", response.StatusCode, body, status, scimType)
	}
}

// TestSCIMErrors sends what a directory must not send. It gets an error that says what is wrong, and changes nothing.
func TestSCIMErrors(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withSCIM(bridge.SCIMExternalID, "sub"))
	user, token := b.user("ada", "a2b4c6"), b.Link()
	b.user("bob", "b")
	before := b.WantSCIM(200, "GET", user, "")
	long := strings.Repeat("x", 513)
	for _, tt := range []struct {
		method, path, body string
		status             int
		scimType           string
	}{
		{"POST", "/Users", `{"externalId":"x"}`, 400, "invalidValue"},
		{"POST", "/Users", `{"userName":""}`, 400, "invalidValue"},
		{"POST", "/Users", `{"userName":null}`, 400, "invalidValue"},
		{"POST", "/Users", `{"userName":7}`, 400, "invalidValue"},
		{"POST", "/Users", `{"userName":"a\u0000b"}`, 400, "invalidValue"},
		{"POST", "/Users", "{\"userName\":\"a\xffb\"}", 400, "invalidValue"},
		{"POST", "/Users", `{"userName":"` + long + `"}`, 400, "invalidValue"},
		{"POST", "/Users", `{"userName":"x","externalId":"` + long + `"}`, 400, "invalidValue"},
		{"POST", "/Users", `{"userName":"x","active":"no"}`, 400, "invalidValue"},
		{"POST", "/Users", `{"userName":"x","USERNAME":"y"}`, 400, "invalidSyntax"},
		{"POST", "/Users", `{"userName":"x","` + scimUser + `:userName":"y"}`, 400, "invalidSyntax"},
		{"POST", "/Users", `[]`, 400, "invalidSyntax"},
		{"POST", "/Users", `null`, 400, "invalidSyntax"},
		{"POST", "/Users", `{"userName":"x"} {}`, 400, "invalidSyntax"},
		{"POST", "/Users", "", 400, "invalidSyntax"},
		{"POST", "/Users", `{"userName":"` + strings.Repeat("x", 256<<10) + `"}`, 413, ""},
		{"POST", "/Users", `{"userName":"BOB"}`, 409, "uniqueness"},
		{"PUT", user, `{"userName":"Bob","active":false}`, 409, "uniqueness"},
		{"PATCH", user, patch(`{"op":"replace","path":"userName","value":"bob"},` + deactivatedByOkta), 409, "uniqueness"},
		{"PATCH", user, patch(""), 400, "invalidSyntax"},
		{"PATCH", user, patch(strings.Repeat(deactivatedByEntra+",", 256) + deactivatedByEntra), 400, "invalidSyntax"},
		{"PATCH", user, `{"Operations":{}}`, 400, "invalidSyntax"},
		{"PATCH", user, patch(`{"op":"move","path":"active","value":false}`), 400, "invalidSyntax"},
		{"PATCH", user, patch(`{"op":"remove"}`), 400, "noTarget"},
		{"PATCH", user, patch(`{"op":"remove","path":"userName"}`), 400, "mutability"},
		{"PATCH", user, patch(`{"op":"replace","path":"active"}`), 400, "invalidValue"},
		{"PATCH", user, patch(`{"op":"replace","path":"active","value":[{"value":"False"}]}`), 400, "invalidValue"},
		{"PATCH", user, patch(`{"op":"replace","value":"False"}`), 400, "invalidSyntax"},
		{"PATCH", user, patch(`{"op":"replace","path":"active[","value":false}`), 400, "invalidPath"},
		{"PATCH", user, patch(`{"op":"replace","path":"active.x","value":false}`), 400, "invalidPath"},
		{"PATCH", user, patch(`{"op":"replace","path":"active[value eq true]","value":false}`), 400, "invalidPath"},
		{"PATCH", user, patch(`{"op":"replace","path":"` + strings.Repeat("a", 1025) + `","value":false}`),
			400, "invalidPath"},
		{"PATCH", "/Users/usr_unknown", patch(deactivatedByEntra), 404, ""},
		{"PATCH", "/Users/a%01b", patch(deactivatedByEntra), 404, ""},
		{"GET", filtered(`userName eq ada`), "", 400, "invalidFilter"},
		{"GET", filtered(`userName sw "a"`), "", 400, "invalidFilter"},
		{"GET", filtered(`userName eq true`), "", 400, "invalidFilter"},
		{"GET", filtered(`userName eq "a" or externalId eq "b"`), "", 400, "invalidFilter"},
		{"GET", filtered(`not (userName eq "a")`), "", 400, "invalidFilter"},
		{"GET", filtered(`displayName eq "a"`), "", 400, "invalidFilter"},
		{"GET", filtered(`urn:x:User:userName eq "a"`), "", 400, "invalidFilter"},
		{"GET", filtered(`userName eq "` + strings.Repeat("x", 2<<10) + `"`), "", 400, "invalidFilter"},
		{"GET", filtered(strings.Repeat("(", 17) + `id eq "a"` + strings.Repeat(")", 17)), "", 400, "invalidFilter"},
		{"GET", "/Users?startIndex=one", "", 400, "invalidValue"},
		{"GET", "/Users?count=99999999999", "", 400, "invalidValue"},
		{"PATCH", "/Users", patch(deactivatedByEntra), 405, ""},
		{"POST", "/Groups", `{"displayName":"x"}`, 405, ""},
		{"POST", "/Bulk", `{}`, 404, ""},
		{"GET", "/users", "", 404, ""},
		{"GET", "", "", 404, ""},
	} {
		t.Run(tt.method+" "+tt.path[:min(40, len(tt.path))]+" "+tt.body[:min(60, len(tt.body))], func(t *testing.T) {
			response, body := b.SCIM(tt.method, tt.path, tt.body)
			wantSCIMError(t, response, body, tt.status, tt.scimType)
		})
	}
	asForm := func(r *http.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded") }
	response, body := b.SCIM("POST", "/Users", `{"userName":"x"}`, asForm)
	wantSCIMError(t, response, body, 415, "")
	b.WantActive(token)
	if after := b.WantSCIM(200, "GET", user, ""); !reflect.DeepEqual(after, before) {
		t.Errorf("the user is %v, was %v", after, before)
	}
	wantList(t, b.WantSCIM(200, "GET", "/Users", ""), 2, 1, 2)
	b.WantLogged(map[string]any{"msg": "SCIM request rejected", "level": "INFO", "provider": "corp",
		"reason": "uniqueness"})
}

// TestSCIMUnauthorized sends requests that are not of the directory.
func TestSCIMUnauthorized(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withSCIM(bridge.SCIMExternalID, "sub"), withOtherDirectory)
	user, token := b.user("ada", "a2b4c6"), b.Link()
	inURL := func(r *http.Request) {
		withoutAuth(r)
		r.URL.RawQuery = "access_token=" + directoryToken
	}
	for name, change := range map[string]func(*http.Request){
		"no token":                withoutAuth,
		"a wrong token":           header("Authorization", "Bearer "+strings.ToLower(directoryToken)),
		"an empty token":          header("Authorization", "Bearer "),
		"Basic":                   basicAuth("corp", directoryToken),
		"another scheme":          header("Authorization", "Token "+directoryToken),
		"a backend":               basicAuth("pizza-backend", "x"),
		"an access token":         header("Authorization", "Bearer "+token),
		"another directory's":     header("Authorization", "Bearer "+otherDirectoryToken),
		"a token in the URL":      inURL,
		"a second, right, header": func(r *http.Request) { r.Header.Add("Authorization", "Bearer "+directoryToken) },
	} {
		t.Run(name, func(t *testing.T) {
			for method, path := range map[string]string{"PATCH": user, "GET": "/Schemas", "DELETE": user, "POST": "/Bulk"} {
				response, body := b.SCIM(method, path, patch(deactivatedByEntra), change)
				wantSCIMError(t, response, body, 401, "")
				if challenge := response.Header.Get("WWW-Authenticate"); !strings.HasPrefix(challenge, `Bearer realm="scim"`) {
					t.Errorf("challenge %q", challenge)
				}
			}
		})
	}
	b.WantActive(token)
	b.WantLogged(map[string]any{"msg": "SCIM request rejected", "level": "WARN", "provider": "corp",
		"error": "wrong bearer token"})
	b.WantLogged(map[string]any{"msg": "SCIM request rejected", "level": "WARN", "provider": "corp",
		"error": "no bearer token was sent"})
}

// TestSCIMDirectories has two directories that do not know each other's users, and a provider without one.
func TestSCIMDirectories(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withSCIM(bridge.SCIMExternalID, "sub"), withOtherDirectory)
	user, token := b.user("ada", "a2b4c6"), b.Link()
	other := func(r *http.Request) {
		r.URL.Path = strings.Replace(r.URL.Path, "/corp/", "/other/", 1)
		r.Header.Set("Authorization", "Bearer "+otherDirectoryToken)
	}
	for method, body := range map[string]string{
		"GET": "", "PUT": `{"userName":"ada","active":false}`, "PATCH": patch(deactivatedByOkta), "DELETE": "",
	} {
		response, object := b.SCIM(method, user, body, other)
		wantSCIMError(t, response, object, 404, "")
	}
	_, list := b.SCIM("GET", "/Users", "", other)
	wantList(t, list, 0, 1, 0)
	_, list = b.SCIM("GET", filtered(`userName eq "ada"`), "", other)
	wantList(t, list, 0, 1, 0)
	const sameName = `{"userName":"ada","externalId":"a2b4c6","active":false}`
	if response, object := b.SCIM("POST", "/Users", sameName, other); response.StatusCode != 201 {
		t.Errorf("the same name in another directory: %v", object)
	}
	b.WantActive(token)

	page := func(path string) (int, string) {
		request := b.NewRequest("GET", path, nil)
		request.Header.Set("Authorization", "Bearer "+directoryToken)
		response, body := b.Do(request)
		return response.StatusCode, regexp.MustCompile(`[A-Z0-9]{8}`).ReplaceAllString(body, "REFERENCE")
	}
	wantStatus, wantBody := page("/no/such/path")
	for _, path := range []string{"/scim/none/v2/Users", "/scim/unknown/v2/Users", "/scim/CORP/v2/Users",
		"/scim/corp/v1/Users",
		"/SCIM/corp/v2/Users", "/scim/none/v2", "/scim/corp/v2//Users", "/scim/corp/v2/Users/", "/scim/corp/v2/%55sers"} {
		status, body := page(path)
		if status != wantStatus || body != wantBody {
			t.Errorf("%s: status %d, want %d as for a path that there is not: %s", path, status, wantStatus, body)
		}
	}
}

// TestSCIMLimits floods a directory's endpoints with a wrong token. The right one is answered as ever.
func TestSCIMLimits(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withSCIM(bridge.SCIMExternalID, "sub"), withProxy(100, 3))
	b.Clock.Hold()
	user, token := b.user("ada", "a2b4c6"), b.Link()
	wrong := header("Authorization", "Bearer x")
	for i := range 6 {
		want := http.StatusUnauthorized
		if i >= 3 {
			want = http.StatusTooManyRequests
		}
		response, body := b.SCIM("GET", "/Users", "", wrong, forwarded(stranger))
		wantSCIMError(t, response, body, want, "")
		if (response.Header.Get("Retry-After") != "") != (want == 429) {
			t.Errorf("status %d with Retry-After %q", response.StatusCode, response.Header.Get("Retry-After"))
		}
	}
	if response, _ := b.SCIM("PATCH", user, patch(deactivatedByEntra), forwarded(stranger)); response.StatusCode != 200 {
		t.Errorf("the right token from the same address: status %d", response.StatusCode)
	}
	b.WantInactive(token)
	b.WantMetric(`bridge_limited_total{route="/scim/{provider}/v2/Users"} 3`)
}
