package server_test

import (
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"alexa-oidc-bridge/bridge"
)

const (
	scimUser  = "urn:ietf:params:scim:schemas:core:2.0:User"
	scimList  = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
	scimError = "urn:ietf:params:scim:api:messages:2.0:Error"
)

// filtered returns the path of a list with a filter.
func filtered(filter string) string { return "/Users?filter=" + url.QueryEscape(filter) }

// wantList checks a list response, and returns its resources.
func wantList(t *testing.T, list map[string]any, total, start, count int) []any {
	t.Helper()
	resources, isList := list["Resources"].([]any)
	if !isList || !reflect.DeepEqual(list["schemas"], []any{scimList}) || list["totalResults"] != float64(total) ||
		list["startIndex"] != float64(start) || list["itemsPerPage"] != float64(count) || len(resources) != count {
		t.Errorf("%v, want %d of %d resources from %d", list, count, total, start)
	}
	return resources
}

// wantUser checks a user, and returns their id.
func wantUser(t *testing.T, b *testBridge, user map[string]any, userName, externalID string, active bool) string {
	t.Helper()
	id, _ := user["id"].(string)
	meta, _ := user["meta"].(map[string]any)
	want := map[string]any{"schemas": []any{scimUser}, "id": id, "userName": userName, "active": active,
		"meta": map[string]any{
			"resourceType": "User", "location": b.Config.PublicURL + "/scim/corp/v2/Users/" + id,
			"created": meta["created"], "lastModified": meta["lastModified"],
		}}
	if externalID != "" {
		want["externalId"] = externalID
	}
	if !strings.HasPrefix(id, "usr_") || !reflect.DeepEqual(user, want) || meta["created"] == nil ||
		meta["lastModified"] == nil {
		t.Errorf("user %v, want %v", user, want)
	}
	return id
}

// TestSCIMByEntra sends the requests of "Develop a SCIM endpoint" in the documentation of Entra ID, in their order.
func TestSCIMByEntra(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withSCIM(bridge.SCIMExternalID, "sub"))
	const name, external = "Test_User_00aa00aa-bb11-cc22-dd33-44ee44ee44ee", "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef"
	wantList(t, b.WantSCIM(200, "GET",
		filtered(`userName eq "fd1b1fd6-0b3c-4a2a-8a3a-0d0b6bd4a6b6"`), ""), 0, 1, 0) // Test Connection
	wantList(t, b.WantSCIM(200, "GET", filtered(`externalId eq "`+external+`"`), ""), 0, 1, 0)
	created := `{"schemas":["` + scimUser + `","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],
		"externalId":"` + external + `","userName":"` + name + `","active":true,
		"emails":[{"primary":true,"type":"work","value":"Test_User_11bb11bb@testuser.com"}],"meta":{"resourceType":"User"},
		"name":{"formatted":"givenName familyName","familyName":"familyName","givenName":"givenName"},"roles":[],
		"addresses":null,"phoneNumbers":null,"manager":null,
		"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Secret Projects"}}`
	response, user := b.SCIM("POST", "/Users", created)
	id := wantUser(t, b, user, name, external, true)
	if response.StatusCode != 201 || response.Header.Get("Location") != b.Config.PublicURL+"/scim/corp/v2/Users/"+id {
		t.Errorf("status %d, %v", response.StatusCode, response.Header)
	}
	for _, kept := range []string{"familyName", "testuser.com", "Secret Projects"} {
		if strings.Contains(readDatabase(b), kept) {
			t.Errorf("the database has %q", kept)
		}
	}
	if got := b.WantSCIM(409, "POST", "/Users", created); got["scimType"] != "uniqueness" {
		t.Errorf("created again: %v", got)
	}
	wantUser(t, b, b.WantSCIM(200, "GET", "/Users/"+id, ""), name, external, true)
	b.WantSCIM(404, "GET", "/Users/5171a35d82074e068ce2", "")
	for _, filter := range []string{
		`userName eq "` + name + `"`, `userName Eq "` + strings.ToUpper(name) + `"`, `externalId eq "` + external + `"`,
	} {
		found := wantList(t, b.WantSCIM(200, "GET", filtered(filter)+"&aadOptscim062020", ""), 1, 1, 1)
		wantUser(t, b, found[0].(map[string]any), name, external, true)
	}
	wantList(t, b.WantSCIM(200, "GET", filtered(`userName eq "non-existent user"`), ""), 0, 1, 0)

	updated := b.WantSCIM(200, "PATCH", "/Users/"+id, patch(`
		{"op":"Replace","path":"emails[type eq \"work\"].value","value":"updatedEmail@microsoft.com"},
		{"op":"Replace","path":"name.familyName","value":"updatedFamilyName"},
		{"op":"Add","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber","value":"Eqpj"},
		{"op":"Add","path":"manager","value":[{"$ref":"http://x/scim/Users/00aa","value":"00aa"}]},
		{"op":"Remove","path":"phoneNumbers[type eq \"mobile\"].value"},
		{"op":"replace","value":{"displayName":"Bjfe","name.givenName":"Kkom"}}`))
	wantUser(t, b, updated, name, external, true)
	const renamed = "5b50642d-79fc-4410-9e90-4c077cdd1a59@testuser.com"
	updated = b.WantSCIM(200, "PATCH", "/Users/"+id, patch(`{"op":"Replace","path":"userName","value":"`+renamed+`"}`))
	wantUser(t, b, updated, renamed, external, true)
	wantUser(t, b, b.WantSCIM(200, "PATCH", "/Users/"+id, patch(deactivatedByEntra)), renamed, external, false)
	found := wantList(t, b.WantSCIM(200, "GET", filtered(`userName eq "`+renamed+`"`), ""), 1, 1, 1)
	wantUser(t, b, found[0].(map[string]any), renamed, external, false) // who is inactive is found, too
	wantList(t, b.WantSCIM(200, "GET",
		"/Groups?excludedAttributes=members&filter="+url.QueryEscape(`displayName eq "x"`), ""), 0, 1, 0)
	b.WantSCIM(204, "DELETE", "/Users/"+id, "")
	b.WantSCIM(404, "DELETE", "/Users/"+id, "")
}

