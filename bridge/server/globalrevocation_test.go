package server_test

import (
	"crypto/rand"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/alexa/simulator"
	"alexa-oidc-bridge/bridge/upstream"
	"alexa-oidc-bridge/internal/testbridge"
)

// universalLogout accepts Global Token Revocation requests of the provider.
func universalLogout(b *testBridge) {
	if b.Config.Accounts == nil {
		b.Config.Accounts = map[string]bridge.AccountPolicy{}
	}
	policy := b.Config.Accounts["corp"]
	policy.UniversalLogout = true
	b.Config.Accounts["corp"] = policy
}

// revocationClaims are the claims by which the provider authenticates as Okta does, with changes; nil: without the
// claim.
func revocationClaims(b *testBridge, changes map[string]any) map[string]any {
	claims := map[string]any{
		"iss": b.Config.Providers[0].Issuer, "aud": b.Config.PublicURL + "/global-token-revocation/corp",
		"sub": testbridge.ClientID,
		"jti": rand.Text(), "iat": b.Clock.Now().Unix(), "nbf": b.Clock.Now().Add(-5 * time.Minute).Unix(),
		"exp": b.Clock.Now().Add(5 * time.Minute).Unix(),
	}
	maps.Copy(claims, changes)
	maps.DeleteFunc(claims, func(_ string, value any) bool { return value == nil })
	return claims
}

// issSub is the body of a revocation of Ada by issuer and subject.
func issSub(b *testBridge) string {
	return fmt.Sprintf(`{"sub_id":{"format":"iss_sub","iss":%q,"sub":%q}}`,
		b.Config.Providers[0].Issuer, testbridge.Ada().Subject)
}

// email is the body of a revocation by e-mail address.
func email(address string) string {
	return fmt.Sprintf(`{"sub_id":{"format":"email","email":%q}}`, address)
}

// Revocation sends a Global Token Revocation request, with changes of the claims of its JWT.
func (b *testBridge) Revocation(body string, claims map[string]any,
	changes ...func(*http.Request)) (*http.Response, string) {
	b.Helper()
	request, err := http.NewRequestWithContext(b.Context(), http.MethodPost, b.Origin+"/global-token-revocation/corp",
		strings.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+b.Sign("global-token-revocation+jwt", revocationClaims(b, claims)))
	for _, change := range changes {
		change(request)
	}
	return b.Do(request)
}

// wantRevocation sends a request and checks the response.
func wantRevocation(b *testBridge, name, body string, status int, changes ...func(*http.Request)) {
	b.Helper()
	response, text := b.Revocation(body, nil, changes...)
	if response.StatusCode != status || response.Header.Get("Cache-Control") != "no-store" ||
		(text == "") != (status == http.StatusNoContent) {
		b.Errorf("%s: status %d, want %d: %s", name, response.StatusCode, status, text)
	}
	if challenge := response.Header.Get("WWW-Authenticate"); strings.HasPrefix(challenge,
		"Bearer realm=") != (status == http.StatusUnauthorized) {
		b.Errorf("%s: status %d with challenge %q", name, status, challenge)
	}
}

// TestGlobalTokenRevocation ends all links of Ada, by each name.
func TestGlobalTokenRevocation(t *testing.T) {
	t.Parallel()
	const more = `{"reason":{"a":[1,{"b":2}]},`
	for name, body := range map[string]func(*testBridge) string{
		"iss_sub":       issSub,
		"older draft":   func(b *testBridge) string { return strings.Replace(issSub(b), "sub_id", "subject", 1) },
		"email":         func(*testBridge) string { return email("ada@contoso.com") },
		"email in caps": func(*testBridge) string { return email("Ada@Contoso.COM") },
		"with more":     func(b *testBridge) string { return strings.Replace(issSub(b), "{", more, 1) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBridge(t, universalLogout)
			phone, request := simulator.NewPhone(), b.Request()
			hedy := b.WantToken(request, b.Decide(phone, b.SignIn(phone, request, testbridge.Hedy()), "link"))
			ada, again := b.Link(), b.Link()
			wantRevocation(b, name, body(b), http.StatusNoContent)
			b.WantInactive(ada)
			b.WantInactive(again)
			b.WantActive(hedy)
			for _, link := range b.Links() {
				if link.Revoked() && (link.Reason != bridge.ReasonAccountRevoked || link.Actor != "provider:corp") {
					t.Errorf("link %+v", link)
				}
			}
			b.WantMetric(`bridge_global_token_revocations_total{outcome="revoked",provider="corp"} 1`)
			b.WantLogged(map[string]any{"msg": "global token revocation", "provider": "corp", "revoked": 2.0})
			wantRevocation(b, "once more", body(b), http.StatusNoContent)
		})
	}
}

