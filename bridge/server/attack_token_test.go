//go:build strict

package server_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/internal/testbridge"
)

// tokenAttacks ask for tokens without the right.
func tokenAttacks() []attack {
	refresh := func(v *target) url.Values {
		return form("grant_type", "refresh_token", "refresh_token", v.live.RefreshToken)
	}
	as := func(id, secret string, more ...string) func(*target) string {
		return func(v *target) string {
			values := refresh(v)
			for i := 0; i < len(more); i += 2 {
				values.Add(more[i], more[i+1])
			}
			request := v.NewRequest("POST", "/token", values)
			if id != "" {
				request.SetBasicAuth(id, secret)
			}
			return v.refused(request)
		}
	}
	asPizza := func(values func(*target) url.Values) func(*target) string {
		return func(v *target) string { return v.refused(v.TokenRequest(values(v))) }
	}
	withCode := func(challenge string, pairs ...string) func(*target) string {
		return func(v *target) string {
			code := v.Code(challenge)
			defer v.keepLink()
			values := url.Values(form(append([]string{"grant_type", "authorization_code", "code", code}, pairs...)...))
			return v.refused(v.TokenRequest(values))
		}
	}
	return []attack{
		{"token", "no secret", as("", "")},
		{"token", "empty secret", as("pizza", "")},
		{"token", "guessed secret", as("pizza", "guess")},
		{"token", "the beginning of the secret", as("pizza", skillSecret[:len(skillSecret)-1])},
		{"token", "the secret and more", as("pizza", skillSecret+"x")},
		{"token", "the secret with NUL", as("pizza", skillSecret+"\x00")},
		{"token", "the secret's hash", as("pizza", string(bridge.HashOf(skillSecret)))},
		{"token", "the secret in another case", as("pizza", strings.ToUpper(skillSecret))},
		{"token", "another skill", as("lights", testbridge.LightsSecret)},
		{"token", "a backend", as(testbridge.BackendID, testbridge.BackendSecret)},
		{"token", "an unknown client", as("nobody", skillSecret)},
		{"token", "no client", as("", "", "client_secret", skillSecret)},
		{"token", "a client id alone", as("", "", "client_id", "pizza")},
		{"token", "two clients", as("pizza", skillSecret, "client_id", "lights")},
		{"token", "two secrets", as("pizza", skillSecret, "client_secret", "guess")},
		{"token", "a wrong header and a right body", as("pizza", "guess", "client_secret", skillSecret)},
		{"token", "two refresh tokens", as("pizza", skillSecret, "refresh_token", "x")},
		{"token", "two grant types", as("pizza", skillSecret, "grant_type", "password")},
		{"token", "more scope", as("pizza", skillSecret, "scope", "orders menu")},
		{"token", "everything in the URL", func(v *target) string {
			return v.refused(v.NewRequest("POST",
				"/token?"+refresh(v).Encode()+"&client_id=pizza&client_secret="+url.QueryEscape(skillSecret), url.Values{}))
		}},
		{"token", "password grant", asPizza(func(*target) url.Values {
			return form("grant_type", "password", "username", "ada", "password", "x")
		})},
		{"token", "client credentials",
			asPizza(func(*target) url.Values { return form("grant_type", "client_credentials") })},
		{"token", "token exchange", asPizza(func(v *target) url.Values {
			return form("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange", "subject_token", v.live.AccessToken)
		})},
		{"token", "an access token as refresh token", asPizza(func(v *target) url.Values {
			return form("grant_type", "refresh_token", "refresh_token", v.live.AccessToken)
		})},
		{"token", "an access token in the coat of a refresh token", asPizza(func(v *target) url.Values {
			return form("grant_type", "refresh_token", "refresh_token", strings.Replace(v.live.AccessToken, "_at_", "_rt_", 1))
		})},
		{"token", "a refresh token as code", asPizza(func(v *target) url.Values {
			return form("grant_type", "authorization_code", "code", v.live.RefreshToken)
		})},
		{"token", "the hash of the refresh token", asPizza(func(v *target) url.Values {
			return form("grant_type", "refresh_token", "refresh_token", string(bridge.HashOf(v.live.RefreshToken)))
		})},
		{"token", "an invented code", asPizza(func(*target) url.Values {
			return form("grant_type", "authorization_code", "code", bridge.NewRandomToken(bridge.CodeKind))
		})},
		{"token", "SQL as code", asPizza(func(*target) url.Values {
			return form("grant_type", "authorization_code", "code", "' OR '1'='1")
		})},
		{"token", "a code with another redirect URI", withCode("", "redirect_uri", "https://evil.example/")},
		{"token", "a code with an unasked verifier", withCode("", "code_verifier", pkceVerifier)},
		{"token", "a code without its verifier", withCode(challengeQuery())},
		{"token", "a code with a wrong verifier", withCode(challengeQuery(), "code_verifier", strings.Repeat("x", 43))},
		{"token", "a code with its challenge as verifier",
			withCode(challengeQuery(), "code_verifier", pkceChallenge(pkceVerifier))},
		{"token", "a code with an empty verifier", withCode(challengeQuery(), "code_verifier", "")},
		{"token", "a code of another skill", func(v *target) string {
			code := v.Code("")
			defer v.keepLink()
			request := v.TokenRequest(form("grant_type", "authorization_code", "code", code))
			request.SetBasicAuth("lights", testbridge.LightsSecret)
			return v.refused(request)
		}},
		{"token", "a code after its minute", func(v *target) string {
			code := v.Code("")
			defer v.keepLink()
			v.Clock.Advance(time.Minute)
			return v.refused(v.TokenRequest(form("grant_type", "authorization_code", "code", code)))
		}},
	}
}

