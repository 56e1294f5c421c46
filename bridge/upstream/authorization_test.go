package upstream_test

import (
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"net/url"
	"strings"
	"testing"

	"alexa-oidc-bridge/bridge/upstream"
)

// requiredParams returns the parameters of every authorization request.
func requiredParams() url.Values {
	challenge := sha256.Sum256([]byte(login().Verifier))
	return url.Values{
		"response_type":         {"code"},
		"client_id":             {clientID},
		"redirect_uri":          {redirectURI},
		"scope":                 {"openid email"},
		"state":                 {login().State},
		"nonce":                 {login().Nonce},
		"code_challenge":        {base64.RawURLEncoding.EncodeToString(challenge[:])},
		"code_challenge_method": {"S256"},
	}
}

func TestAuthorizationURL(t *testing.T) {
	selectAccount := metadata("prompt_values_supported", []string{"none", "select_account"})
	policy := func(f *fakeProvider) { f.metadata["authorization_endpoint"] = f.issuer + "/authorize?p=B2C_1&empty=" }
	tests := []struct {
		name   string
		setup  func(*fakeProvider)
		params url.Values // configured
		prompt upstream.Prompt
		more   url.Values // beside the required ones
	}{
		{"plain", unchanged, nil, upstream.PromptDefault, nil},
		{"the endpoint has a query", policy, nil, upstream.PromptDefault, url.Values{"p": {"B2C_1"}, "empty": {""}}},
		{"parameters are configured", unchanged, url.Values{"hd": {"contoso.com"}, "acr_values": {"a b"}},
			upstream.PromptDefault,
			url.Values{"hd": {"contoso.com"}, "acr_values": {"a b"}}},
		{"a query and parameters", policy, url.Values{"hd": {"contoso.com"}}, upstream.PromptDefault,
			url.Values{"p": {"B2C_1"}, "empty": {""}, "hd": {"contoso.com"}}},
		{"a parameter wins over the endpoint's", policy, url.Values{"p": {"B2C_2"}}, upstream.PromptDefault,
			url.Values{"p": {"B2C_2"}, "empty": {""}}},
		{"prompt is configured", unchanged, url.Values{"prompt": {"consent"}}, upstream.PromptDefault,
			url.Values{"prompt": {"consent"}}},
		{"sign in anew", selectAccount, nil, upstream.PromptLogin, url.Values{"prompt": {"login"}, "max_age": {"0"}}},
		{"sign in anew, prompt is configured", unchanged, url.Values{"prompt": {"select_account"}}, upstream.PromptLogin,
			url.Values{"prompt": {"login"}, "max_age": {"0"}}},
		{"another account", selectAccount, nil, upstream.PromptAccount, url.Values{"prompt": {"select_account"}}},
		{"another account, not announced", unchanged, nil, upstream.PromptAccount, url.Values{"prompt": {"login"}}},
		{"another account, not among the announced", metadata("prompt_values_supported", []string{"none"}), nil,
			upstream.PromptAccount, url.Values{"prompt": {"login"}}},
		{"another account, consent is configured", selectAccount, url.Values{"prompt": {"consent"}}, upstream.PromptAccount,
			url.Values{"prompt": {"consent select_account"}}},
		{"another account, select_account is configured", unchanged, url.Values{"prompt": {"select_account consent"}},
			upstream.PromptAccount, url.Values{"prompt": {"select_account consent"}}},
		{"another account, login is configured", selectAccount, url.Values{"prompt": {"login"}}, upstream.PromptAccount,
			url.Values{"prompt": {"login"}}},
		{"parameters of the protocol are configured", unchanged,
			url.Values{"state": {"fixed"}, "nonce": {"fixed"}, "code_challenge_method": {"plain"}},
			upstream.PromptDefault, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t, tt.setup, configured(func(config *upstream.Config) { config.AuthParams = tt.params }))
			text, err := f.provider().AuthorizationURL(t.Context(), login(), tt.prompt)
			wantKind(t, err, "")
			target, query, _ := strings.Cut(text, "?")
			if want := f.issuer + "/authorize"; target != want {
				t.Errorf("endpoint %q, want %q", target, want)
			}
			got, err := url.ParseQuery(query)
			want := requiredParams()
			maps.Copy(want, tt.more)
			if err != nil || got.Encode() != want.Encode() {
				t.Errorf("query\n%v (%v), want\n%v", got, err, want)
			}
		})
	}
}