// TestGlobalTokenRevocationBody sends bodies that end nothing.
func TestGlobalTokenRevocationBody(t *testing.T) {
	t.Parallel()
	b := startBridge(t, universalLogout)
	token, good := b.Link(), email("ada@contoso.com")
	const id = `{"format":"email","email":"ada@contoso.com"}`
	for name, body := range map[string]string{
		"nothing": "", "null": "null", "a list": "[" + good + "]", "no subject": "{}", "no JSON": "sub_id=ada",
		"two values":         good + good,
		"both names":         `{"sub_id":` + id + `,"subject":` + id + `}`,
		"twice":              `{"sub_id":{"format":"email","email":"x@contoso.com"},"sub_id":` + id + `}`,
		"twice inside":       `{"sub_id":{"format":"email","email":"x@contoso.com","email":"ada@contoso.com"}}`,
		"twice elsewhere":    `{"a":[{"b":1,"b":2}],"sub_id":` + id + `}`,
		"twice by an escape": `{"sub_id":{"format":"email","email":"x@contoso.com","emai\u006c":"ada@contoso.com"}}`,
		"in capitals":        strings.Replace(good, "sub_id", "SUB_ID", 1),
		"format in capitals": strings.Replace(good, `:"email"`, `:"Email"`, 1),
		"no format":          `{"sub_id":{"email":"ada@contoso.com"}}`,
		"a text":             `{"sub_id":"ada@contoso.com"}`,
		"opaque":             `{"sub_id":{"format":"opaque","id":"a2b4c6"}}`,
		"aliases":            `{"sub_id":{"format":"aliases","identifiers":[` + id + `]}}`,
		"a member more":      `{"sub_id":{"format":"email","email":"ada@contoso.com","sub":"x"}}`,
		"empty":              email(""),
		"a number":           `{"sub_id":{"format":"email","email":7}}`,
		"no iss":             `{"sub_id":{"format":"iss_sub","sub":"a2b4c6"}}`,
		"an empty sub":       strings.Replace(issSub(b), "a2b4c6", "", 1),
		"malformed UTF-8":    email("ada@contoso.com")[:20] + "\xff" + `"}}`,
		"too large":          good + strings.Repeat(" ", 8<<10),
	} {
		wantRevocation(b, name, body, http.StatusBadRequest)
	}
	wantRevocation(b, "a form", good, http.StatusBadRequest, header("Content-Type", "application/x-www-form-urlencoded"))
	wantRevocation(b, "no type", good, http.StatusBadRequest, header("Content-Type", ""))
	wantRevocation(b, "another issuer", strings.Replace(issSub(b), `"iss":"http`, `"iss":"x`, 1), http.StatusForbidden)
	for name, body := range map[string]string{
		"somebody else":         email("eve@contoso.com"),
		"a name that cannot be": strings.Replace(good, "ada", `\u0000`, 1),
		"a surrogate":           `{"sub_id":{"format":"email","email":"\ud800"}}`,
		"a sub that cannot be":  strings.Replace(issSub(b), "a2b4c6", `\u0000`, 1),
		"a long one":            email(strings.Repeat("x", 1000) + "@contoso.com"),
	} {
		wantRevocation(b, name, body, http.StatusNoContent)
	}
	b.WantActive(token)
	b.WantMetric(`bridge_global_token_revocations_total{outcome="bad_request",provider="corp"} 26`)
	b.WantMetric(`bridge_global_token_revocations_total{outcome="other_issuer",provider="corp"} 1`)
	wantRevocation(b, "Ada", good+strings.Repeat(" ", 8<<10-len(good)), http.StatusNoContent,
		header("Content-Type", "application/json; charset=utf-8"))
	b.WantInactive(token)
}

