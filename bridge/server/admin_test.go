package server_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/internal/testbridge"
)

// TestAdminAPI uses every endpoint of the admin API, and gets every response that its description has. All requests and
// responses are compared with the description.
func TestAdminAPI(t *testing.T) {
	t.Parallel()
	document := readAPIDocument(t)
	for name, test := range map[string]func(*testing.T, *apiDocument){
		"lists":          testAdminLists,
		"filters":        testAdminFilters,
		"one link":       testAdminLink,
		"bulk":           testAdminBulk,
		"audit":          testAdminAudit,
		"rights":         testAdminRights,
		"rejections":     testAdminRejections,
		"authentication": testAdminAuthentication,
		"web pages":      testAdminPages,
		"outage":         testAdminOutage,
		"limits":         testAdminLimits,
	} {
		t.Run(name, func(t *testing.T) { test(t, document) })
	}
	if !t.Failed() {
		document.wantAllSeen(t)
	}
}

// testAdminLists pages through links, some of which end meanwhile.
func testAdminLists(t *testing.T, document *apiDocument) {
	a := startAdmin(t, document)
	var want []string
	for i := range 7 {
		want = append(want, a.LinkOf(bridge.Account{Subject: fmt.Sprint("person ", i)}))
		a.Clock.Advance(time.Second)
	}
	for limit, wantPages := range map[string]int{"1": 7, "3": 3, "6": 2, "7": 1, "1000": 1} {
		ids, pages := a.pages("/api/links", "links", "link_id", url.Values{"limit": {limit}})
		if !slices.Equal(ids, want) || pages != wantPages {
			t.Errorf("limit %s: %d pages with %q, want %d with %q", limit, pages, ids, wantPages, want)
		}
	}
	first := a.want(200, "GET", "/api/links?live=true&limit=2", "")
	a.want(200, "POST", "/api/links/"+want[0]+"/revoke", "")
	a.want(200, "POST", "/api/links/"+want[3]+"/revoke", "")
	rest, _ := a.pages("/api/links", "links", "link_id",
		url.Values{"live": {"true"}, "limit": {"2"}, "cursor": {first["next_cursor"].(string)}})
	if left := []string{want[2], want[4], want[5], want[6]}; !slices.Equal(rest, left) {
		t.Errorf("after the first page: %q, want %q", rest, left)
	}
}

// testAdminFilters selects links by everything by which they can be selected.
func testAdminFilters(t *testing.T, document *apiDocument) {
	a := startAdmin(t, document, withCodeGrant, func(b *testBridge) { b.Clock.Hold() })
	old := a.LinkOf(bridge.Account{Subject: "old"})
	a.Clock.Advance(48 * time.Hour)
	hedy := a.LinkOf(bridge.Account{Subject: "hedy"}, func(link *bridge.Link) {
		link.ClientID, link.Grant, link.Provider.ID = "lights", bridge.GrantAuthorizationCode, "other"
		link.Claims = bridge.Claims{"email": "Hedy@contoso.com", "name": "Hedy\u202e Lamarr\u009b"}
	})
	a.Clock.Advance(48 * time.Hour)
	used := a.LinkOf(bridge.Account{Subject: "used"})
	ended := a.LinkOf(bridge.Account{Subject: "ended"})
	a.Clock.Advance(time.Hour)
	for _, id := range []string{old, used} {
		if err := a.Store.TouchLinks(t.Context(), []bridge.Use{{LinkID: id, At: a.Clock.Now()}}); err != nil {
			t.Fatal(err)
		}
	}
	a.want(200, "POST", "/api/links/"+ended+"/revoke", "")
	day := a.Clock.Now().UTC().Add(-24 * time.Hour)
	for query, want := range map[string][]string{
		"":                                {old, hedy, used, ended},
		"live=true":                       {old, hedy, used},
		"live=false":                      {old, hedy, used, ended},
		"skill=lights":                    {hedy},
		"subject=hedy":                    {hedy},
		"email=HEDY@contoso.com":          {hedy},
		"provider=other":                  {hedy},
		"provider=nobody":                 {},
		"grant=implicit":                  {old, used, ended},
		"grant=authorization_code":        {hedy},
		"created_before=72h":              {old},
		"created_before=24h&live=true":    {old, hedy},
		"unused_since=1h":                 {hedy},
		"unused_since=24h&provider=other": {hedy},
		"created_before=" + day.Format(time.RFC3339): {old, hedy},
		"unused_since=" + day.Format(time.DateOnly):  {hedy},
	} {
		ids := []string{}
		for _, link := range a.want(200, "GET", "/api/links?"+query, "")["links"].([]any) {
			ids = append(ids, link.(map[string]any)["link_id"].(string))
		}
		slices.Sort(ids)
		if want = slices.Sorted(slices.Values(want)); !slices.Equal(ids, want) {
			t.Errorf("%s: %q, want %q", query, ids, want)
		}
	}
}

