package upstream_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"alexa-oidc-bridge/bridge/upstream"
)

// Refresh tokens of a fake provider, in a form that a form has to escape.
const (
	oldToken = "refresh+token/of=the-sign-in"
	newToken = "refresh+token/of=the-answer"
)

// ada is whose refresh token is sent.
func ada() upstream.Person {
	return upstream.Person{RefreshToken: oldToken, Sub: subject, Subject: subject}
}

func (f *fakeProvider) renew(t *testing.T) (*upstream.Renewal, error) {
	return f.provider().Renew(t.Context(), ada())
}

// answers sets a value of the token response.
func answers(name string, value any) func(*fakeProvider) {
	return func(f *fakeProvider) { f.tokenResponse[name] = value }
}

// noIDToken leaves the ID token out of the token response.
func noIDToken(f *fakeProvider) { f.tokenResponse["id_token"] = nil }

// refuses lets the token endpoint answer with an error.
func refuses(status int, code, description string) func(*fakeProvider) {
	return override(tokenPath, reply(status, encode(map[string]any{"error": code, "error_description": description})))
}

// renewError names the kind and the stage of an error, and whether the answer is in doubt.
func renewError(err error) string {
	if e, ok := errors.AsType[*upstream.Error](err); ok && e.Unanswered {
		return kind(err) + ", unanswered"
	}
	return kind(err)
}

func TestRenewErrors(t *testing.T) {
	const gone, bad, down = "gone at token", "misconfigured at token", "out of reach at token"
	const html = "<!doctype html><title>Maintenance</title>"
	tests := []struct {
		name  string
		setup func(*fakeProvider)
		want  string
	}{
		{"invalid_grant", refuses(http.StatusBadRequest, "invalid_grant", "Session not active"), gone},
		{"invalid_grant by 401", refuses(http.StatusUnauthorized, "invalid_grant", ""), gone},
		{"invalid_grant by 403", refuses(http.StatusForbidden, "invalid_grant", ""), gone},
		{"invalid_grant by 200", refuses(http.StatusOK, "invalid_grant", "AADSTS50057: The user account is disabled."), gone},
		{"Dex does not know it",
			refuses(http.StatusBadRequest, "invalid_request",
				"Refresh token is invalid or has already been claimed by another client."), gone},
		{"Dex does not know it, and says more", refuses(http.StatusBadRequest, "invalid_request",
			"clientID alexa-bridge refresh token (ID abcdef) is invalid or has already been claimed by another client."), gone},
		{"it has expired at Dex", refuses(http.StatusBadRequest, "invalid_request", "Refresh token expired."), gone},
		{"it was not sent", refuses(http.StatusBadRequest, "invalid_request", "No refresh token is found in request."), bad},
		{"the request is malformed",
			refuses(http.StatusBadRequest, "invalid_request", "the refresh token grant has an invalid scope"), bad},
		{"invalid_request", refuses(http.StatusBadRequest, "invalid_request", ""), bad},
		{"another error of an expired token",
			refuses(http.StatusBadRequest, "invalid_client", "Refresh token expired."), bad},
		{"our secret is wrong", refuses(http.StatusUnauthorized, "invalid_client", ""), bad},
		{"our secret is wrong, by 400", refuses(http.StatusBadRequest, "invalid_client", ""), bad},
		{"we may not refresh", refuses(http.StatusBadRequest, "unauthorized_client", ""), bad},
		{"no such grant", refuses(http.StatusBadRequest, "unsupported_grant_type", ""), bad},
		{"invalid_scope", refuses(http.StatusBadRequest, "invalid_scope", ""), bad},
		{"consent_required", refuses(http.StatusBadRequest, "consent_required", ""), bad},
		{"an unknown error", refuses(http.StatusBadRequest, "teapot", ""), bad},
		{"interaction_required", refuses(http.StatusBadRequest, "interaction_required", "AADSTS50076"), "refused at token"},
		{"a second factor, at Entra ID", override(tokenPath, reply(http.StatusBadRequest, encode(map[string]any{
			"error": "invalid_grant", "suberror": "basic_action", "error_codes": []int{50076},
			"error_description": "AADSTS50076: Due to a configuration change made by your administrator, or because you moved " +
				"to a new location, you must use multi-factor authentication"}))), "refused at token"},
		{"a policy blocks it, at Entra ID", override(tokenPath, reply(http.StatusBadRequest, encode(map[string]any{
			"error": "invalid_grant", "suberror": "message_only",
			"error_description": "AADSTS53003: Access has been blocked"}))), "refused at token"},
		{"another suberror", override(tokenPath, reply(http.StatusBadRequest, encode(map[string]any{
			"error": "invalid_grant", "suberror": "bad_token",
			"error_description": "AADSTS50173: the grant has been revoked"}))), gone},
		{"login_required", refuses(http.StatusBadRequest, "login_required", ""), "refused at token"},
		{"too many requests", override(tokenPath, reply(http.StatusTooManyRequests, nil)), "rate limited at token"},
		{"too many requests, with invalid_grant", refuses(http.StatusTooManyRequests, "invalid_grant", ""),
			"rate limited at token"},
		{"slow_down", refuses(http.StatusBadRequest, "slow_down", ""), "rate limited at token"},
		{"500 with invalid_grant", refuses(http.StatusInternalServerError, "invalid_grant", ""), down + ", unanswered"},
		{"502 of a proxy", override(tokenPath, reply(http.StatusBadGateway, []byte(html))), down + ", unanswered"},
		{"503", override(tokenPath, reply(http.StatusServiceUnavailable, nil)), down + ", unanswered"},
		{"408", refuses(http.StatusRequestTimeout, "invalid_grant", ""), down + ", unanswered"},
		{"server_error by 400", refuses(http.StatusBadRequest, "server_error", ""), down + ", unanswered"},
		{"temporarily_unavailable by 200", refuses(http.StatusOK, "temporarily_unavailable", ""), down + ", unanswered"},
		{"HTML by 200", override(tokenPath, reply(http.StatusOK, []byte(html))), bad + ", unanswered"},
		{"nothing by 200", override(tokenPath, reply(http.StatusOK, nil)), bad + ", unanswered"},
		{"a list by 200", override(tokenPath, reply(http.StatusOK, []byte("[]"))), bad + ", unanswered"},
		{"no token", override(tokenPath, reply(http.StatusOK, []byte(`{"status":"ok"}`))), bad + ", unanswered"},
		{"null", override(tokenPath, reply(http.StatusOK, []byte("null"))), bad + ", unanswered"},
		{"tokens that are no strings",
			override(tokenPath, reply(http.StatusOK, []byte(`{"access_token":1,"refresh_token":[]}`))),
			bad + ", unanswered"},
		{"HTML by 404", override(tokenPath, reply(http.StatusNotFound, []byte(html))), bad},
		{"a redirect", override(tokenPath, redirect("https://login.example.com/?refresh_token="+oldToken)), bad},
		{"a cut connection", override(tokenPath, cut), down + ", unanswered"},
		{"a body that is cut", override(tokenPath, cutBody), down + ", unanswered"},
		{"a response without end", override(tokenPath, reply(http.StatusOK, make([]byte, 2<<20))), bad + ", unanswered"},
		{"no HTTP", override(tokenPath, noHTTP(oldToken)), down + ", unanswered"},
		{"a refused connection", unreachable("token_endpoint"), down},
		{"discovery fails", override(discoveryPath, cut), "out of reach at discovery"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t, tt.setup)
			_, err := f.renew(t)
			if got := renewError(err); got != tt.want {
				t.Errorf("got %q (%v), want %q", got, err, tt.want)
			}
			if got := len(f.requests(tokenPath)); got > 1 {
				t.Errorf("the refresh token was sent %d times", got)
			}
		})
	}
}

