package upstream_test

import (
	"strings"
	"testing"

	"alexa-oidc-bridge/bridge/upstream"
)

// groupsIn sets GroupsClaim.
func groupsIn(path ...string) func(*fakeProvider) {
	return configured(func(config *upstream.Config) { config.GroupsClaim = path })
}

// subjectIn sets SubjectClaim.
func subjectIn(name string) func(*fakeProvider) {
	return configured(func(config *upstream.Config) { config.SubjectClaim = name })
}

func TestGroups(t *testing.T) {
	realm := func(value any) func(*fakeProvider) { return with("realm_access", value) }
	roles := map[string]any{"roles": []string{"a", "b"}}
	tests := []struct {
		name  string
		setup func(*fakeProvider)
		path  []string
		want  string // as JSON; empty: no such claim
	}{
		{"a list", with("groups", []string{"a", "b"}), nil, `["a","b"]`},
		{"an empty list", with("groups", []string{}), nil, `[]`},
		{"one text", with("groups", "a"), nil, `["a"]`},
		{"an empty text", with("groups", ""), nil, ""},
		{"none", unchanged, nil, ""},
		{"null", with("groups", nil), nil, ""},
		{"an object, of which the keys are the groups", with("groups", map[string]any{
			"b": map[string]any{"org": "x"}, "a": map[string]any{"org": "x"}}), nil, `["a","b"]`},
		{"an object whose values grant nothing", with("groups", map[string]any{
			"a": false, "b": true, "c": nil, "d": map[string]any{}, "e": []string{"x"}, "f": "x"}), nil, `[]`},
		{"a number", with("groups", 1), nil, ""},
		{"a list with what is no text", with("groups", []any{"a", 1}), nil, `["a"]`},
		{"in userinfo", userinfo(map[string]any{"groups": []string{"a"}}), nil, `["a"]`},
		{"by another name", with("roles", []string{"a"}), []string{"roles"}, `["a"]`},
		{"by another name, one text", with("roles", "a"), []string{"roles"}, `["a"]`},
		{"by another name, and others as groups", combine(with("roles", []string{"a"}), with("groups", []string{"admins"})),
			[]string{"roles"}, `["a"]`},
		{"by another name that is missing, and others as groups", with("groups", []string{"admins"}), []string{"roles"}, ""},
		{"by a name with a colon", with("cognito:groups", []string{"a"}), []string{"cognito:groups"}, `["a"]`},
		{"by a URL", with("https://contoso.com/groups", []string{"a"}), []string{"https://contoso.com/groups"}, `["a"]`},
		{"in an object", realm(roles), []string{"realm_access", "roles"}, `["a","b"]`},
		{"in an object of userinfo, with an empty object in the ID token", combine(realm(map[string]any{}),
			userinfo(map[string]any{"realm_access": roles})), []string{"realm_access", "roles"}, `["a","b"]`},
		{"in an object of userinfo", userinfo(map[string]any{"realm_access": roles}), []string{"realm_access", "roles"},
			`["a","b"]`},
		{"deeper", with("resource_access", map[string]any{clientID: roles}), []string{"resource_access", clientID, "roles"},
			`["a","b"]`},
		{"in an object that lacks them", realm(map[string]any{}), []string{"realm_access", "roles"}, ""},
		{"in what is no object", realm("roles"), []string{"realm_access", "roles"}, ""},
		{"a name that is not a path", with("realm_access.roles", []string{"a"}), []string{"realm_access", "roles"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			identity, err := newFake(t, tt.setup, groupsIn(tt.path...)).identify(t, "groups")
			wantKind(t, err, "")
			if got := claim(t, identity, "groups"); got != tt.want {
				t.Errorf("groups %q, want %q", got, tt.want)
			}
		})
	}
}

// pointer replaces a claim by a reference (OIDC Core §5.6.2), as Entra ID does.
func pointer(claim string) func(*fakeProvider) {
	return func(f *fakeProvider) {
		f.claims["_claim_names"] = map[string]any{claim: "src1"}
		f.claims["_claim_sources"] = map[string]any{
			"src1": map[string]any{"endpoint": f.issuer + graphPath, "access_token": "token-for-the-graph"},
		}
	}
}

