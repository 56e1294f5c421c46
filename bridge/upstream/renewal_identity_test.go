package upstream_test

import (
	"errors"
	"net/http"
	"testing"

	"alexa-oidc-bridge/bridge/upstream"
)

// renewedIdentity renews the sign-in of a person, and returns who that is now.
func (f *fakeProvider) renewedIdentity(t *testing.T, person upstream.Person, wish upstream.Wish) (
	*upstream.Identity, bool, error) {
	t.Helper()
	renewal, err := f.provider().Renew(t.Context(), person)
	wantKind(t, err, "")
	return renewal.Identity(t.Context(), wish)
}

// identityError names an error of [upstream.Renewal.Identity].
func identityError(err error) string {
	switch {
	case errors.Is(err, upstream.ErrOtherPerson):
		return "another person"
	case errors.Is(err, upstream.ErrSubjectChanged):
		return "subject changed"
	}
	return kind(err)
}

// told sets a claim of userinfo.
func told(name string, value any) func(*fakeProvider) {
	return func(f *fakeProvider) { f.userinfo[name] = value }
}

// subjectIs configures the claim that identifies people.
func subjectIs(name string) func(*fakeProvider) {
	return configured(func(config *upstream.Config) { config.SubjectClaim = name })
}

var (
	noAccessToken = answers("access_token", nil)
	userinfoDown  = override(userinfoPath, reply(http.StatusServiceUnavailable, nil))
)

func TestRenewedIdentity(t *testing.T) {
	const groups, told1, told2 = "groups", `["a"]`, `["b"]`
	inIDToken, inUserinfo := with(groups, []string{"a"}), told(groups, []string{"b"})
	byOID := func(p upstream.Person) upstream.Person { p.Subject = "oid-of-ada"; return p }
	noSub := func(p upstream.Person) upstream.Person { p.Sub = ""; return p }
	same := func(p upstream.Person) upstream.Person { return p }
	all := combine
	tests := []struct {
		name     string
		setup    func(*fakeProvider)
		person   func(upstream.Person) upstream.Person
		groups   string // as JSON
		complete bool
		asked    int // requests of userinfo
	}{
		{"all is in the ID token", inIDToken, same, told1, true, 0},
		{"without a nonce", all(inIDToken, without("nonce")), same, told1, true, 0},
		{"with another nonce", all(inIDToken, with("nonce", "another")), same, told1, true, 0},
		{"the rest is in userinfo", inUserinfo, same, told2, true, 1},
		{"nowhere", unchanged, same, "", true, 1},
		{"there is no userinfo endpoint", notAnnounced("userinfo_endpoint"), same, "", true, 0},
		{"userinfo is down", userinfoDown, same, "", false, 1},
		{"userinfo is down, and not needed", all(inIDToken, userinfoDown), same, told1, true, 0},
		{"userinfo refuses", override(userinfoPath, reply(http.StatusUnauthorized, nil)), same, "", false, 1},
		{"userinfo is about somebody else", all(inUserinfo, told("sub", "mallory")), same, "", false, 1},
		{"no access token", all(inUserinfo, noAccessToken), same, "", false, 0},
		{"no ID token", all(inUserinfo, noIDToken), same, told2, false, 1},
		{"no ID token, and userinfo is down", all(noIDToken, userinfoDown), same, "", false, 1},
		{"no ID token, and no userinfo endpoint", all(noIDToken, notAnnounced("userinfo_endpoint")), same, "", false, 0},
		{"no ID token and no access token", all(noIDToken, noAccessToken, answers("refresh_token", newToken)), same, "",
			false, 0},
		{"no ID token, and the sub is not known", all(inUserinfo, noIDToken), noSub, "", false, 0},
		{"the sub is not known", inUserinfo, noSub, told2, true, 1},
		{"by another claim", all(inIDToken, subjectIs("oid"), with("oid", "oid-of-ada")), byOID, told1, true, 0},
		{"by another claim of userinfo", all(inIDToken, subjectIs("oid"), told("oid", "oid-of-ada")), byOID, told1, true, 1},
		{"by another claim, userinfo is down", all(inIDToken, subjectIs("oid"), userinfoDown), byOID, told1, false, 1},
		{"by another claim, without an ID token", all(noIDToken, subjectIs("oid"), userinfoDown), byOID, "", false, 1},
		{"a reference to the groups, which are only wanted", with("_claim_names", map[string]string{"groups": "src1"}), same,
			"", true, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, person := newFake(t, tt.setup), tt.person(ada())
			identity, complete, err := f.renewedIdentity(t, person, upstream.Wish{Wanted: []string{groups}})
			if identityError(err) != "" {
				t.Fatal(err)
			}
			wantSub := person.Sub
			if _, without := f.tokenResponse["id_token"]; !without {
				wantSub = subject
			}
			if identity.Subject != person.Subject || identity.Sub != wantSub || identity.Issuer != f.issuer ||
				identity.RefreshToken != "" {
				t.Errorf("%+v", identity)
			}
			if got := claim(t, identity, groups); got != tt.groups || complete != tt.complete {
				t.Errorf("groups %s, complete %v, want %s, %v", got, complete, tt.groups, tt.complete)
			}
			if got := len(f.requests(userinfoPath)); got != tt.asked {
				t.Errorf("%d requests of userinfo, want %d", got, tt.asked)
			}
		})
	}
}

