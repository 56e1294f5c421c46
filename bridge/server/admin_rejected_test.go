package server_test

import (
	"strings"
	"testing"

	"alexa-oidc-bridge/bridge"
)

// testAdminRejections sends what must not be taken for something else.
func testAdminRejections(t *testing.T, document *apiDocument) {
	a := startAdmin(t, document)
	id := a.LinkOf(bridge.Account{Subject: "ada"})
	one, bulk := "/api/links/"+id, "/api/links/revoke"
	long := strings.Repeat("x", 513)
	for _, tt := range []struct {
		method, target, body string
		description          string
	}{
		{"GET", "/api/links?sub=ada", "", "name is unknown"},
		{"GET", "/api/links?subject=", "", "value is empty"},
		{"GET", "/api/links?subject", "", "value is empty"},
		{"GET", "/api/links?subject=a&subject=b", "", "repeated"},
		{"GET", "/api/links?subject=%00", "", "control character"},
		{"GET", "/api/links?subject=%ff", "", "control character"},
		{"GET", "/api/links?subject=" + long, "", "longer than 512"},
		{"GET", "/api/links?subject=%zz", "", "well-formed"},
		{"GET", "/api/links?grant=code", "", "grant must be"},
		{"GET", "/api/links?live=yes", "", "live must be"},
		{"GET", "/api/links?alive=true", "", "in a list also by live;"},
		{"GET", "/api/links?limit=0", "", "limit must be"},
		{"GET", "/api/links?limit=1001", "", "limit must be"},
		{"GET", "/api/links?limit=x", "", "limit must be"},
		{"GET", "/api/links?cursor=x", "", "cursor must be"},
		{"GET", "/api/links?created_before=yesterday", "", "created_before must be"},
		{"GET", "/api/links?unused_since=-1h", "", "unused_since must be"},
		{"GET", one + "?live=true", "", "no parameters"},
		{"GET", "/api/audit?link_id=x", "", "name is unknown"},
		{"GET", "/api/audit?ref=K7QF2M9", "", "eight characters"},
		{"GET", "/api/audit?event=ended", "", "event must be one of linked,"},
		{"GET", "/api/audit?since=x", "", "since must be"},
		{"GET", "/api/audit?until=x", "", "until must be"},
		{"GET", "/api/audit?cursor=a'b", "", "cursor must be"},
		{"POST", one + "/revoke?reason=x", "", "no parameters"},
		{"POST", one + "/revoke", `{"dry_run":true}`, "only reason"},
		{"POST", one + "/revoke", `{"reason":""}`, "reason must be"},
		{"POST", one + "/revoke", `{"reason":null}`, "reason must be"},
		{"POST", one + "/revoke", `{"reason":"caf\u00e9"}`, "reason must be"},
		{"POST", one + "/revoke", `{"reason":"replaced"}`, "in other words"}, // which erases the claims
		{"POST", one + "/forget", `{"reason":"unlinked"}`, "in other words"},
		{"POST", bulk, `{"filter":{"provider":"corp"},"reason":"deprovisioned"}`, "in other words"},
		{"POST", one + "/revoke", `{"reason":"a","reason":"b"}`, "repeated"},
		{"POST", one + "/revoke", `[]`, "object is expected"},
		{"POST", one + "/revoke", `null`, "object is expected"},
		{"POST", one + "/revoke", `{"reason":"a"} {}`, "not JSON"},
		{"POST", one + "/forget", `{"subject":"ada"}`, "only reason"},
		{"POST", bulk, ``, "filter is missing or empty"},
		{"POST", bulk, `{}`, "filter is missing or empty"},
		{"POST", bulk, `{"filter":{}}`, "filter is missing or empty"},
		{"POST", bulk, `{"filter":null}`, "object is expected"},
		{"POST", bulk, `{"filter":{"provider":"crop","subject":"ada"}}`, "provider: nothing is configured"},
		{"POST", bulk, `{"filter":{"provider":"corp","skill":"piza"}}`, "skill: nothing is configured"},
		{"POST", bulk, `{"filter":{"provider":"crop"},"dry_run":true}`, "provider: nothing is configured"},
		{"POST", bulk, `{"filter":{"subject":null,"provider":"corp"}}`, "must be a text"},
		{"POST", bulk, `{"filter":{"subject":"","provider":"corp"}}`, "value is empty"},
		{"POST", bulk, `{"filter":{"subject":5}}`, "must be a text"},
		{"POST", bulk, `{"filter":{"sub":"ada","provider":"corp"}}`, "name is unknown"},
		{"POST", bulk, `{"filter":{"created_before":"0001-01-01T00:00:00Z"}}`, // of no date
			"(0001-01-01T00:00:00Z is none)"},
		{"POST", bulk, `{"filter":{"unused_since":"0001-01-01"}}`, "unused_since must be"},
		{"POST", bulk, `{"filter":{"created_before":"0"}}`, "created_before must be in the past"},
		{"POST", bulk, `{"filter":{"unused_since":"9999-12-31"}}`, "unused_since must be in the past"},
		{"POST", bulk, `{"filter":{"Subject":"ada","provider":"corp"}}`, "name is unknown"},
		{"POST", bulk, `{"filter":{"live":"true"}}`, "name is unknown"},
		{"POST", bulk, `{"filter":{"provider":"a","provider":"corp"}}`, "repeated"},
		{"POST", bulk, `{"filter":{"subject":"bob"},"filter":{"provider":"corp"}}`, "repeated"},
		{"POST", bulk, `{"filter":{"provider":"corp"},"subject":"ada"}`, "member is unknown"},
		{"POST", bulk, `{"filter":{"provider":"corp"},"dryrun":true}`, "member is unknown"},
		{"POST", bulk, `{"filter":{"provider":"corp"},"dry_run":"true"}`, "dry_run must be"},
		{"POST", bulk, `{"filter":{"provider":"corp"},"dry_run":null}`, "dry_run must be"},
		{"POST", bulk, `{"filter":{"provider":"corp"},"expect":null}`, "expect must be"},
		{"POST", bulk, `{"filter":{"provider":"corp"},"expect":"1"}`, "expect must be"},
		{"POST", bulk, `{"filter":{"provider":"corp"},"expect":1.5}`, "expect must be"},
		{"POST", bulk, `{"filter":{"provider":"corp"},"expect":10001}`, "leave it out"},
		{"POST", bulk, `{"filter":{"provider":"corp"},"expect":-1}`, "expect must be"},
		{"POST", bulk, `{"filter":{"provider":"corp"}`, "not JSON"},
		{"POST", bulk, `provider=corp`, "not JSON"},
		{"POST", bulk, "{\"filter\":{\"provider\":\"corp\xff\"}}", "not JSON"},
		{"POST", bulk, `{"filter":{"subject":"\ud800"}}`, "control character"},
		{"POST", bulk + "?dry_run=true", `{"filter":{"provider":"corp"}}`, "no parameters"},
	} {
		a.wantError(400, "invalid_request", tt.description, tt.method, tt.target, tt.body)
	}
	large := `{"reason":"` + strings.Repeat("x", 16<<10) + `"}`
	for _, target := range []string{one + "/revoke", one + "/forget", bulk} {
		a.wantError(413, "invalid_request", "16 KiB", "POST", target, large)
		for _, contentType := range []string{
			"", "text/plain", "application/x-www-form-urlencoded", "application/json-patch+json",
		} {
			a.wantError(415, "invalid_request", "application/json", "POST", target, `{"filter":{"provider":"corp"}}`,
				header("Content-Type", contentType))
		}
	}
	for target, allowed := range map[string]string{
		"/api/links": "GET", one: "GET", one + "/revoke": "POST", bulk: "POST",
	} {
		response, body := a.send("DELETE", target, "")
		if response.StatusCode != 405 || response.Header.Get("Allow") != allowed || strings.Contains(body, "form") {
			t.Errorf("DELETE %s: status %d, %v: %s", target, response.StatusCode, response.Header, body)
		}
	}
	a.wantError(404, "not_found", "/api/openapi.json", "GET", "/api/people", "")
	if live := a.liveIDs(); len(live) != 1 {
		t.Errorf("live: %q, want one link", live)
	}
	a.want(200, "POST", one+"/revoke", `{}`, header("Content-Type", `application/json; charset="utf-8"`))
}