// TestSCIMByOkta sends the requests of Okta's SCIM 2.0 protocol reference and of its test suite, in their order.
func TestSCIMByOkta(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withSCIM(bridge.SCIMExternalID, "sub"))
	const name, external = "Runscope300Hfluaklab151@example.com", "00ujl29u0le5T6Aj10h7"
	first := b.user("test.user@okta.local", "00u1")
	listed := wantList(t, b.WantSCIM(200, "GET", "/Users?count=1&startIndex=1", ""), 1, 1, 1)
	wantUser(t, b, listed[0].(map[string]any), "test.user@okta.local", "00u1", true)
	wantUser(t, b, b.WantSCIM(200, "GET", first, ""), "test.user@okta.local", "00u1", true)
	wantList(t, b.WantSCIM(200, "GET",
		"/Users?filter=userName%20eq%20%22abcdefgh%40example.com%22&startIndex=1&count=100", ""), 0, 1, 0)
	notFound := b.WantSCIM(404, "GET", "/Users/010101001010101011001010101011", "")
	if notFound["detail"] == nil || notFound["status"] != "404" ||
		!reflect.DeepEqual(notFound["schemas"], []any{scimError}) {
		t.Errorf("no such user: %v", notFound)
	}
	created := `{"schemas":["` + scimUser + `"],"userName":"` + name + `",
		"name":{"givenName":"Runscope300","familyName":"Hfluaklab151"},
		"emails":[{"primary":true,"value":"` + name + `","type":"work"}],
		"displayName":"Runscope300 Hfluaklab151","locale":"en-US",
		"externalId":"` + external + `","groups":[],"password":"1mz050nq","active":true}`
	asJSON := func(r *http.Request) { r.Header.Set("Content-Type", "application/json") }
	response, user := b.SCIM("POST", "/Users", created, asJSON)
	id := wantUser(t, b, user, name, external, true)
	if response.StatusCode != 201 || strings.Contains(readDatabase(b), "1mz050nq") {
		t.Errorf("status %d, or the password is in the database", response.StatusCode)
	}
	wantUser(t, b, b.WantSCIM(200, "GET", "/Users/"+id, ""), name, external, true)
	b.WantSCIM(409, "POST", "/Users", strings.Replace(created, name, strings.ToLower(name), 1))
	wantList(t, b.WantSCIM(200, "GET", filtered(`userName eq "`+strings.ToUpper(name)+`"`), ""), 1, 1, 1)
	wantList(t, b.WantSCIM(200, "GET", "/Groups", ""), 0, 1, 0)

	put := `{"schemas":["` + scimUser + `"],"id":"` + id + `","userName":"` + name + `","name":{"givenName":"Another"},
		"emails":[],"active":%v,"groups":[],"meta":{"resourceType":"User"}}`
	wantUser(t, b, b.WantSCIM(200, "PUT", "/Users/"+id, fmt.Sprintf(put, true)), name, external,
		true) // it keeps its externalId
	wantUser(t, b, b.WantSCIM(200, "PATCH", "/Users/"+id, patch(deactivatedByOkta)), name, external, false)
	wantUser(t, b, b.WantSCIM(200, "PUT", "/Users/"+id, fmt.Sprintf(put, true)), name, external, true)
	wantUser(t, b, b.WantSCIM(200, "PUT", "/Users/"+id, fmt.Sprintf(put, false)), name, external, false)
}

