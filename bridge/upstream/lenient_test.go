package upstream_test

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"alexa-oidc-bridge/bridge/upstream"
)

// TestUserinfoIsAWish lets the userinfo endpoint fail in every way that providers have.
func TestUserinfoIsAWish(t *testing.T) {
	complete := combine(with("email", "ada@contoso.com"), with("groups", []string{"a"}))
	needed := upstream.Wish{Needed: []string{"groups"}, Wanted: []string{"email"}}
	wanted := upstream.Wish{Wanted: []string{"email", "groups"}}
	answer := func(status int, body string) func(*fakeProvider) {
		return override(userinfoPath, reply(status, []byte(body)))
	}
	fails := map[string]func(*fakeProvider){
		"401": answer(http.StatusUnauthorized, `{"error":"invalid_token"}`), "404": answer(http.StatusNotFound, ""),
		"empty": answer(http.StatusOK, ""), "HTML": answer(http.StatusOK, "<html>"), "null": answer(http.StatusOK, "null"),
		"500": answer(http.StatusInternalServerError, ""), "429": answer(http.StatusTooManyRequests, ""),
		"cut":         override(userinfoPath, cut),
		"another sub": answer(http.StatusOK, `{"sub":"mallory","email":"m@contoso.com","groups":["a"]}`),
	}
	outages := []string{"500", "cut"}
	for name, fail := range fails {
		t.Run(name, func(t *testing.T) {
			identity, err := newFake(t, complete, fail).identifyWish(t, needed)
			wantKind(t, err, "") // nothing is missing, so userinfo is not asked for
			if len(identity.Unread) > 0 {
				t.Errorf("unread %q", identity.Unread)
			}
			wantNeeded, wantWanted := "misconfigured at userinfo", ""
			if slices.Contains(outages, name) {
				wantNeeded, wantWanted = "out of reach at userinfo", "out of reach at userinfo"
			}
			if name == "429" {
				wantNeeded, wantWanted = "rate limited at userinfo", "rate limited at userinfo"
			}
			_, err = newFake(t, fail).identifyWish(t, needed)
			wantKind(t, err, wantNeeded)
			identity, err = newFake(t, fail).identifyWish(t, wanted)
			wantKind(t, err, wantWanted)
			if err == nil && (len(identity.Unread) != 1 || !strings.HasPrefix(identity.Unread[0], "userinfo: ")) {
				t.Errorf("unread %q, want a line about userinfo", identity.Unread)
			}
			identity, err = newFake(t, fail).identifyWish(t, upstream.Wish{})
			wantKind(t, err, "")
			if identity.Subject != subject {
				t.Errorf("subject %q", identity.Subject)
			}
		})
	}
}

// TestUnreadableClaims reads claims in the forms in which providers write them.
func TestUnreadableClaims(t *testing.T) {
	inUserinfo := func(name string, value any) func(*fakeProvider) {
		return userinfo(map[string]any{name: value})
	}
	emailIn := func(path ...string) func(*fakeProvider) {
		return configured(func(config *upstream.Config) { config.EmailClaim = path })
	}
	nameIn := func(path ...string) func(*fakeProvider) {
		return configured(func(config *upstream.Config) { config.NameClaim = path })
	}
	const ada = "ada@contoso.com"
	tests := []struct {
		name  string
		setup func(*fakeProvider)
		claim string
		want  string // JSON
		notes int
	}{
		{"email_verified True", inUserinfo("email_verified", "True"), "email_verified", "", 0},
		{"email_verified True beside its address", userinfo(map[string]any{"email": ada, "email_verified": "True"}),
			"email_verified", `"True"`, 0}, // which is not taken for true
		{"email_verified 1", userinfo(map[string]any{"email": ada, "email_verified": 1}), "email_verified", "1", 0},
		{"email_verified null", userinfo(map[string]any{"email": ada, "email_verified": nil}), "email_verified", "", 0},
		{"email is a list", inUserinfo("email", []string{ada, "other@contoso.com"}), "email", `"ada@contoso.com"`, 0},
		{"email is an object", inUserinfo("email", map[string]any{"primary": ada}), "email", "", 1},
		{"email is too long", with("email", strings.Repeat("a", 310)+"@contoso.com"), "email", "", 1},
		{"email is a number", with("email", 7), "email", "", 1},
		{"email is a number in the ID token, but not in userinfo", combine(with("email", 7), inUserinfo("email", ada)),
			"email", `"ada@contoso.com"`, 0},
		{"a list is not verified", combine(with("email", []string{ada, "other@contoso.com"}), with("email_verified", true)),
			"email_verified", "", 0},
		{"a list of one is not verified", combine(with("email", []string{ada}), with("email_verified", true)),
			"email_verified", "", 0},
		{"a list in the ID token is not verified by userinfo", combine(with("email", []string{"mallory@contoso.com"}),
			userinfo(map[string]any{"email": ada, "email_verified": true})), "email_verified", "", 0},
		{"profile is an object", inUserinfo("profile", map[string]any{"x": 1}), "profile", `{"x":1}`, 0},
		{"name is an object", inUserinfo("name", map[string]any{"x": 1}), "name", "", 1},

		{"email_claim", combine(with("emails", []string{ada}), emailIn("emails")), "email", `"ada@contoso.com"`, 0},
		{"email_claim, a path", combine(with("contact", map[string]any{"mail": ada}), emailIn("contact", "mail")), "email",
			`"ada@contoso.com"`, 0},
		{"email_claim is never verified", combine(with("upn", ada), with("email_verified", true), emailIn("upn")),
			"email_verified", "", 0},
		{"email_claim instead of email", combine(with("email", "other@contoso.com"), emailIn("upn")), "email", "", 0},
		{"name_claim", combine(with("displayName", "Ada"), nameIn("displayName")), "name", `"Ada"`, 0},
		{"groups is a number", with("groups", 7), "groups", "", 1},
		{"roles of Zitadel", combine(with("urn:zitadel:iam:org:project:roles",
			map[string]any{"admin": map[string]any{"1": "contoso.com"}, "user": map[string]any{"2": "fabrikam.com"}}),
			groupsIn("urn:zitadel:iam:org:project:roles")), "groups", `["admin","user"]`, 0},
		{"claim sources that do not exist", with("_claim_names", map[string]any{"address": "src1"}),
			"sub", `"` + subject + `"`, 0},
		{"iat is text", with("iat", "yesterday"), "sub", `"` + subject + `"`, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			wish := upstream.Wish{Wanted: []string{"email", "name", "groups", "profile", "email_verified"}}
			identity, err := newFake(t, tt.setup).identifyWish(t, wish)
			wantKind(t, err, "")
			if got := claim(t, identity, tt.claim); got != tt.want {
				t.Errorf("%s is %s, want %s", tt.claim, got, tt.want)
			}
			if len(identity.Unread) != tt.notes {
				t.Errorf("unread %q, want %d", identity.Unread, tt.notes)
			}
		})
	}
}

