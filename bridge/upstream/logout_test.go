package upstream_test

import (
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	badLogout     = "misconfigured at logout_token"
	oldLogout     = "outdated at logout_token"
	badRevocation = "misconfigured at revocation_token"
	oldRevocation = "outdated at revocation_token"

	endpointURL = "https://bridge.example.com/global-token-revocation/corp"
	logoutEvent = "http://schemas.openid.net/event/backchannel-logout"
)

// sentJWT is a JWT that a provider sends by itself. A nil typ: it has none.
type sentJWT struct {
	typ    any
	claims map[string]any
}

// logoutToken is a logout token as it should be.
func logoutToken(f *fakeProvider) *sentJWT {
	return &sentJWT{"logout+jwt", map[string]any{
		"iss": f.issuer, "aud": clientID, "sub": subject, "sid": "session-1", "jti": "logout-1",
		"iat": now().Unix(), "exp": now().Add(2 * time.Minute).Unix(),
		"events": map[string]any{logoutEvent: map[string]any{}},
	}}
}

// revocationToken is the JWT of a Global Token Revocation as Okta sends it.
func revocationToken(f *fakeProvider) *sentJWT {
	return &sentJWT{"global-token-revocation+jwt", map[string]any{
		"iss": f.issuer, "aud": endpointURL, "sub": clientID, "jti": "revocation-1",
		"iat": now().Unix(), "nbf": now().Add(-5 * time.Minute).Unix(), "exp": now().Add(5 * time.Minute).Unix(),
	}}
}

// idToken is an ID token.
func idToken(f *fakeProvider) *sentJWT { return &sentJWT{nil, f.claims} }

// accessTokenJWT is an access token for us (RFC 9068).
func accessTokenJWT(f *fakeProvider) *sentJWT {
	return &sentJWT{"at+jwt",
		map[string]any{"iss": f.issuer, "aud": clientID, "sub": subject, "client_id": clientID, "jti": "access-1",
			"iat": now().Unix(), "exp": now().Add(5 * time.Minute).Unix()}}
}

// userinfoJWT is a signed userinfo response (OIDC Core §5.3.2).
func userinfoJWT(f *fakeProvider) *sentJWT {
	return &sentJWT{"JWT",
		map[string]any{"iss": f.issuer, "aud": clientID, "sub": subject, "iat": now().Unix(), "jti": "userinfo-1"}}
}

// signed signs the JWT by a key.
func (j *sentJWT) signed(k signingKey) string { return k.signTyped(j.typ, encode(j.claims)) }

// signTyped signs a payload with a typ; nil: none.
func (k signingKey) signTyped(typ any, payload []byte) string {
	options := &jose.SignerOptions{}
	if typ != nil {
		options.WithHeader(jose.HeaderType, typ)
	}
	key := jose.SigningKey{Algorithm: k.algorithm, Key: jose.JSONWebKey{Key: k.private, KeyID: k.id}}
	return must(must(must(jose.NewSigner(key, options)).Sign(payload)).CompactSerialize())
}

// typed sets the typ of a JWT.
func typed(typ any) func(*sentJWT) { return func(j *sentJWT) { j.typ = typ } }

// claiming sets a claim.
func claiming(name string, value any) func(*sentJWT) {
	return func(j *sentJWT) { j.claims[name] = value }
}

// lacking leaves claims out.
func lacking(names ...string) func(*sentJWT) {
	return func(j *sentJWT) {
		for _, name := range names {
			delete(j.claims, name)
		}
	}
}

// at sets a claim to a time.
func at(name string, from time.Duration) func(*sentJWT) {
	return claiming(name, now().Add(from).Unix())
}

// all makes several changes.
func all(changes ...func(*sentJWT)) func(*sentJWT) {
	return func(j *sentJWT) {
		for _, change := range changes {
			change(j)
		}
	}
}