// TestGlobalTokenRevocationAuthentication sends requests that do not authenticate.
func TestGlobalTokenRevocationAuthentication(t *testing.T) {
	t.Parallel()
	b := startBridge(t, universalLogout)
	token, body := b.Link(), issSub(b)
	bearer := func(typ string, claims map[string]any) func(*http.Request) {
		return header("Authorization", "Bearer "+b.Sign(typ, claims))
	}
	const typ = "global-token-revocation+jwt"
	for name, change := range map[string]func(*http.Request){
		"nothing":          withoutAuth,
		"Basic":            basicAuth(testbridge.ClientID, testbridge.ClientSecret),
		"another scheme":   header("Authorization", "JWT "+b.Sign(typ, revocationClaims(b, nil))),
		"twice":            func(r *http.Request) { r.Header.Add("Authorization", r.Header.Get("Authorization")) },
		"our access token": header("Authorization", "Bearer "+token),
		"an ID token": bearer("JWT",
			revocationClaims(b, map[string]any{"aud": testbridge.ClientID, "sub": testbridge.Ada().Subject, "nonce": "x"})),
		"a logout token":     bearer("logout+jwt", logoutClaims(b, nil)),
		"an access token":    bearer("at+jwt", revocationClaims(b, nil)),
		"no type":            bearer("", revocationClaims(b, nil)),
		"another audience":   bearer(typ, revocationClaims(b, map[string]any{"aud": b.Config.PublicURL})),
		"another client":     bearer(typ, revocationClaims(b, map[string]any{"sub": "another"})),
		"another issuer":     bearer(typ, revocationClaims(b, map[string]any{"iss": b.Config.PublicURL})),
		"no expiry":          bearer(typ, revocationClaims(b, map[string]any{"exp": nil})),
		"valid for an hour":  bearer(typ, revocationClaims(b, map[string]any{"exp": b.Clock.Now().Add(time.Hour).Unix()})),
		"issued an hour ago": bearer(typ, revocationClaims(b, map[string]any{"iat": b.Clock.Now().Add(-time.Hour).Unix()})),
		"without jti":        bearer(typ, revocationClaims(b, map[string]any{"jti": nil})),
		"in the URL, as well": func(r *http.Request) {
			r.URL.RawQuery = "access_token=" + r.Header.Get("Authorization")[7:]
			withoutAuth(r)
		},
	} {
		wantRevocation(b, name, body, http.StatusUnauthorized, change)
	}
	b.WantActive(token)
	b.WantMetric(`bridge_global_token_revocations_total{outcome="invalid_token",provider="corp"} 17`)
	wantRevocation(b, "in small letters", body, http.StatusNoContent,
		header("Authorization", "bearer "+b.Sign(typ, revocationClaims(b, map[string]any{"sub": nil}))))
	b.WantInactive(token)
}

// TestGlobalTokenRevocationOnce sends a JWT again, after what it was not used up by.
func TestGlobalTokenRevocationOnce(t *testing.T) {
	t.Parallel()
	b := startBridge(t, universalLogout)
	store, token := hookStore(b), b.Link()
	same := header("Authorization", "Bearer "+b.Sign("global-token-revocation+jwt", revocationClaims(b, nil)))
	wantRevocation(b, "a faulty body", "{}", http.StatusBadRequest, same)
	store.be(failing("Revoke"))
	wantRevocation(b, "an outage", issSub(b), http.StatusServiceUnavailable, same)
	b.WantActive(token)
	store.be(working)
	wantRevocation(b, "after the outage", issSub(b), http.StatusNoContent, same)
	b.WantInactive(token)

	b.Clock.Advance(time.Second)
	again := b.Link()
	wantRevocation(b, "once more", issSub(b), http.StatusUnauthorized, same)
	wantRevocation(b, "once more, by e-mail", email("ada@contoso.com"), http.StatusUnauthorized, same)
	b.WantActive(again)
	b.WantMetric(`bridge_global_token_revocations_total{outcome="replayed",provider="corp"} 2`)
}