func TestGroupsOverage(t *testing.T) {
	const overage = badIDToken
	noUserinfo := notAnnounced("userinfo_endpoint")
	tests := []struct {
		name   string
		setup  func(*fakeProvider)
		needed []string
		path   []string
		want   string
	}{
		{"a pointer", pointer("groups"), []string{"groups"}, nil, overage},
		{"a pointer, no userinfo", combine(pointer("groups"), noUserinfo), []string{"email", "groups"}, nil, overage},
		{"a pointer in userinfo", userinfo(map[string]any{
			"_claim_names": map[string]any{"groups": "src1"}, "_claim_sources": map[string]any{"src1": map[string]any{}},
		}), []string{"groups"}, nil, overage},
		{"a pointer to the configured claim", pointer("roles"), []string{"groups"}, []string{"roles"}, overage},
		{"a pointer to the object with the groups", pointer("realm_access"), []string{"groups"},
			[]string{"realm_access", "roles"}, overage},
		{"hasgroups", with("hasgroups", true), []string{"groups"}, nil, overage},
		{"hasgroups, no userinfo", combine(with("hasgroups", true), noUserinfo), []string{"groups"}, nil, overage},

		{"hasgroups, groups by another name", combine(with("hasgroups", true), with("roles", []string{"a"})),
			[]string{"groups"}, []string{"roles"}, ""},
		{"hasgroups is false", with("hasgroups", false), []string{"groups"}, nil, ""},
		{"a pointer to another claim", pointer("address"), []string{"groups"}, nil, ""},
		{"a pointer, groups by another name", combine(pointer("groups"), with("roles", "a")), []string{"groups"},
			[]string{"roles"}, ""},
		{"a pointer, groups not needed", pointer("groups"), []string{"email"}, nil, ""},
		{"a pointer, nothing needed", pointer("groups"), nil, nil, ""},
		{"hasgroups, groups not needed", with("hasgroups", true), []string{"email"}, nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t, tt.setup, groupsIn(tt.path...))
			_, err := f.identify(t, tt.needed...)
			wantKind(t, err, tt.want)
			if got := len(f.requests(graphPath)); got != 0 {
				t.Errorf("the pointer was followed %d times", got)
			}
		})
	}
}

func TestSubjectClaim(t *testing.T) {
	tests := []struct {
		name  string
		setup func(*fakeProvider)
		claim string
		want  string // empty: refused
	}{
		{"not configured", unchanged, "", subject},
		{"sub", unchanged, "sub", subject},
		{"oid", with("oid", "object-1"), "oid", "object-1"},
		{"oid in userinfo", userinfo(map[string]any{"oid": "object-1"}), "oid", "object-1"},
		{"oid of the ID token before userinfo's", combine(with("oid", "object-1"),
			userinfo(map[string]any{"oid": "object-2"})), "oid", "object-1"},
		{"oid missing", unchanged, "oid", ""},
		{"oid missing, no userinfo", notAnnounced("userinfo_endpoint"), "oid", ""},
		{"oid empty", with("oid", ""), "oid", ""},
		{"oid null", with("oid", nil), "oid", ""},
		{"oid is no text", with("oid", 7), "oid", ""},
		{"oid as long as may be", with("oid", strings.Repeat("x", 255)), "oid", strings.Repeat("x", 255)},
		{"oid too long", with("oid", strings.Repeat("x", 256)), "oid", ""},
		{"oid is a list", with("oid", []string{"object-1"}), "oid", ""},
		{"oid is malformed", with("oid", "object\ufffd"), "oid", ""},
		{"email is a list", with("email", []string{"ada@contoso.com"}), "email", ""},
		{"email of the claim itself, not of email_claim", combine(with("email", "ada@contoso.com"),
			with("upn", "upn@contoso.com"), configured(func(config *upstream.Config) { config.EmailClaim = []string{"upn"} })),
			"email", "ada@contoso.com"},
		{"email in userinfo, email_claim in the ID token", combine(userinfo(map[string]any{"email": "ada@contoso.com"}),
			with("upn", "upn@contoso.com"), configured(func(config *upstream.Config) { config.EmailClaim = []string{"upn"} })),
			"email", "ada@contoso.com"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			identity, err := newFake(t, tt.setup, subjectIn(tt.claim)).identify(t, "email")
			if tt.want == "" {
				wantKind(t, err, badIDToken)
				return
			}
			wantKind(t, err, "")
			if identity.Subject != tt.want {
				t.Errorf("subject %q, want %q", identity.Subject, tt.want)
			}
		})
	}
}
