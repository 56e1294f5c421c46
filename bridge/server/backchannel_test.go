package server_test

import (
	"crypto/rand"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/alexa/simulator"
	"alexa-oidc-bridge/internal/testbridge"
)

// onLogout lets back-channel logouts of the provider do something.
func onLogout(action bridge.LogoutAction) func(*testBridge) {
	return func(b *testBridge) {
		b.Config.Accounts = map[string]bridge.AccountPolicy{"corp": {OnLogout: action}}
	}
}

// logoutClaims are the claims of a logout token about Ada, with changes; nil: without the claim.
func logoutClaims(b *testBridge, changes map[string]any) map[string]any {
	claims := map[string]any{
		"iss": b.Config.Providers[0].Issuer, "aud": testbridge.ClientID, "sub": testbridge.Ada().Subject, "jti": rand.Text(),
		"iat": b.Clock.Now().Unix(), "exp": b.Clock.Now().Add(2 * time.Minute).Unix(),
		"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}},
	}
	maps.Copy(claims, changes)
	maps.DeleteFunc(claims, func(_ string, value any) bool { return value == nil })
	return claims
}

// Sign signs claims by the key of the provider.
func (b *testBridge) Sign(typ string, claims map[string]any) string {
	b.Helper()
	jwt, err := b.Provider.Sign(typ, claims)
	if err != nil {
		b.Fatal(err)
	}
	b.KeepSecret(jwt)
	return jwt
}

// LogoutToken returns a logout token about Ada, with changes of its claims.
func (b *testBridge) LogoutToken(changes map[string]any) url.Values {
	b.Helper()
	return url.Values{"logout_token": {b.Sign("logout+jwt", logoutClaims(b, changes))}}
}

// wantLogout sends a form to the back-channel logout endpoint.
func wantLogout(b *testBridge, name string, form url.Values, status int, changes ...func(*http.Request)) {
	b.Helper()
	request := b.NewRequest(http.MethodPost, "/backchannel-logout/corp", form)
	for _, change := range changes {
		change(request)
	}
	response, body := b.Do(request)
	switch {
	case response.StatusCode != status:
		b.Errorf("%s: status %d, want %d: %s", name, response.StatusCode, status, body)
	case status == http.StatusOK:
		if body != "" || response.Header.Get("Cache-Control") != "no-store" {
			b.Errorf("%s: header %v, body %q", name, response.Header, body)
		}
	case status == http.StatusBadRequest:
		wantErrorResponse(b, response, body, status, "invalid_request")
	}
}

// TestSignOutAtProvider lets the provider tell that Ada signed out.
func TestSignOutAtProvider(t *testing.T) {
	t.Parallel()
	for action, kept := range map[bridge.LogoutAction]bool{
		bridge.LogoutRechecks: false, // there is no refresh token to ask by
		bridge.LogoutRevokes:  false,
		bridge.LogoutIgnored:  true,
	} {
		t.Run(string(action), func(t *testing.T) {
			t.Parallel()
			b := startBridge(t, onLogout(action))
			ada := b.Link()
			phone, request := simulator.NewPhone(), b.Request()
			hedy := b.WantToken(request, b.Decide(phone, b.SignIn(phone, request, testbridge.Hedy()), "link"))
			if err := b.Provider.SignOut(t.Context(), testbridge.Ada().Login); err != nil {
				t.Fatal(err)
			}
			if got := b.Lookup(ada).Active; got != kept {
				t.Errorf("active: %v, want %v", got, kept)
			}
			b.WantActive(hedy)
			outcome := "kept"
			if !kept {
				outcome = "revoked"
				for _, link := range b.Links() {
					if link.Revoked() && (link.Reason != bridge.ReasonLoggedOut || link.Actor != "provider:corp") {
						t.Errorf("link %+v", link)
					}
				}
			}
			b.WantMetric(`bridge_backchannel_logouts_total{outcome="` + outcome + `",provider="corp"} 1`)
			b.WantLogged(map[string]any{"msg": "back-channel logout", "provider": "corp", "on_logout": string(action),
				"outcome": outcome})
			b.Clock.Advance(time.Second)
			b.WantActive(b.Link()) // a new sign-in counts
		})
	}
}

// TestLogoutWhenNobodyAsks has links from when offline was true. Nobody asks by their refresh tokens any more, so that
// the logout ends them.
func TestLogoutWhenNobodyAsks(t *testing.T) {
	t.Parallel()
	policy := func(p *bridge.AccountPolicy) { p.OnLogout = bridge.LogoutRechecks }
	b := startBridge(t, offline(policy))
	token := b.Link()
	wantLogout(b, "offline", b.LogoutToken(nil), http.StatusOK)
	b.WantActive(token) // until the provider has answered
	b.Config.Accounts = map[string]bridge.AccountPolicy{"corp": {OnLogout: bridge.LogoutRechecks}}
	b.Restart()
	b.WantActive(token)
	wantLogout(b, "not offline", b.LogoutToken(nil), http.StatusOK)
	b.wantEnded(token, bridge.ReasonLoggedOut)
}