// cutBody begins a token response, and ends in the midst of it.
func cutBody(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "1000")
	w.Write([]byte(`{"refresh_token":"`))
	http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// Nothing was sent to a server that we do not trust, or that speaks no TLS.
func TestRenewWithoutTLS(t *testing.T) {
	plain := newFake(t)
	trusted := newFake(t)
	for name, endpoint := range map[string]string{
		"an unknown certificate": newTLSFake(t).issuer + tokenPath,
		"plain HTTP":             strings.Replace(plain.issuer, "http:", "https:", 1) + tokenPath,
	} {
		trusted.update(func() { trusted.metadata["token_endpoint"] = endpoint })
		_, err := trusted.renew(t)
		if got := renewError(err); got != "misconfigured at token" {
			t.Errorf("%s: %s (%v)", name, got, err)
		}
	}
}

// A proxy that refuses to connect, or a time that ends before there is a connection, leaves nothing in doubt; a time
// that ends later does.
func TestRenewTimesOut(t *testing.T) {
	silent := must(net.Listen("tcp", "127.0.0.1:0"))
	defer silent.Close()
	arrived := make(chan bool, 1)
	wait := func(_ http.ResponseWriter, r *http.Request) {
		arrived <- true
		<-r.Context().Done()
	}
	for name, tt := range map[string]struct {
		setup func(*fakeProvider)
		until func() // the context is to end
		want  string
	}{
		"while TLS begins": {metadata("token_endpoint", "https://"+silent.Addr().String()), func() { must(silent.Accept()) },
			"out of reach at token"},
		"while the provider works": {override(tokenPath, wait), func() { <-arrived }, "out of reach at token, unanswered"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newFake(t, tt.setup).provider()
			if err := p.Discover(t.Context()); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				defer cancel()
				tt.until()
			}()
			_, err := p.Renew(ctx, ada())
			if got := renewError(err); got != tt.want {
				t.Errorf("%s (%v), want %s", got, err, tt.want)
			}
		})
	}
}