// TestTokenResponses reads token responses in the forms in which providers write them.
func TestTokenResponses(t *testing.T) {
	field := func(name string, value any) func(*fakeProvider) {
		return func(f *fakeProvider) { f.tokenResponse[name] = value }
	}
	typed := func(contentType string) func(*fakeProvider) {
		return func(f *fakeProvider) {
			f.override[tokenPath] = func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", contentType)
				w.Write(encode(f.object(tokenPath)))
			}
		}
	}
	testSignIns(t, []signIn{
		{"text/plain", typed("text/plain"), ""},
		{"text/html", typed("text/html; charset=utf-8"), ""},
		{"a form's type", typed("application/x-www-form-urlencoded"), ""},
		{"no lifetime", field("expires_in", nil), ""},
		{"an empty lifetime", field("expires_in", ""), ""},
		{"a lifetime with a fraction", field("expires_in", 3599.5), ""},
		{"a lifetime as text", field("expires_in", "3600"), ""},
		{"a lifetime beyond int64", field("expires_in", 1e30), ""},
		{"no token type", field("token_type", nil), ""},
		{"error is null", field("error", nil), ""},
		{"error is empty", field("error", ""), ""},
		{"error is not text", field("error", 7), "misconfigured at token"},
		{"no access token", field("access_token", nil), ""},
		{"no access token, at_hash of one", combine(field("access_token", nil), with("at_hash", "of-another")), ""},
	})
	f := newFake(t, field("access_token", nil), userinfo(map[string]any{"email": "ada@contoso.com"}))
	if _, err := f.identify(t, "email"); err != nil || len(f.requests(userinfoPath)) != 0 {
		t.Errorf("%v; userinfo was asked %d times without an access token", err, len(f.requests(userinfoPath)))
	}
}

// TestUnreadableKeys publishes keys that cannot be read beside a good one (RFC 7517 §5).
func TestUnreadableKeys(t *testing.T) {
	keys := []map[string]any{
		{"kty": "oct", "kid": "without k"},
		{"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"},
		{"kty": "EC", "crv": "P-256", "x": "AQ", "y": "AQ"},
		{"kty": "RSA", "n": "AQAB", "e": "AQAB", "x5c": []string{"not a certificate"}},
		{"kty": "RSA", "n": "AQAB", "e": "AQAB", "x5t": "c2hvcnQ"},
		{"kty": "something new"},
		{"kty": 7},
	}
	publish := func(keys ...any) func(*fakeProvider) {
		return override(keysPath, reply(http.StatusOK, encode(map[string]any{"keys": keys})))
	}
	for _, key := range keys {
		name := string(encode(key))
		f := newFake(t)
		publish(key, f.key.public(), "no object", nil)(f)
		p := f.provider()
		if _, err := f.identifyAt(t, p); err != nil {
			t.Errorf("beside %s: %v", name, err)
		}
		found, err := p.Rediscover(t.Context())
		if err != nil || found.Keys != 1 || found.SkippedKeys != 3 {
			t.Errorf("beside %s: %d keys, %d skipped, %v", name, found.Keys, found.SkippedKeys, err)
		}
		_, err = newFake(t, publish(key)).identify(t)
		if kind(err) != "misconfigured at keys" || hint(err) == "" {
			t.Errorf("alone, %s: %v", name, err)
		}
	}
	f := newFake(t)
	encryption := f.key.public()
	encryption.Use = "enc"
	publish(encryption)(f)
	_, err := f.identify(t)
	wantKind(t, err, "misconfigured at keys")
}