// TestBackChannelLogoutRequest sends requests with a faulty form. None uses up the token.
func TestBackChannelLogoutRequest(t *testing.T) {
	t.Parallel()
	b := startBridge(t, onLogout(bridge.LogoutRevokes))
	token := b.Link()
	good := b.LogoutToken(nil)
	jwt := good.Get("logout_token")
	wantLogout(b, "nothing", url.Values{}, http.StatusBadRequest)
	wantLogout(b, "empty", url.Values{"logout_token": {""}}, http.StatusBadRequest)
	wantLogout(b, "twice", url.Values{"logout_token": {jwt, jwt}}, http.StatusBadRequest)
	wantLogout(b, "too large", url.Values{"logout_token": {jwt}, "x": {strings.Repeat("x", 8<<10)}}, http.StatusBadRequest)
	wantLogout(b, "as JSON", good, http.StatusBadRequest, header("Content-Type", "application/json"))
	wantLogout(b, "in the URL", url.Values{}, http.StatusBadRequest,
		func(r *http.Request) { r.URL.RawQuery = good.Encode() })
	wantLogout(b, "as Bearer", url.Values{}, http.StatusBadRequest, header("Authorization", "Bearer "+jwt))
	if got := status(b, "GET", "/backchannel-logout/corp?"+good.Encode(), nil); got != http.StatusMethodNotAllowed {
		t.Errorf("GET: status %d", got)
	}
	b.WantActive(token)
	wantLogout(b, "with another parameter", url.Values{"logout_token": {jwt}, "x": {"y", "z"}}, http.StatusOK,
		header("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8"))
	b.WantInactive(token)
	b.WantMetric(`bridge_backchannel_logouts_total{outcome="bad_request",provider="corp"} 7`)
}

// TestLogoutTokens sends tokens that end nothing.
func TestLogoutTokens(t *testing.T) {
	t.Parallel()
	b := startBridge(t, onLogout(bridge.LogoutRevokes))
	token := b.Link()
	claims := logoutClaims(b, nil)
	for name, jwt := range map[string]string{
		"an ID token": b.Sign("JWT",
			map[string]any{"iss": claims["iss"], "aud": claims["aud"], "sub": claims["sub"], "nonce": "x",
				"iat": claims["iat"], "exp": claims["exp"]}),
		"an ID token with the event":  b.Sign("JWT", logoutClaims(b, map[string]any{"nonce": "x"})),
		"without the event":           b.Sign("logout+jwt", logoutClaims(b, map[string]any{"events": nil})),
		"an access token":             b.Sign("at+jwt", claims),
		"a revocation":                b.Sign("global-token-revocation+jwt", revocationClaims(b, nil)),
		"the event with another type": b.Sign("global-token-revocation+jwt", claims),
		"for another client":          b.Sign("logout+jwt", logoutClaims(b, map[string]any{"aud": "another"})),
		"of another issuer": b.Sign("logout+jwt",
			logoutClaims(b, map[string]any{"iss": "https://login.fabrikam.com"})),
		"of an hour ago": b.Sign("logout+jwt",
			logoutClaims(b, map[string]any{"iat": b.Clock.Now().Add(-time.Hour).Unix()})),
		"without jti":                  b.Sign("logout+jwt", logoutClaims(b, map[string]any{"jti": nil})),
		"about nobody":                 b.Sign("logout+jwt", logoutClaims(b, map[string]any{"sub": nil})),
		"no JWT":                       "opaque",
		"our access token for a skill": token,
	} {
		wantLogout(b, name, url.Values{"logout_token": {jwt}}, http.StatusBadRequest)
	}
	b.WantMetric(`bridge_backchannel_logouts_total{outcome="invalid_token",provider="corp"} 13`)
	for name, changes := range map[string]map[string]any{
		"about somebody else":            {"sub": "e9f1a3"},
		"about a name of another case":   {"sub": "A2B4C6"},
		"about another session":          {"sub": nil, "sid": "session-9"},
		"about the session of a subject": {"sub": nil, "sid": testbridge.Ada().Subject},
		"about a name that cannot be":    {"sub": "\u0000"},
		"about a session that cannot be": {"sub": nil, "sid": "\u0000"},
		"about an endless name":          {"sub": strings.Repeat("x", 1000)},
	} {
		wantLogout(b, name, b.LogoutToken(changes), http.StatusOK)
	}
	b.WantActive(token)
	b.WantMetric(`bridge_backchannel_logouts_total{outcome="nothing_revoked",provider="corp"} 7`)
	wantLogout(b, "about Ada", b.LogoutToken(nil), http.StatusOK)
	b.WantInactive(token)
}