func TestVerifyLogout(t *testing.T) {
	event := func(value any) func(*sentJWT) {
		return claiming("events", map[string]any{logoutEvent: value})
	}
	f := newFake(t)
	p := f.provider()
	for _, tt := range []struct {
		name   string
		change func(*sentJWT)
		want   string
	}{
		{"as it should be", all(), ""},
		{"of the person", lacking("sid"), ""},
		{"of the session", lacking("sub"), ""},
		{"of nobody", lacking("sub", "sid"), badLogout},
		{"empty sub, and a session", claiming("sub", ""), badLogout},
		{"empty sub", all(lacking("sid"), claiming("sub", "")), badLogout},
		{"sub is no text", claiming("sub", 7), badLogout},
		{"sid is no text", claiming("sid", []string{"session-1"}), badLogout},

		{"typ JWT", typed("JWT"), ""},
		{"no typ", typed(nil), ""},
		{"typ in full", typed("application/logout+JWT"), ""},
		{"typ of a revocation", typed("global-token-revocation+jwt"), badLogout},
		{"typ of an access token", typed("at+jwt"), badLogout},
		{"typ of a security event", typed("secevent+jwt"), badLogout},
		{"typ is no text", typed([]string{"logout+jwt"}), badLogout},
		{"empty typ", typed(""), badLogout},

		{"another iss", claiming("iss", "https://login.fabrikam.com"), badLogout},
		{"iss with a slash more", claiming("iss", f.issuer+"/"), badLogout},
		{"no iss", lacking("iss"), badLogout},
		{"another aud", claiming("aud", "another"), badLogout},
		{"aud is a list", claiming("aud", []string{clientID}), ""},
		{"several aud", claiming("aud", []string{clientID, "another"}), badLogout},
		{"several aud, azp ours", all(claiming("aud", []string{clientID, "another"}), claiming("azp", clientID)), ""},
		{"azp of another", claiming("azp", "another"), badLogout},
		{"no aud", lacking("aud"), badLogout},

		{"iat ten minutes ago", at("iat", -10*time.Minute), ""},
		{"iat within the skew", at("iat", -11*time.Minute), ""},
		{"iat too old", at("iat", -11*time.Minute-time.Second), oldLogout},
		{"iat a minute ahead", at("iat", time.Minute), ""},
		{"iat further ahead", at("iat", time.Minute+time.Second), oldLogout},
		{"iat in fractions", claiming("iat", float64(now().Unix())-0.5), ""},
		{"iat is a text", claiming("iat", "2037"), badLogout},
		{"iat 0", claiming("iat", 0), badLogout},
		{"iat for ever", claiming("iat", 1e300), badLogout},
		{"no iat", lacking("iat"), badLogout},
		{"no exp", lacking("exp"), ""},
		{"exp null", claiming("exp", nil), badLogout},
		{"expired within the skew", at("exp", -time.Minute), ""},
		{"expired", at("exp", -time.Minute-time.Second), oldLogout},
		{"exp in a year", at("exp", 365*24*time.Hour), ""},
		{"nbf ahead", at("nbf", time.Minute+time.Second), oldLogout},

		{"a nonce", claiming("nonce", "nonce-of-this-login"), badLogout},
		{"nonce null", claiming("nonce", nil), badLogout},
		{"no events", lacking("events"), badLogout},
		{"events is a list", claiming("events", []string{logoutEvent}), badLogout},
		{"another event", claiming("events", map[string]any{
			"https://schemas.openid.net/secevent/risc/event-type/account-disabled": map[string]any{}}), badLogout},
		{"the event is true", event(true), badLogout},
		{"the event is null", event(nil), badLogout},
		{"the event has members", event(map[string]any{"reason": "left"}), ""},
		{"as Keycloak that revokes offline sessions", claiming("events", map[string]any{
			logoutEvent: map[string]any{}, "revoke_offline_access": true}), ""},
		{"no jti", lacking("jti"), badLogout},
		{"empty jti", claiming("jti", ""), badLogout},
	} {
		token := logoutToken(f)
		tt.change(token)
		got, err := p.VerifyLogout(t.Context(), token.signed(f.key))
		if kind(err) != tt.want {
			t.Errorf("%s: %q (%v), want %q", tt.name, kind(err), err, tt.want)
		}
		if err == nil && (got.ID != "logout-1" || got.Sub != textOf(token, "sub") || got.SID != textOf(token, "sid") ||
			got.ExpiresAt.Before(timeOf(token, "iat").Add(11*time.Minute))) {
			t.Errorf("%s: %+v", tt.name, got)
		}
	}
}

// The operator must see from the error whose clock is wrong.
func TestLogoutTokenTimeInWords(t *testing.T) {
	f := newFake(t)
	p := f.provider()
	for _, tt := range []struct {
		iat  time.Duration
		want string
	}{
		{-2 * time.Hour, "provider outdated at logout_token: iat is 2h0m0s ago"},
		{2 * time.Hour, "provider outdated at logout_token: iat is 2h0m0s ahead"},
	} {
		token := logoutToken(f)
		token.claims["iat"] = now().Add(tt.iat).Unix()
		if _, err := p.VerifyLogout(t.Context(), token.signed(f.key)); err == nil || err.Error() != tt.want {
			t.Errorf("iat %v: %v, want %q", tt.iat, err, tt.want)
		}
	}
}