// testAdminLink shows, revokes and erases one link.
func testAdminLink(t *testing.T, document *apiDocument) {
	a := startAdmin(t, document)
	token := a.Link()
	path := "/api/links/" + a.Lookup(token).LinkID
	shown := a.want(200, "GET", path, "")
	if shown["sub"] != testbridge.Ada().Subject || shown["email"] != testbridge.Ada().Email || shown["revoked_at"] != nil {
		t.Errorf("shown: %v", shown)
	}
	ended := a.want(200, "POST", path+"/revoke", `{"reason":"lost speaker"}`)
	a.WantInactive(token)
	if ended["revoked_at"] == nil || ended["reason"] != "lost speaker" || ended["actor"] != "api:hr" {
		t.Errorf("revoked: %v", ended)
	}
	record := a.WantRecorded(bridge.AuditRecord{Event: bridge.AuditRevoked, Reason: "lost speaker", Actor: "api:hr",
		ClientID: "pizza", Provider: "corp", LinkID: a.Links()[0].ID, Subject: testbridge.Ada().Subject,
		Origin: bridge.Origin{Address: "127.0.0.1"}})
	a.WantLogged(map[string]any{"msg": "admin API request", "ref": record.Ref, "actor": "api:hr",
		"route": "POST /api/links/{id}/revoke", "address": "127.0.0.1"})

	again := a.want(200, "POST", path+"/revoke", `{"reason":"again"}`, bearer(revokerSecret))
	if fmt.Sprint(again) != fmt.Sprint(ended) {
		t.Errorf("revoked again: %v, want %v", again, ended)
	}
	response, body := a.send("POST", path+"/forget", "")
	if response.StatusCode != 204 || body != "" || len(response.Header["Content-Type"]) > 0 {
		t.Errorf("forgotten: status %d, %v, %q", response.StatusCode, response.Header, body)
	}
	a.WantLinks(0)
	for _, gone := range []string{
		path, "/api/links/lnk_unknown", "/api/links/LNK_" + path[15:], "/api/links/x%00", "/api/links/revokes",
	} {
		a.wantError(404, "not_found", "no link", "GET", gone, "")
		a.wantError(404, "not_found", "no link", "POST", gone+"/revoke", "")
		a.wantError(404, "not_found", "no link", "POST", gone+"/forget", "")
	}
}

// testAdminAudit reads the audit log.
func testAdminAudit(t *testing.T, document *apiDocument) {
	a := startAdmin(t, document)
	var ids []string
	for i := range 5 {
		ids = append(ids, a.LinkOf(bridge.Account{Subject: fmt.Sprint("person ", i)}))
		a.Clock.Advance(time.Second)
	}
	slices.Reverse(ids)
	for limit, wantPages := range map[string]int{"1": 5, "2": 3, "5": 1} {
		links, pages := a.pages("/api/audit", "records", "link_id", url.Values{"limit": {limit}})
		if !slices.Equal(links, ids) || pages != wantPages {
			t.Errorf("limit %s: %d pages with %q, want %d with the newest first, %q", limit, pages, links, wantPages, ids)
		}
	}
	a.Clock.Advance(time.Hour)
	a.want(200, "POST", "/api/links/"+ids[0]+"/revoke", "")
	revoked := a.want(200, "GET", "/api/audit?event=revoked", "")["records"].([]any)[0].(map[string]any)
	if revoked["actor"] != "api:hr" || revoked["sub"] != "person 4" || revoked["address"] != "127.0.0.1" {
		t.Errorf("the record: %v", revoked)
	}
	ref := revoked["ref"].(string)
	for query, want := range map[string]int{
		"ref=" + strings.ToLower(ref[:4]) + "-" + ref[4:]: 1, "link=" + ids[0]: 2, "link=" + ids[1]: 1, "subject=person+3": 1,
		"skill=pizza": 6, "skill=lights": 0, "provider=corp": 6, "event=linked": 5, "since=30m": 1, "until=30m": 5,
		"until=" + a.Clock.Now().UTC().Format(time.DateOnly): 6,
		"since=2000-01-01&until=2000-01-02":                  0, "since=2000-01-01T00:00:00Z": 6,
	} {
		if got := len(a.want(200, "GET", "/api/audit?"+query, "")["records"].([]any)); got != want {
			t.Errorf("%s: %d records, want %d", query, got, want)
		}
	}
}

// TestAdminJSONIsASCII verifies that an object with texts that could control a terminal is ASCII.
func TestAdminJSONIsASCII(t *testing.T) {
	t.Parallel()
	a := startAdmin(t, nil)
	const name = "Ada\u202e\u009b\x1b[2J\U0001F355"
	id := a.LinkOf(bridge.Account{Subject: "ada"}, func(link *bridge.Link) { link.Claims = bridge.Claims{"name": name} })
	_, text := a.send("GET", "/api/links/"+id, "")
	var shown struct{ Name string }
	if err := json.Unmarshal([]byte(text), &shown); err != nil || shown.Name != name {
		t.Errorf("name %q, %v, want %q", shown.Name, err, name)
	}
	if bytes.ContainsFunc([]byte(text), func(r rune) bool { return r < ' ' || r > '~' }) {
		t.Errorf("not ASCII: %q", text)
	}
}