// TestSCIMPages reads a list page by page. A page beyond its end is empty.
func TestSCIMPages(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withSCIM(bridge.SCIMExternalID, "sub"))
	for i := range 5 {
		b.user(fmt.Sprint("user", i), fmt.Sprint("id", i%2))
	}
	seen := map[any]bool{}
	for start := 1; start <= 5; start += 2 {
		list := b.WantSCIM(200, "GET", fmt.Sprintf("/Users?startIndex=%d&count=2", start), "")
		for _, user := range wantList(t, list, 5, start, min(2, 6-start)) {
			seen[user.(map[string]any)["userName"]] = true
		}
	}
	if len(seen) != 5 {
		t.Errorf("the pages have %v", seen)
	}
	for query, want := range map[string][3]int{
		"": {5, 1, 5}, "startIndex=0&count=-1": {5, 1, 0}, "startIndex=-7&count=3": {5, 1, 3}, "count=0": {5, 1, 0},
		"startIndex=6": {5, 6, 0}, "count=1000000": {5, 1, 5}, "sortBy=id&attributes=id": {5, 1, 5},
		"filter=externalId+eq+%22id0%22&count=2":                     {3, 1, 2},
		"filter=externalId+eq+%22id0%22+and+userName+eq+%22USER2%22": {1, 1, 1},
		"filter=userName+eq+%22user1%22+and+userName+eq+%22user2%22": {0, 1, 0},
		"filter=id+eq+%22x%22":                                       {0, 1, 0}, "filter=userName+eq+%22%22": {0, 1, 0},
		"filter=urn:ietf:params:scim:schemas:core:2.0:User:userName+eq+%22user1%22": {1, 1, 1},
		`filter=(userName+eq+"\u0075ser1")`:                                         {1, 1, 1},
	} {
		list := b.WantSCIM(200, "GET", "/Users?"+query, "")
		t.Run(query, func(t *testing.T) { wantList(t, list, want[0], want[1], want[2]) })
	}
}

// TestSCIMLongPage has more users than a page may have.
func TestSCIMLongPage(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withSCIM(bridge.SCIMExternalID, "sub"))
	for i := range 201 {
		user := bridge.DirectoryUser{ID: bridge.NewDirectoryUserID(), Provider: "corp", UserName: fmt.Sprint("user", i),
			Active: true}
		if _, err := b.Store.CreateDirectoryUser(t.Context(), user, bridge.Deprovisioning{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, query := range []string{"", "?count=1000"} {
		wantList(t, b.WantSCIM(200, "GET", "/Users"+query, ""), 201, 1, 200)
	}
}

// TestSCIMDiscovery reads what the server says about itself.
func TestSCIMDiscovery(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withSCIM(bridge.SCIMExternalID, "sub"))
	config := b.WantSCIM(200, "GET", "/ServiceProviderConfig", "")
	for feature, want := range map[string]bool{"patch": true, "filter": true, "bulk": false, "changePassword": false,
		"sort": false, "etag": false} {
		if got := config[feature].(map[string]any)["supported"]; got != want {
			t.Errorf("%s: supported is %v", feature, got)
		}
	}
	if schemes := config["authenticationSchemes"].([]any); schemes[0].(map[string]any)["type"] != "oauthbearertoken" {
		t.Errorf("authenticationSchemes: %v", schemes)
	}
	for path, id := range map[string]string{"/ResourceTypes": "User", "/Schemas": scimUser} {
		only := wantList(t, b.WantSCIM(200, "GET", path, ""), 1, 1, 1)[0].(map[string]any)
		one := b.WantSCIM(200, "GET", path+"/"+id, "")
		location := one["meta"].(map[string]any)["location"]
		if only["id"] != id || !reflect.DeepEqual(only, one) || location != b.Config.PublicURL+"/scim/corp/v2"+path+"/"+id {
			t.Errorf("%s: %v and %v, want %s", path, only, one, id)
		}
		b.WantSCIM(404, "GET", path+"/Group", "")
	}
	names := map[any]bool{}
	for _, attribute := range b.WantSCIM(200, "GET", "/Schemas/"+scimUser, "")["attributes"].([]any) {
		names[attribute.(map[string]any)["name"]] = true
	}
	if want := map[any]bool{"userName": true, "externalId": true, "active": true}; !reflect.DeepEqual(names, want) {
		t.Errorf("attributes %v, want %v", names, want)
	}
}