// TestGlobalTokenRevocationOfSeveral has two accounts with one address, which the provider may be wrong about.
func TestGlobalTokenRevocationOfSeveral(t *testing.T) {
	t.Parallel()
	b := startBridge(t, universalLogout)
	token := b.Link()
	shared := b.LinkOf(bridge.Account{Subject: "team", Email: "ada@contoso.com"})
	same := header("Authorization", "Bearer "+b.Sign("global-token-revocation+jwt", revocationClaims(b, nil)))
	wantRevocation(b, "both", email("ada@contoso.com"), http.StatusUnprocessableEntity, same)
	b.WantActive(token)
	b.WantLogged(map[string]any{"msg": "global token revocation failed", "level": "ERROR", "reason": "ambiguous",
		"status": 422.0})
	wantRevocation(b, "Ada, by the same JWT", issSub(b), http.StatusNoContent, same)
	b.WantInactive(token)
	wantRevoked(b, map[string]bool{shared: false})
}

// TestGlobalTokenRevocationBesideSCIM ends links by e-mail address that the directory does not find by it: one from
// before SCIM was set up, and one of which the directory writes the address in another case.
func TestGlobalTokenRevocationBesideSCIM(t *testing.T) {
	t.Parallel()
	b := startBridge(t, universalLogout)
	older := b.Link()
	withSCIM(bridge.SCIMExternalID, bridge.ClaimEmail)(b)
	universalLogout(b)
	b.Restart()
	wantRevocation(b, "of a link from before", email("ada@contoso.com"), http.StatusNoContent)
	b.WantInactive(older)
	b.Clock.Advance(time.Second)
	newer := b.Link()
	wantRevocation(b, "in another case", email("Ada@Contoso.com"), http.StatusNoContent)
	b.WantInactive(newer)
}

// TestGlobalTokenRevocationEmail verifies which addresses are kept for matching, and that nothing else shows them.
func TestGlobalTokenRevocationEmail(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ verified, trusted, ends bool }{
		"verified": {true, false, true}, "not verified": {false, false, false}, "trusted": {false, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBridge(t, universalLogout, func(b *testBridge) {
				policy := b.Config.Accounts["corp"]
				policy.EmailTrusted = tt.trusted
				b.Config.Accounts["corp"] = policy
				b.Skill.Claims = nil // the address is kept, and not told
			})
			ada := testbridge.Ada()
			ada.EmailVerified = tt.verified
			b.Provider.SetPerson(ada)
			token := b.Link()
			if claims := b.Lookup(token).Claims; len(claims) != 0 {
				t.Errorf("claims %v", claims)
			}
			wantRevocation(b, name, email(ada.Email), http.StatusNoContent)
			if got := !b.Lookup(token).Active; got != tt.ends {
				t.Errorf("ended: %v, want %v", got, tt.ends)
			}
		})
	}
}

// TestGlobalTokenRevocationMetadata has the endpoint in the metadata only if it is the only one.
func TestGlobalTokenRevocationMetadata(t *testing.T) {
	t.Parallel()
	b := startBridge(t, onLogout(bridge.LogoutRevokes))
	const endpoint, methods = "global_token_revocation_endpoint", "global_token_revocation_endpoint_auth_methods_supported"
	want := func(name string, values ...any) {
		t.Helper()
		b.Restart()
		if got := metadata(b); got[endpoint] != values[0] || fmt.Sprint(got[methods]) != fmt.Sprint(values[1]) {
			t.Errorf("%s: %v, %v", name, got[endpoint], got[methods])
		}
	}
	want("none", nil, nil)
	universalLogout(b)
	want("one", b.Config.PublicURL+"/global-token-revocation/corp", []string{"global-token-revocation+jwt"})
	b.Config.Providers = append(b.Config.Providers, upstream.Config{ID: "other", Issuer: "https://login.fabrikam.com"})
	want("one of two", b.Config.PublicURL+"/global-token-revocation/corp", []string{"global-token-revocation+jwt"})
	b.Config.Accounts["other"] = b.Config.Accounts["corp"]
	want("two", nil, nil)
}