func textOf(j *sentJWT, name string) string {
	text, _ := j.claims[name].(string)
	return text
}

func timeOf(j *sentJWT, name string) time.Time {
	seconds, _ := j.claims[name].(int64)
	return time.Unix(seconds, 0)
}

func TestVerifyRevocation(t *testing.T) {
	f := newFake(t)
	p := f.provider()
	for _, tt := range []struct {
		name   string
		change func(*sentJWT)
		want   string
	}{
		{"as it should be", all(), ""},
		{"aud is a list", claiming("aud", []string{endpointURL}), ""},
		{"no sub", lacking("sub"), ""},
		{"neither nbf nor iat", lacking("nbf", "iat"), ""},

		{"typ in another case", typed("Global-Token-Revocation+JWT"), badRevocation},
		{"typ in full", typed("application/global-token-revocation+jwt"), badRevocation},
		{"typ JWT", typed("JWT"), badRevocation},
		{"typ of a logout token", typed("logout+jwt"), badRevocation},
		{"no typ", typed(nil), badRevocation},

		{"another iss", claiming("iss", f.issuer+"/oauth2/default"), badRevocation},
		{"no iss", lacking("iss"), badRevocation},
		{"aud is our client id", claiming("aud", clientID), badRevocation},
		{"aud is the endpoint of another provider", claiming("aud", endpointURL+"2"), badRevocation},
		{"aud with a slash more", claiming("aud", endpointURL+"/"), badRevocation},
		{"several aud", claiming("aud", []string{endpointURL, "another"}), badRevocation},
		{"no aud", lacking("aud"), badRevocation},
		{"sub is another client", claiming("sub", "another"), badRevocation},
		{"sub is no text", claiming("sub", nil), badRevocation},

		{"no exp", lacking("exp"), badRevocation},
		{"exp eleven minutes ahead", at("exp", 11*time.Minute), ""},
		{"exp further ahead", at("exp", 11*time.Minute+time.Second), oldRevocation},
		{"expired within the skew", at("exp", -time.Minute), ""},
		{"expired", at("exp", -time.Minute-time.Second), oldRevocation},
		{"nbf eleven minutes ago", at("nbf", -11*time.Minute), ""},
		{"nbf too old", at("nbf", -11*time.Minute-time.Second), oldRevocation},
		{"nbf within the skew", at("nbf", time.Minute), ""},
		{"nbf ahead", at("nbf", time.Minute+time.Second), oldRevocation},
		{"iat too old", at("iat", -11*time.Minute-time.Second), oldRevocation},
		{"iat ahead", at("iat", time.Minute+time.Second), oldRevocation},
		{"iat is a text", claiming("iat", "now"), badRevocation},
		{"no jti", lacking("jti"), badRevocation},
		{"jti is no text", claiming("jti", 7), badRevocation},
	} {
		token := revocationToken(f)
		tt.change(token)
		got, err := p.VerifyRevocation(t.Context(), token.signed(f.key), endpointURL)
		if kind(err) != tt.want {
			t.Errorf("%s: %q (%v), want %q", tt.name, kind(err), err, tt.want)
		}
		if err == nil && (got.ID != "revocation-1" || got.ExpiresAt.Before(timeOf(token, "exp").Add(time.Minute))) {
			t.Errorf("%s: %+v", tt.name, got)
		}
	}
}

// TestJWTsAreNotConfused presents every kind of JWT that a provider signs for us in place of the others.
func TestJWTsAreNotConfused(t *testing.T) {
	f := newFake(t)
	p := f.provider()
	for name, make := range map[string]func(*fakeProvider) *sentJWT{
		"ID token": idToken, "access token": accessTokenJWT, "userinfo": userinfoJWT, "logout token": logoutToken,
		"revocation": revocationToken,
	} {
		_, errLogout := p.VerifyLogout(t.Context(), make(f).signed(f.key))
		_, errRevocation := p.VerifyRevocation(t.Context(), make(f).signed(f.key), endpointURL)
		if (errLogout == nil) != (name == "logout token") || (errRevocation == nil) != (name == "revocation") {
			t.Errorf("%s: as a logout token %v, as a revocation %v", name, errLogout, errRevocation)
		}
		sent := func(f *fakeProvider) { f.idToken = func(map[string]any) string { return make(f).signed(f.key) } }
		if _, err := newFake(t, sent).identify(t); (err == nil) != (name == "ID token") {
			t.Errorf("%s: as an ID token %v", name, err)
		}
	}
}
