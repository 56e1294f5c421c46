package scim

import (
	"encoding/json"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"alexa-oidc-bridge/bridge"
)

// checkChange verifies that what a request changes can be stored and compared.
func checkChange(t *testing.T, change bridge.DirectoryChange) {
	t.Helper()
	if change.UserName != nil && !bridge.IsStorable(*change.UserName) {
		t.Errorf("userName %q", *change.UserName)
	}
	if change.ExternalID != nil && *change.ExternalID != "" && !bridge.IsStorable(*change.ExternalID) {
		t.Errorf("externalId %q", *change.ExternalID)
	}
}

// FuzzReadUser verifies that a user is read, or rejected, and that only false deactivates anybody.
func FuzzReadUser(f *testing.F) {
	f.Add(`{"userName":"ada@contoso.com","externalId":"a2b4c6","active":"False","name":{"givenName":"Ada"}}`)
	f.Add(`{"USERNAME":"ada","urn:ietf:params:scim:schemas:core:2.0:User:active":false,"emails":null}`)
	f.Add(`{"userName":"\ud800","active":null}`)
	f.Fuzz(func(t *testing.T, body string) {
		change, err := readUser(httptest.NewRequest("PUT", "/", strings.NewReader(body)))
		if err != nil {
			return
		}
		checkChange(t, change)
		if change.Active != nil && !*change.Active &&
			!strings.Contains(strings.ToLower(body), "false") && !strings.Contains(body, `\u`) {
			t.Errorf("%s deactivates", body)
		}
	})
}

// FuzzPatch verifies that a PATCH is read as what its operations say one after the other, or rejected.
func FuzzPatch(f *testing.F) {
	for _, operations := range []string{
		`{"op":"Replace","path":"active","value":"False"}`,
		`{"op":"replace","value":{"active":false,"userName":"ada"}}`,
		`{"op":"Add","path":"emails[type eq \"work\"].value","value":"a@b"},{"op":"remove","path":"externalId"}`,
		`{"op":"Add","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager","value":[{"value":"x"}]}`,
	} {
		f.Add(`{"Operations":[` + operations + `]}`)
	}
	f.Fuzz(func(t *testing.T, body string) {
		change, err := parsePatch([]byte(body))
		if err != nil {
			return
		}
		checkChange(t, change)
		var patch struct{ Operations []operation }
		if err := json.Unmarshal([]byte(body), &patch); err != nil {
			t.Fatal(err)
		}
		user := bridge.DirectoryUser{UserName: "x", ExternalID: "y", Active: true}
		oneByOne := user
		for _, op := range patch.Operations {
			one, err := json.Marshal(struct{ Operations []operation }{[]operation{op}})
			if err != nil {
				return // a value that is missing
			}
			change, err := parsePatch(one)
			if err != nil {
				t.Fatalf("%s is an error alone: %v", one, err)
			}
			oneByOne = change.Apply(oneByOne)
		}
		if got := change.Apply(user); got != oneByOne {
			t.Errorf("%s: %+v, one by one %+v", body, got, oneByOne)
		}
	})
}

// FuzzParseFilter verifies that a filter selects by the names in it, or is rejected.
func FuzzParseFilter(f *testing.F) {
	for _, filter := range []string{
		`userName eq "ada@contoso.com"`, `externalId Eq "a\"b\\" and id eq "\u0041"`, `(userName eq "a")`,
		`urn:ietf:params:scim:schemas:core:2.0:User:userName eq "x"`, `not (a[b eq 1] or c pr)`, strings.Repeat("(", 50),
	} {
		f.Add(filter)
	}
	f.Fuzz(func(t *testing.T, text string) {
		filter, matchable, err := parseFilter(text)
		names := []string{filter.ID, filter.UserName, filter.ExternalID}
		isSet := func(name string) bool { return name != "" }
		switch {
		case err != nil || !matchable:
		case text != "" && !slices.ContainsFunc(names, isSet):
			t.Errorf("%q selects everybody", text)
		case slices.ContainsFunc(names, func(name string) bool { return isSet(name) && !bridge.IsStorable(name) }):
			t.Errorf("%q selects by %q", text, names)
		}
	})
}