func TestRenewRequest(t *testing.T) {
	for want, setup := range map[string]func(*fakeProvider){
		"basic": unchanged,
		"post":  metadata("token_endpoint_auth_methods_supported", []string{"client_secret_post"}),
		"none":  public,
	} {
		t.Run(want, func(t *testing.T) {
			f := newFake(t, setup)
			_, err := f.renew(t)
			wantKind(t, err, "")
			sent := f.requests(tokenPath)[0]
			if got := authenticated(sent); got != want {
				t.Errorf("authenticated by %s, want %s", got, want)
			}
			sent.form.Del("client_id")
			sent.form.Del("client_secret")
			form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {oldToken}}
			if sent.form.Encode() != form.Encode() {
				t.Errorf("form %v, want %v", sent.form, form)
			}
		})
	}
}

func TestRenewRotation(t *testing.T) {
	for name, tt := range map[string]struct {
		setup func(*fakeProvider)
		want  string
	}{
		"another token":  {answers("refresh_token", newToken), newToken},
		"the same token": {answers("refresh_token", oldToken), ""},
		"no token":       {unchanged, ""},
		"an empty token": {answers("refresh_token", ""), ""},
		"null":           {answers("refresh_token", nil), ""},
		"nothing but a token": {combine(noIDToken, answers("access_token", nil), answers("refresh_token", newToken)),
			newToken},
		"an error that is empty":   {combine(answers("error", ""), answers("refresh_token", newToken)), newToken},
		"an ID token that is none": {combine(answers("id_token", "a.b.c"), answers("refresh_token", newToken)), newToken},
	} {
		t.Run(name, func(t *testing.T) {
			renewal, err := newFake(t, tt.setup).renew(t)
			wantKind(t, err, "")
			if renewal.RefreshToken != tt.want {
				t.Errorf("the refresh token %q is to be stored, want %q", renewal.RefreshToken, tt.want)
			}
		})
	}
}

// Every endpoint repeats what it was sent, and what the provider issued.
func TestRenewErrorsContainNoSecret(t *testing.T) {
	secrets := []string{oldToken, url.QueryEscape(oldToken), clientSecret, clientSecretForm, clientSecretBasic}
	sent := strings.Join(secrets, " ")
	secrets = append(secrets, newToken, accessToken)
	all := strings.Join(secrets, " ")
	issued := answers("refresh_token", newToken)
	tests := map[string]func(*fakeProvider){
		"refused":            refuses(http.StatusBadRequest, "invalid_grant", "you sent "+sent),
		"refused by that":    refuses(http.StatusBadRequest, oldToken, sent),
		"our secret":         refuses(http.StatusUnauthorized, "invalid_client", sent),
		"a failure":          override(tokenPath, reply(http.StatusInternalServerError, []byte(sent))),
		"no JSON":            override(tokenPath, reply(http.StatusOK, []byte(sent))),
		"no HTTP":            override(tokenPath, noHTTP(sent)),
		"a redirect":         override(tokenPath, redirect("https://login.example.com/"+oldToken)),
		"a redirect nowhere": override(tokenPath, redirect(":"+oldToken)),
		"nobody listens":     unreachable("token_endpoint"),
		"an ID token":        combine(issued, answers("id_token", oldToken+"."+newToken+"."+accessToken)),
		"an issuer":          combine(issued, with("iss", all)),
		"an audience":        combine(issued, with("aud", all)),
		"keys":               combine(issued, override(keysPath, reply(http.StatusInternalServerError, []byte(all)))),
		"a subject":          combine(issued, with("sub", all)),
		"a userinfo response": combine(issued, noIDToken,
			override(userinfoPath, reply(http.StatusUnauthorized, []byte(all)))),
	}
	for name, setup := range tests {
		t.Run(name, func(t *testing.T) {
			renewal, err := newFake(t, setup).renew(t)
			texts := []string{hint(err)}
			if err == nil {
				var identity *upstream.Identity
				identity, _, err = renewal.Identity(t.Context(), upstream.Wish{Needed: []string{"groups"}})
				texts = append(texts, hint(err))
				if identity != nil {
					texts = append(texts, identity.Unread...)
				}
			}
			if err != nil {
				texts = append(texts, err.Error())
			}
			for _, text := range texts {
				for _, secret := range append(secrets, "path-of-the-endpoint") {
					if strings.Contains(text, secret) {
						t.Errorf("%q contains %q", text, secret)
					}
				}
			}
		})
	}
}