func TestRenewedIdentityErrors(t *testing.T) {
	all := combine
	tests := []struct {
		name  string
		setup func(*fakeProvider)
		want  string
	}{
		{"the ID token is about somebody else", with("sub", "mallory"), "another person"},
		{"userinfo is about somebody else, without an ID token", all(noIDToken, told("sub", "mallory")), "another person"},
		{"of another issuer", with("iss", "https://login.fabrikam.com"), badIDToken},
		{"for another client", with("aud", "another"), badIDToken},
		{"for another client, too", with("aud", []string{clientID, "another"}), badIDToken},
		{"without a sub", without("sub"), badIDToken},
		{"expired", with("exp", now().Unix()-3600), "outdated at id_token"},
		{"with the at_hash of another access token", with("at_hash", "another"), badIDToken},
		{"signed by another key", func(f *fakeProvider) { f.key.private = newKey("").private }, "misconfigured at keys"},
		{"not signed", withIDToken(unsecured), badIDToken},
		{"no JWT", answers("id_token", "nothing"), badIDToken},
		{"the subject has changed", all(subjectIs("oid"), with("oid", "another")), "subject changed"},
		{"the subject has changed in userinfo", all(subjectIs("oid"), told("oid", "another")), "subject changed"},
		{"the subject has changed, without an ID token", all(noIDToken, subjectIs("oid"), told("oid", "another")),
			"subject changed"},
		{"there is no subject any more", subjectIs("oid"), badIDToken},
		{"the subject is no text", all(subjectIs("oid"), with("oid", 7)), badIDToken},
		{"a reference to the groups", with("_claim_names", map[string]string{"groups": "src1"}), badIDToken},
		{"hasgroups", with("hasgroups", true), badIDToken},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			identity, complete, err := newFake(t, tt.setup).renewedIdentity(t, ada(), upstream.Wish{Needed: []string{"groups"}})
			if got := identityError(err); got != tt.want || identity != nil || complete {
				t.Errorf("%q (%v), %+v, complete %v; want %q", got, err, identity, complete, tt.want)
			}
		})
	}
}

// Overage is told apart from a missing claim, and never followed.
func TestRenewedIdentityOverage(t *testing.T) {
	f := newFake(t, with("_claim_names", map[string]string{"groups": "src1"}))
	f.claims["_claim_sources"] = map[string]any{"src1": map[string]string{"endpoint": f.issuer + graphPath}}
	_, _, err := f.renewedIdentity(t, ada(), upstream.Wish{Needed: []string{"groups"}})
	if !errors.Is(err, upstream.ErrGroupsOverage) || len(f.requests(graphPath)) != 0 {
		t.Errorf("%v, and the reference was followed %d times", err, len(f.requests(graphPath)))
	}
}