// TestDiscoveryURL discovers a provider whose document is not below its issuer.
func TestDiscoveryURL(t *testing.T) {
	elsewhere := configured(func(config *upstream.Config) {
		config.DiscoveryURL = config.Issuer + "/policy/openid-configuration?appid=1"
		config.Issuer += "/tenant/v2.0/"
	})
	document := func(f *fakeProvider) {
		metadata := maps.Clone(f.metadata)
		metadata["issuer"] = f.issuer + "/tenant/v2.0/"
		f.override["/policy/openid-configuration"] = reply(http.StatusOK, encode(metadata))
	}
	issuedThere := func(f *fakeProvider) { f.claims["iss"] = f.issuer + "/tenant/v2.0/" }
	f := newFake(t, elsewhere, document, issuedThere)
	found, err := f.provider().Rediscover(t.Context())
	if err != nil || found.URL != f.issuer+"/policy/openid-configuration" {
		t.Errorf("%q, %v", found.URL, err)
	}
	testSignIns(t, []signIn{
		{"found", combine(elsewhere, document, issuedThere), ""},
		{"the ID token is of the document's host", combine(elsewhere, document), "misconfigured at id_token"},
		{"the document is of another issuer", combine(elsewhere, func(f *fakeProvider) {
			f.override["/policy/openid-configuration"] = reply(http.StatusOK, encode(f.metadata))
		}), "misconfigured at discovery"},
	})
}

// TestHints verifies that an error says what the operator can do.
func TestHints(t *testing.T) {
	oauthError := func(code, description string) func(*fakeProvider) {
		body := encode(map[string]any{"error": code, "error_description": description})
		return override(tokenPath, reply(http.StatusUnauthorized, body))
	}
	post := metadata("token_endpoint_auth_methods_supported", []string{"client_secret_post"})
	hs256 := func(f *fakeProvider) { f.key = signingKey{"", "HS256", []byte(clientSecret)} }
	tests := []struct {
		name        string
		setup       func(*fakeProvider)
		cause, hint string // parts
	}{
		{"a wrong secret", oauthError("invalid_client", ""), "invalid_client", "auth_method: client_secret_post"},
		{"a wrong secret in the body", combine(post, oauthError("invalid_client", "")), "",
			"auth_method: client_secret_basic"},
		{"an expired secret", oauthError("invalid_client", "AADSTS7000222: keys expired"), "AADSTS7000222", "has expired"},
		{"a scope", oauthError("invalid_scope", ""), "invalid_scope", "scopes"},
		{"a client without the grant", oauthError("unauthorized_client", ""), "", "authorization code grant"},
		{"a slash too many", metadata("issuer", "http://127.0.0.1/"), `announces the issuer "http://127.0.0.1/"`,
			"set issuer"},
		{"the discovery URL as issuer", configured(func(config *upstream.Config) { config.Issuer += discoveryPath }),
			discoveryPath + discoveryPath + ": status 404", "without /.well-known/openid-configuration"},
		{"not reached", override(discoveryPath, cut), discoveryPath, ""},
		{"HS256 announced", metadata("id_token_signing_alg_values_supported", []string{"HS256"}), "HS256 only", "RS256"},
		{"HS256 used", hs256, `"HS256"`, "RS256"},
		{"an algorithm that is not announced", metadata("id_token_signing_alg_values_supported", []string{"RS256"}),
			`"ES256"`, "announce"},
		{"an encrypted ID token",
			withIDToken(func(map[string]any) string { return "eyJhbGciOiJSU0EtT0FFUC0yNTYifQ.a.b.c.d" }),
			`"RSA-OAEP-256"`, "encryption"},
		{"a pattern announced", metadata("issuer", "http://127.0.0.1/{tenantid}/v2.0"), "{tenantid}", "of your tenant"},
		{"no nonce", without("nonce"), "nonce is missing", "nonce"},
		{"a proxy's page", override(tokenPath, reply(http.StatusForbidden, []byte("<html>"))), "status 403", tokenPath},
		{"a key of the application", func(f *fakeProvider) { f.key = newKey("app") }, "", "appid"},
		{"another audience", with("aud", "other"), "other", "client_id"},
		{"another audience than a client with nbf in its id", combine(with("aud", "other"),
			configured(func(config *upstream.Config) { config.ClientID = "nbfc-alexa" })), "other", "client_id"},
		{"another issuer", with("iss", "http://other.example.com"), "other.example.com", "set issuer"},
		{"no openid", func(f *fakeProvider) { f.tokenResponse["id_token"] = nil }, "no id_token", "openid"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := newFake(t, tt.setup).identify(t)
			if err == nil || !strings.Contains(err.Error(), tt.cause) {
				t.Errorf("%v, want %q in it", err, tt.cause)
			}
			if got := hint(err); !strings.Contains(got, tt.hint) {
				t.Errorf("hint %q, want %q in it", got, tt.hint)
			}
		})
	}
}