// A refresh token is asked for by offline_access and prompt=consent (OIDC Core §11), or as auth_params say, and never
// by a test sign-in.
func TestAuthorizationURLOffline(t *testing.T) {
	const plain, withOffline = "openid email", "openid email offline_access"
	tests := []struct {
		name        string
		offline     bool
		scopes      []string
		params      url.Values
		prompt      upstream.Prompt
		test        bool
		scope, want string // want: prompt, and access_type
	}{
		{"offline", true, nil, nil, upstream.PromptDefault, false, withOffline, "consent "},
		{"not offline", false, nil, nil, upstream.PromptDefault, false, plain, " "},
		{"the scope is configured, too", true, []string{"openid", "offline_access", "email"}, nil, upstream.PromptDefault,
			false, withOffline, "consent "},
		{"a prompt is configured", true, nil, url.Values{"prompt": {"login"}}, upstream.PromptDefault, false, withOffline,
			"login "},
		{"the way of Google", true, nil, url.Values{"access_type": {"offline"}, "prompt": {"consent"}},
			upstream.PromptDefault, false, plain, "consent offline"},
		{"the way of Google without a prompt", true, nil, url.Values{"access_type": {"offline"}}, upstream.PromptDefault,
			false, plain, " offline"},
		{"another access_type", true, nil, url.Values{"access_type": {"online"}}, upstream.PromptDefault, false, withOffline,
			"consent online"},
		{"a sign-in anew", true, nil, nil, upstream.PromptLogin, false, withOffline, "login consent "},
		{"another account", true, nil, nil, upstream.PromptAccount, false, withOffline, "consent login "},
		{"a test sign-in", true, nil, nil, upstream.PromptDefault, true, plain, " "},
		{"a test sign-in, the scope is configured", true, []string{"openid", "offline_access", "email"}, nil,
			upstream.PromptDefault, true, plain, " "},
		{"a test sign-in, though not offline", false, []string{"openid", "offline_access", "email"}, nil,
			upstream.PromptDefault, true, plain, " "},
		{"a test sign-in at Google", true, nil, url.Values{"access_type": {"offline"}, "prompt": {"consent"}},
			upstream.PromptDefault, true, plain, "consent "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t, configured(func(config *upstream.Config) {
				config.Offline, config.AuthParams = tt.offline, tt.params
				if tt.scopes != nil {
					config.Scopes = tt.scopes
				}
			}))
			login := login()
			login.NoOffline = tt.test
			target, err := f.provider().AuthorizationURL(t.Context(), login, tt.prompt)
			wantKind(t, err, "")
			query := must(url.Parse(target)).Query()
			if got := query.Get("prompt") + " " + query.Get("access_type"); got != tt.want || query.Get("scope") != tt.scope {
				t.Errorf("scope %q, prompt and access_type %q, want %q, %q", query.Get("scope"), got, tt.scope, tt.want)
			}
			if len(query["scope"]) != 1 || len(query["prompt"]) > 1 {
				t.Errorf("repeated: %v", query)
			}
		})
	}
}

func TestAuthorizationURLKeepsTheConfiguration(t *testing.T) {
	params := url.Values{"prompt": {"consent"}}
	p := newFake(t, configured(func(config *upstream.Config) { config.AuthParams = params })).provider()
	for _, prompt := range []upstream.Prompt{upstream.PromptLogin, upstream.PromptAccount} {
		_, err := p.AuthorizationURL(t.Context(), login(), prompt)
		wantKind(t, err, "")
	}
	if got := params.Encode(); got != "prompt=consent" {
		t.Errorf("one person's prompt stays for the next: %q", got)
	}
}

func TestAuthorizationURLWhileDown(t *testing.T) {
	p := newFake(t, override(discoveryPath, cut)).provider()
	target, err := p.AuthorizationURL(t.Context(), login(), upstream.PromptDefault)
	wantKind(t, err, "out of reach at discovery")
	if target != "" {
		t.Error("there is a URL to a provider that is not known")
	}
}
