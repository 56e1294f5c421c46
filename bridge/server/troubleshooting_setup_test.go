package server_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/alexa/simulator"
	"alexa-oidc-bridge/bridge/upstreamtest"
	"alexa-oidc-bridge/internal/testbridge"
)

// providerFaults is the fault that the provider has now.
type providerFaults struct{ atomic.Pointer[providerFault] }

// providerFault changes what the provider receives and sends.
type providerFault struct {
	override map[string]http.HandlerFunc            // by path
	edit     map[string]func(object map[string]any) // of JSON responses, by path
	clientID string                                 // received in place of the bridge's
}

func (f *providerFaults) wrap(provider http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f := f.Load()
		if override := f.override[r.URL.Path]; override != nil {
			override(w, r)
			return
		}
		if f.clientID != "" {
			query := r.URL.Query()
			if query.Has("client_id") {
				query.Set("client_id", f.clientID)
				r.URL.RawQuery = query.Encode()
			}
			if _, secret, ok := r.BasicAuth(); ok {
				r.SetBasicAuth(f.clientID, secret)
			}
		}
		edit := f.edit[r.URL.Path]
		if edit == nil {
			provider.ServeHTTP(w, r)
			return
		}
		recorder := httptest.NewRecorder()
		provider.ServeHTTP(recorder, r)
		var object map[string]any
		if err := json.Unmarshal(recorder.Body.Bytes(), &object); err != nil {
			panic(err)
		}
		edit(object)
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(object)
	})
}

// Paths of the provider.
const (
	discoveryPath = "/.well-known/openid-configuration"
	tokenPath     = "/oauth/token"
	keysPath      = "/keys"
	userinfoPath  = "/userinfo"
)

// answer lets the provider answer a path by a status and a body.
func (f *providerFaults) answer(path string, status int, body string) {
	f.Store(&providerFault{override: map[string]http.HandlerFunc{path: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		w.Write([]byte(body))
	}}})
}

// change lets the provider send something else in a JSON response.
func (f *providerFaults) change(path string, edit func(object map[string]any)) {
	f.Store(&providerFault{edit: map[string]func(map[string]any){path: edit}})
}

func setupTroubles(faults *providerFaults) []trouble {
	setup := func(row string, configure func(*testBridge), produce func(*testBridge) string) trouble {
		return trouble{section: "Set up wrongly", row: row, configure: configure, produce: produce}
	}
	answered := func(path string, status int, body string) func(*testBridge) {
		return func(*testBridge) { faults.answer(path, status, body) }
	}
	changed := func(path string, edit func(map[string]any)) func(*testBridge) {
		return func(*testBridge) { faults.change(path, edit) }
	}
	return []trouble{
		setup("announces the issuer", func(b *testBridge) {
			b.Config.Providers[0].Issuer = strings.TrimSuffix(b.Provider.Issuer(), "/")
		}, open),
		setup("status 404", func(b *testBridge) { b.Config.Providers[0].Issuer += "nowhere" }, open),
		setup("unknown authority", func(b *testBridge) {
			https := httptest.NewUnstartedServer(http.NotFoundHandler())
			https.Config.ErrorLog = log.New(io.Discard, "", 0)
			https.StartTLS()
			b.Cleanup(https.Close)
			b.Config.Providers[0].Issuer = https.URL
		}, open),
		setup("`HS256`", changed(discoveryPath, func(metadata map[string]any) {
			metadata["id_token_signing_alg_values_supported"] = []string{"HS256"}
		}), open),
		setup("`invalid_client`", withWrongSecret, signIn),
		setup("`AADSTS7000222`", answered(tokenPath, http.StatusUnauthorized, `{"error":"invalid_client",`+
			`"error_description":"AADSTS7000222: The provided client secret keys are expired."}`), signIn),
		setup("`invalid_scope`", nil, callback("error", "invalid_scope")),
		setup("`unauthorized_client`", answered(tokenPath, http.StatusBadRequest, `{"error":"unauthorized_client"}`), signIn),
		setup("no key for signatures", answered(keysPath, http.StatusOK, `{"keys":[]}`), open),
		setup("failed to verify signature", changed(keysPath, func(object map[string]any) {
			for _, key := range object["keys"].([]any) {
				modulus, _ := base64.RawURLEncoding.DecodeString(key.(map[string]any)["n"].(string))
				modulus[len(modulus)/2] ^= 1
				key.(map[string]any)["n"] = base64.RawURLEncoding.EncodeToString(modulus)
			}
		}), signIn),
		setup("issued by a different provider", func(b *testBridge) {
			provider := &b.Config.Providers[0]
			provider.DiscoveryURL = b.Provider.Issuer() + discoveryPath[1:]
			provider.Issuer += "other"
			faults.change(discoveryPath, func(metadata map[string]any) { metadata["issuer"] = b.Provider.Issuer() + "other" })
		}, func(b *testBridge) string {
			phone := simulator.NewPhone()
			return b.Submit(phone, b.Open(phone, b.Request().URL()), loginForm(testbridge.Ada())).Body
		}),
		setup("expected audience", func(b *testBridge) {
			b.Config.Providers[0].ClientID = "another-application"
			faults.Store(&providerFault{clientID: testbridge.ClientID})
		}, signIn),
		setup("subject claim", withSubject("oid"), signIn),
		setup("reference instead of the groups", withOverage, signIn),
		setup("to be stored with the link", func(b *testBridge) {
			b.Skill.Claims = []string{"about"}
			withAda(bridge.Allow{}, func(ada *upstreamtest.Person) {
				ada.Claims = map[string]any{"about": strings.Repeat("x", 50_000)}
			})(b)
		}, signIn),
		setup("`status 401`", func(b *testBridge) {
			withSubject("oid")(b)
			faults.answer(userinfoPath, http.StatusUnauthorized, `{}`)
		}, signIn),
	}
}