// TestLogoutOfSession makes links as an ID token with a sid makes them, and ends one session.
func TestLogoutOfSession(t *testing.T) {
	t.Parallel()
	b := startBridge(t, onLogout(bridge.LogoutRevokes))
	b.Link() // discovers the provider
	sub := testbridge.Ada().Subject
	phone, laptop := b.LinkOf(bridge.Account{Subject: sub, Session: "phone"}),
		b.LinkOf(bridge.Account{Subject: sub, Session: "laptop"})
	unknown, other := b.LinkOf(bridge.Account{Subject: sub}),
		b.LinkOf(bridge.Account{Subject: "another", Session: "phone"})
	wantLogout(b, "session and person", b.LogoutToken(map[string]any{"sid": "phone"}), http.StatusOK)
	wantRevoked(b, map[string]bool{phone: true, laptop: false, unknown: true, other: false})
	wantLogout(b, "session", b.LogoutToken(map[string]any{"sub": nil, "sid": "laptop"}), http.StatusOK)
	wantRevoked(b, map[string]bool{phone: true, laptop: true, unknown: true, other: false})
	wantLogout(b, "session of another person", b.LogoutToken(map[string]any{"sid": "phone"}), http.StatusOK)
	wantRevoked(b, map[string]bool{other: false})
}

// LinkOf makes a link with the names of an account, and returns its id.
func (b *testBridge) LinkOf(account bridge.Account, changes ...func(*bridge.Link)) string {
	b.Helper()
	link := bridge.Link{ID: bridge.NewLinkID(), ClientID: "pizza", Grant: bridge.GrantImplicit, Account: account,
		CreatedAt: b.Clock.Now()}
	link.Provider = bridge.Provider{ID: "corp", Issuer: b.Config.Providers[0].Issuer, SubjectClaim: "sub"}
	link.Subject = account.Subject
	for _, change := range changes {
		change(&link)
	}
	handle := bridge.HashOf(rand.Text())
	err := b.Store.CreatePendingConsent(b.Context(),
		bridge.PendingConsent{Handle: handle, ExpiresAt: b.Clock.Now().Add(time.Minute)})
	if err == nil {
		made := bridge.NewLink{Link: link, SignedInAt: b.Clock.Now().Add(time.Hour), Token: bridge.HashOf(rand.Text())}
		err = b.Store.Link(b.Context(), handle, made)
	}
	if err != nil {
		b.Fatal(err)
	}
	return link.ID
}

// wantRevoked checks which links are revoked, by their ids.
func wantRevoked(b *testBridge, want map[string]bool) {
	b.Helper()
	for _, link := range b.Links() {
		if revoked, found := want[link.ID]; found && link.Revoked() != revoked {
			b.Errorf("link of %+v: revoked %v, want %v", link.Account, link.Revoked(), revoked)
		}
	}
}

// TestLogoutMatchesThisProviderOnly has links with Ada's names that the provider does not vouch for.
func TestLogoutMatchesThisProviderOnly(t *testing.T) {
	t.Parallel()
	b := startBridge(t, onLogout(bridge.LogoutRevokes), withTestTokens)
	token := b.Link()
	account := bridge.Account{Subject: testbridge.Ada().Subject, Session: "phone"}
	otherIssuer := b.LinkOf(account, func(l *bridge.Link) { l.Issuer = "https://login.fabrikam.com" })
	otherProvider := b.LinkOf(account, func(l *bridge.Link) { l.Provider.ID = "other" })
	made, testToken := bridge.NewTestLink(b.Skill, account.Subject, nil, "command:ada@host", b.Clock.Now(), time.Hour)
	if err := b.Store.Mint(b.Context(), made); err != nil {
		t.Fatal(err)
	}
	for _, changes := range []map[string]any{nil, {"sid": "phone"}, {"sub": nil, "sid": "phone"}} {
		wantLogout(b, "Ada", b.LogoutToken(changes), http.StatusOK)
	}
	b.WantInactive(token)
	wantRevoked(b, map[string]bool{otherIssuer: false, otherProvider: false, made.Link.ID: false})
	if body := lookUp(b, testToken); !strings.Contains(body, `"active":true`) {
		t.Errorf("the test link: %s", body)
	}
}

// TestLogoutTokenOnce sends a token again, also while the store fails.
func TestLogoutTokenOnce(t *testing.T) {
	t.Parallel()
	b := startBridge(t, onLogout(bridge.LogoutRevokes))
	store, token, form := hookStore(b), b.Link(), b.LogoutToken(nil)
	store.be(failing("Revoke"))
	response, body := b.Do(b.NewRequest(http.MethodPost, "/backchannel-logout/corp", form))
	wantErrorResponse(t, response, body, http.StatusServiceUnavailable, "temporarily_unavailable")
	if response.Header.Get("Retry-After") == "" {
		t.Error("503 without Retry-After")
	}
	b.WantActive(token)
	store.be(working)
	wantLogout(b, "after the outage", form, http.StatusOK)
	b.WantInactive(token)

	b.Clock.Advance(time.Second)
	again := b.Link()
	wantLogout(b, "once more", form, http.StatusBadRequest)
	b.Restart()
	wantLogout(b, "at another server", form, http.StatusBadRequest)
	b.WantActive(again)
	b.WantMetric(`bridge_backchannel_logouts_total{outcome="replayed",provider="corp"} 1`)
}
