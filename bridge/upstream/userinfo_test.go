package upstream_test

import (
	"maps"
	"net/http"
	"testing"
)

// userinfo sets claims of userinfo.
func userinfo(claims map[string]any) func(*fakeProvider) {
	return func(f *fakeProvider) { maps.Copy(f.userinfo, claims) }
}

func TestUserinfoIsAskedWhenNeeded(t *testing.T) {
	inIDToken := combine(with("email", "ada@contoso.com"), with("name", "Ada"), with("oid", "object-1"),
		with("groups", []string{"a"}))
	tests := []struct {
		name   string
		setup  func(*fakeProvider)
		needed []string
		want   int
	}{
		{"nothing needed", unchanged, nil, 0},
		{"all in the ID token", inIDToken, []string{"email", "name", "groups"}, 0},
		{"one missing", inIDToken, []string{"email", "phone_number"}, 1},
		{"null in the ID token", with("email", nil), []string{"email"}, 1},
		{"groups missing", unchanged, []string{"groups"}, 1},
		{"groups by another name", combine(with("roles", "a"), groupsIn("roles")), []string{"groups"}, 0},
		{"groups by another name, missing", combine(with("groups", "a"), groupsIn("roles")), []string{"groups"}, 1},
		{"groups in an object", combine(with("realm_access", map[string]any{"roles": []string{"a"}}),
			groupsIn("realm_access", "roles")), []string{"groups"}, 0},
		{"the subject in the ID token", combine(inIDToken, subjectIn("oid")), nil, 0},
		{"none announced", notAnnounced("userinfo_endpoint"), []string{"email"}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t, tt.setup)
			_, err := f.identify(t, tt.needed...)
			wantKind(t, err, "")
			requests := f.requests(userinfoPath)
			if len(requests) != tt.want {
				t.Fatalf("userinfo was asked %d times, want %d", len(requests), tt.want)
			}
			if tt.want > 0 && requests[0].authorization != "Bearer "+accessToken {
				t.Errorf("userinfo was asked with %q", requests[0].authorization)
			}
		})
	}
}

func TestUserinfoFails(t *testing.T) {
	const unavailable, refused = "out of reach at userinfo", "misconfigured at userinfo"
	answer := func(status int, body string) func(*fakeProvider) {
		return override(userinfoPath, reply(status, []byte(body)))
	}
	testSignIns(t, []signIn{
		{"for another person", userinfo(map[string]any{"sub": "somebody-else"}), refused},
		{"for another person with the same configured subject", combine(with("oid", "object-1"), subjectIn("oid"),
			userinfo(map[string]any{"sub": "somebody-else", "oid": "object-1"})), refused},
		{"for nobody", func(f *fakeProvider) { f.userinfo = map[string]any{"email": "ada@contoso.com"} }, refused},
		{"for an empty sub", userinfo(map[string]any{"sub": "misconfigured at userinfo"}), refused},
		{"null", answer(http.StatusOK, "null"), refused},
		{"sub in another case", answer(http.StatusOK, `{"sub":"somebody-else","SUB":"`+subject+`"}`), refused},
		{"the access token is refused", answer(http.StatusUnauthorized, `{"error":"invalid_token"}`),
			"misconfigured at userinfo"},
		{"a failure", answer(http.StatusInternalServerError, ""), unavailable},
		{"too many requests", answer(http.StatusTooManyRequests, ""), "rate limited at userinfo"},
		{"the connection is cut", override(userinfoPath, cut), unavailable},
		{"not JSON", answer(http.StatusOK, "<html>"), "misconfigured at userinfo"},
		{"a list", answer(http.StatusOK, "[]"), "misconfigured at userinfo"},
	}, "email")
}

func TestIDTokenWinsOverUserinfo(t *testing.T) {
	f := newFake(t,
		with("name", "Ada"), with("hd", "contoso.com"), with("groups", []string{"few"}),
		userinfo(map[string]any{
			"name": "Mallory", "hd": "evil.example.com", "groups": []string{"admins"}, "phone_number": "1",
			"iss": "http://evil.example.com", "nonce": "another",
		}))
	identity, err := f.identify(t, "name", "hd", "groups", "phone_number")
	wantKind(t, err, "")
	for name, want := range map[string]string{
		"name": `"Ada"`, "hd": `"contoso.com"`, "groups": `["few"]`, "phone_number": `"1"`, "iss": `"` + f.issuer + `"`,
	} {
		if got := claim(t, identity, name); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	if identity.Subject != subject || identity.Issuer != f.issuer {
		t.Errorf("issuer %q, subject %q", identity.Issuer, identity.Subject)
	}
}

// TestEmailIsVerifiedByItsSource checks that neither source verifies the other's address.
func TestEmailIsVerifiedByItsSource(t *testing.T) {
	type claims = map[string]any
	const ada, other = "ada@contoso.com", "mallory@contoso.com"
	tests := []struct {
		name              string
		idToken, userinfo claims
		email, verified   string
	}{
		{"both in userinfo", claims{}, claims{"email": ada, "email_verified": true}, ada, "true"},
		{"both in userinfo, null in the ID token", claims{"email": nil}, claims{"email": ada, "email_verified": true},
			ada, "true"},
		{"both in the ID token", claims{"email": ada, "email_verified": true}, claims{}, ada, "true"},
		{"the same address in both, verified by userinfo", claims{"email": ada},
			claims{"email": ada, "email_verified": true}, ada, "true"},
		{"the same address in both, userinfo says it as text", claims{"email": ada},
			claims{"email": ada, "email_verified": "true"}, ada, `"true"`},
		{"the same address in both, they disagree", claims{"email": ada, "email_verified": false},
			claims{"email": ada, "email_verified": true}, ada, "false"},
		{"userinfo verifies another address", claims{"email": ada}, claims{"email": other, "email_verified": true}, ada, ""},
		{"userinfo verifies an address in another case", claims{"email": "Ada@contoso.com"},
			claims{"email": ada, "email_verified": true}, "Ada@contoso.com", ""},
		{"userinfo verifies no address", claims{"email": ada}, claims{"email_verified": true}, ada, ""},
		{"userinfo verifies another, the ID token its own", claims{"email": ada, "email_verified": true},
			claims{"email": other, "email_verified": false}, ada, "true"},
		{"userinfo verifies another, the ID token says no", claims{"email": ada, "email_verified": false},
			claims{"email": other, "email_verified": true}, ada, "false"},
		{"the ID token verifies no address", claims{"email_verified": true}, claims{"email": other}, other, ""},
		{"the ID token verifies an empty address", claims{"email": "", "email_verified": true}, claims{"email": other}, other,
			""},
		{"the ID token verifies no address, userinfo says no", claims{"email_verified": true},
			claims{"email": other, "email_verified": false}, other, "false"},
		{"the ID token says no of no address", claims{"email_verified": false},
			claims{"email": ada, "email_verified": true}, ada, "true"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t, func(f *fakeProvider) { maps.Copy(f.claims, tt.idToken) }, userinfo(tt.userinfo))
			identity, err := f.identify(t, "email", "email_verified", "phone_number")
			wantKind(t, err, "")
			if got, want := claim(t, identity, "email"), `"`+tt.email+`"`; got != want {
				t.Errorf("email %s, want %s", got, want)
			}
			if got := claim(t, identity, "email_verified"); got != tt.verified {
				t.Errorf("email_verified %q, want %q", got, tt.verified)
			}
		})
	}
}