// keepLink takes note of the link of a code that is not redeemed: it is live until the sweep.
func (v *target) keepLink() { v.links++ }

// lookupAttacks ask whom a token belongs to without the right, or end somebody's link.
func lookupAttacks() []attack {
	ask := func(path string, values func(*target) url.Values, changes ...func(*http.Request)) func(*target) string {
		return func(v *target) string {
			request := v.NewRequest("POST", path, values(v))
			request.SetBasicAuth(testbridge.BackendID, testbridge.BackendSecret)
			for _, change := range changes {
				change(request)
			}
			response, body := v.Do(request)
			if response.StatusCode >= 500 || response.StatusCode < 300 && body != inactive &&
				(path != "/revoke" || body != "") ||
				strings.Contains(body, "ada@contoso.com") {
				return fmt.Sprintf("status %d: %.200s", response.StatusCode, body)
			}
			return ""
		}
	}
	live := func(v *target) url.Values { return form("token", v.live.AccessToken) }
	token := func(change func(*target) string) func(*target) url.Values {
		return func(v *target) url.Values { return form("token", change(v)) }
	}
	list := []attack{
		{"lookup", "GET", func(v *target) string {
			return v.refused(v.NewRequest("GET", "/lookup?token="+v.live.AccessToken, nil))
		}},
		{"lookup", "the token twice", ask("/lookup", func(v *target) url.Values {
			return form("token", v.live.AccessToken, "token", v.live.AccessToken)
		})},
		{"lookup", "as JSON", ask("/lookup", live, header("Content-Type", "application/json"))},
		{"lookup", "as text", ask("/lookup", live, header("Content-Type", "text/plain"))},
		{"lookup", "9 KiB", ask("/lookup", token(func(*target) string { return strings.Repeat("a", 9<<10) }))},
		{"lookup", "the token in the URL",
			ask("/lookup", func(*target) url.Values { return form("x", "y") }, func(r *http.Request) {
				r.URL.RawQuery = "token=x"
			})},
		{"lookup", "a refresh token", ask("/lookup", token(func(v *target) string { return v.live.RefreshToken }))},
		{"lookup", "a refresh token in another coat", ask("/lookup", token(func(v *target) string {
			return strings.Replace(v.live.RefreshToken, "_rt_", "_at_", 1)
		}))},
		{"lookup", "the hash",
			ask("/lookup", token(func(v *target) string { return string(bridge.HashOf(v.live.AccessToken)) }))},
		{"lookup", "another case",
			ask("/lookup", token(func(v *target) string { return strings.ToUpper(v.live.AccessToken) }))},
		{"lookup", "with a space", ask("/lookup", token(func(v *target) string { return v.live.AccessToken + " " }))},
		{"lookup", "with NUL", ask("/lookup", token(func(v *target) string { return v.live.AccessToken + "\x00" }))},
		{"lookup", "SQL", ask("/lookup", token(func(*target) string { return "aob_at_' OR 1=1 --" }))},
		{"lookup", "an invented token",
			ask("/lookup", token(func(*target) string { return bridge.NewRandomToken(bridge.AccessTokenKind) }))},
		{"lookup", "another skill's token", ask("/lookup", token(func(v *target) string { return v.foreign }))},
		{"userinfo", "in the form",
			ask("/userinfo", func(v *target) url.Values { return form("access_token", v.live.AccessToken) }, withoutAuth)},
		{"userinfo", "in the URL", func(v *target) string {
			return v.refused(v.NewRequest("GET", "/userinfo?access_token="+v.live.AccessToken, nil))
		}},
		{"userinfo", "a refresh token",
			ask("/userinfo", func(*target) url.Values { return url.Values{} }, header("Authorization", "Bearer aob_rt_x"))},
		{"userinfo", "two tokens", func(v *target) string {
			request := v.NewRequest("GET", "/userinfo", nil)
			request.Header["Authorization"] = []string{"Bearer " + v.live.AccessToken, "Bearer x"}
			return v.refused(request)
		}},
		{"userinfo", "Basic", ask("/userinfo", func(*target) url.Values { return url.Values{} })},
		{"revoke", "another skill's backend",
			ask("/revoke", live, basicAuth(testbridge.LightsBackendID, testbridge.LightsSecret))},
		{"revoke", "another skill", ask("/revoke", live, basicAuth("lights", testbridge.LightsSecret))},
		{"revoke", "an unknown token",
			ask("/revoke", token(func(*target) string { return bridge.NewRandomToken(bridge.RefreshTokenKind) }))},
		{"revoke", "the hash",
			ask("/revoke", token(func(v *target) string { return string(bridge.HashOf(v.live.AccessToken)) }))},
		{"revoke", "GET", func(v *target) string {
			return v.refused(v.NewRequest("GET", "/revoke?token="+v.live.AccessToken, nil))
		}},
	}
	for name, auth := range map[string]func(*http.Request){
		"nobody": withoutAuth, "no secret": basicAuth(testbridge.BackendID, ""),
		"a guess":            basicAuth(testbridge.BackendID, "guess"),
		"the skill":          basicAuth("pizza", skillSecret),
		"a cut secret":       basicAuth(testbridge.BackendID, testbridge.BackendSecret[:31]),
		"an unknown backend": basicAuth("nobody", testbridge.BackendSecret), "Bearer": header("Authorization", "Bearer x"),
		"no base64":   header("Authorization", "Basic ???"),
		"two headers": func(r *http.Request) { r.Header.Add("Authorization", "Basic eDp5") },
	} {
		list = append(list, attack{"lookup", "by " + name, ask("/lookup", live, auth)})
		if name != "the skill" { // which may
			list = append(list, attack{"revoke", "by " + name, ask("/revoke", live, auth)})
		}
	}
	return list
}
