package upstream_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"alexa-oidc-bridge/bridge/upstream"
)

// What a provider says in place of a code is logged without the login's secrets in it.
func TestResponseErrorTellsNoSecret(t *testing.T) {
	for _, kind := range []string{"access_denied", "server_error", "disallowed_useragent"} {
		said := "bad " + login().State + " " + login().Nonce + " " + login().Verifier + " " + clientSecret + " " + code
		_, err := newForge(t).provider().Identify(t.Context(), login(), upstream.Response{Code: code, Error: kind, ErrorDescription: said}, nil)
		wantNoSecret(t, err)
		_, err = newForge(t).provider().Identify(t.Context(), login(), upstream.Response{Error: login().State}, nil)
		wantNoSecret(t, err)
	}
}

// A client secret is found also where %q would write it otherwise.
func TestSecretThatQuotingChanges(t *testing.T) {
	const odd = `pa"ss\word-é`
	answer := encode(map[string]any{"error": "invalid_client", "error_description": "wrong: " + odd})
	_, err := newForge(t, instead(tokenPath, reply(http.StatusUnauthorized, answer))).identify(t, nil,
		func(config *upstream.Config) { config.ClientSecret = odd })
	wantKind(t, err, "refused at token")
	if !strings.Contains(err.Error(), "[removed]") {
		t.Errorf("%s tells the client secret", err)
	}
}

// Userinfo's body may speak of the ID token, the code and the login too.
func TestUserinfoErrorTellsNoSecret(t *testing.T) {
	f := newForge(t)
	raw := f.signed()
	f.idToken = func(map[string]any) string { return raw }
	for _, said := range []string{code, login().State, login().Nonce, login().Verifier, raw} {
		f.change(func() { f.instead[userinfoPath] = reply(500, []byte("about "+said)) })
		_, err := f.identify(t, []string{"email"})
		wantNoSecret(t, err)
		if strings.Contains(err.Error(), strings.Split(raw, ".")[1][:40]) {
			t.Errorf("tells the ID token: %v", err)
		}
	}
}

// An ID token may repeat the login in a claim that an error quotes.
func TestIDTokenErrorTellsNoSecret(t *testing.T) {
	for _, said := range []string{code, login().State, login().Verifier, accessToken} {
		for _, name := range []string{"iss", "aud"} {
			_, err := newForge(t, with(name, said)).identify(t, nil)
			if strings.Contains(err.Error(), said) {
				t.Errorf("%v", err)
			}
		}
	}
}

func TestKeysErrorTellsNoSecret(t *testing.T) {
	f := newForge(t, instead(keysPath, reply(500, []byte("about "+code+" "+login().State))))
	_, err := f.identify(t, nil)
	wantNoSecret(t, err)
}

// The client secret is found as it stands in a form and in a Basic header.
func TestSecretAsItWasSent(t *testing.T) {
	basic := base64.StdEncoding.EncodeToString([]byte("alexa-bridge:client%2Bsecret%2F0123456789%3Dabcdefghijklm"))
	for _, said := range []string{"client%2Bsecret%2F0123456789%3Dabcdefghijklm", basic} {
		answer := encode(map[string]any{"error": "invalid_client", "error_description": "you sent " + said})
		_, err := newForge(t, instead(tokenPath, reply(401, answer))).identify(t, nil)
		if strings.Contains(err.Error(), said) {
			t.Errorf("%v", err)
		}
	}
}

func TestNoneSendsNoSecret(t *testing.T) {
	f := newForge(t)
	f.identify(t, nil, func(config *upstream.Config) { config.AuthMethod = upstream.AuthMethodNone })
	if got := authenticated(f.requests(tokenPath)[0]); got != "none" {
		t.Errorf("authenticated by %s", got)
	}
}

func TestHasgroupsSaysNothingOfRoles(t *testing.T) {
	_, err := newForge(t, with("hasgroups", true), with("roles", []string{"a"})).identify(t, []string{"groups"}, groupsIn("roles"))
	wantKind(t, err, "")
}

func TestRefusalWithStatus200(t *testing.T) {
	_, err := newForge(t, instead(tokenPath, reply(200, []byte(`{"error":"invalid_grant"}`)))).identify(t, nil)
	wantKind(t, err, "refused at token")
}

func TestNullCountsAsMissing(t *testing.T) {
	f := newForge(t, with("email", nil), userinfo(map[string]any{"email": "a@b", "email_verified": true}))
	identity, err := f.identify(t, []string{"email"})
	wantKind(t, err, "")
	if got := claim(t, identity, "email"); got != `"a@b"` {
		t.Errorf("email %s", got)
	}
	f = newForge(t, with("email", nil), userinfo(map[string]any{"email": "a@b", "email_verified": true}))
	identity, err = f.identify(t, []string{"email", "x"})
	wantKind(t, err, "")
	if got := claim(t, identity, "email"); got != `"a@b"` {
		t.Errorf("merged email %s", got)
	}
}

func TestGroupsOfUserinfoWhenThePathLeadsNowhere(t *testing.T) {
	f := newForge(t, with("realm_access", map[string]any{}), userinfo(map[string]any{"realm_access": map[string]any{"roles": []string{"a"}}}))
	identity, err := f.identify(t, []string{"groups"}, groupsIn("realm_access", "roles"))
	wantKind(t, err, "")
	if got := claim(t, identity, "groups"); got != `["a"]` {
		t.Errorf("groups %s", got)
	}
}

func TestAuthParamsDoNotCarryTheProtocol(t *testing.T) {
	p := newForge(t).provider(func(c *upstream.Config) {
		c.AuthParams = map[string][]string{"state": {"fixed"}, "nonce": {"fixed"}, "code_challenge_method": {"plain"}}
	})
	u, _ := p.AuthorizationURL(t.Context(), login(), upstream.PromptDefault)
	if strings.Contains(u, "fixed") || strings.Contains(u, "plain") {
		t.Error("auth_params override state, nonce, PKCE")
	}
}

func TestSubIsReadInItsOwnCase(t *testing.T) {
	f := newForge(t)
	f.instead[userinfoPath] = reply(200, []byte(`{"sub":"somebody-else","SUB":"`+subject+`","email":"m@b"}`))
	_, err := f.identify(t, []string{"email"})
	wantKind(t, err, "refused at userinfo")
}

func TestEndpointsAreHTTP(t *testing.T) {
	err := newForge(t, metadata("authorization_endpoint", "javascript://x/%0aalert(1)")).provider().Discover(t.Context())
	wantKind(t, err, "unavailable at discovery")
}

func TestUnknownAuthMethod(t *testing.T) {
	f := newForge(t)
	err := f.provider(func(c *upstream.Config) { c.AuthMethod = "private_key_jwt" }).Discover(t.Context())
	wantKind(t, err, "unavailable at discovery")
}

func TestLogTextTakesTheLongestSecretFirst(t *testing.T) {
	if got := upstream.LogText("abcdef", "abc", "abcdef"); strings.Contains(got, "def") {
		t.Error(got)
	}
}
