package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/alexa"
	"alexa-oidc-bridge/bridge/alexa/simulator"
	"alexa-oidc-bridge/bridge/lookup"
	"alexa-oidc-bridge/internal/testbridge"
)

const skillSecret = "wm3NBJ8dGq0cXkT2pZ7vYh5sRf9aLe4u"

// world is a bridge behind a proxy, and the skill that asks it, as Lambda calls it.
type world struct {
	*testbridge.Bridge
	handler lambda.Handler
	down    atomic.Bool // the proxy does not reach the bridge
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{Bridge: testbridge.Start(t, func(b *testbridge.Bridge) {
		b.Skill.Grants = []bridge.Grant{bridge.GrantAuthorizationCode} // smart home skills need it
		b.Skill.Secrets = []bridge.Secret{bridge.NewSecret(skillSecret)}
		b.Skill.AccessLifetime, b.Skill.CodeLifetime = time.Hour, time.Minute
	})}
	w.KeepSecret(skillSecret)
	origin, err := url.Parse(w.Origin)
	if err != nil {
		t.Fatal(err)
	}
	toBridge := httputil.NewSingleHostReverseProxy(origin)
	proxy := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if w.down.Load() {
			http.Error(rw, `{"active":false}`, http.StatusBadGateway)
			return
		}
		toBridge.ServeHTTP(rw, r)
	}))
	t.Cleanup(proxy.Close)
	w.handler = lambda.NewHandler((&skill{client: &lookup.Client{
		Endpoint: proxy.URL + "/lookup", ID: testbridge.BackendID, Secret: testbridge.BackendSecret,
	}}).respond)
	return w
}

// link signs a person in, presses Link, and exchanges the code as Alexa does.
func (w *world) link(login, password string) string {
	w.Helper()
	linking := simulator.Linking{
		AuthorizationURI: w.Origin + "/authorize", TokenURI: w.Origin + "/token", ClientID: "pizza",
		ClientSecret: skillSecret,
	}
	request := linking.NewRequest("code", alexa.RedirectURIs(testbridge.VendorID)[0])
	response, err := simulator.NewPhone().Link(request,
		url.Values{"login": {login}, "password": {password}, "action": {"sign-in"}}, url.Values{"decision": {"link"}})
	if err != nil {
		w.Fatal(err)
	}
	tokens, err := linking.Exchange(w.Context(), request, response.Get("code"))
	if err != nil {
		w.Fatal(err)
	}
	w.KeepSecret(tokens.AccessToken, tokens.RefreshToken)
	return tokens.AccessToken
}

// Directives, with %s for the token.
const (
	discover = `{"directive":{"header":{"namespace":"Alexa.Discovery","name":"Discover","messageId":"1",
		"payloadVersion":"3"},"payload":{"scope":{"type":"BearerToken","token":"%s"}}}}`
	acceptGrant = `{"directive":{"header":{"namespace":"Alexa.Authorization","name":"AcceptGrant","messageId":"1",
		"payloadVersion":"3"},"payload":{"grant":{"type":"OAuth2.AuthorizationCode","code":"x"},
		"grantee":{"type":"BearerToken","token":"%s"}}}}`
	turnOn = `{"directive":{"header":{"namespace":"Alexa.PowerController","name":"TurnOn","messageId":"1",
		"correlationToken":"c","payloadVersion":"3"},
		"endpoint":{"scope":{"type":"BearerToken","token":"%s"},"endpointId":"kitchen-lamp"},"payload":{}}}`
)

func reportState() string {
	return strings.NewReplacer("Alexa.PowerController", "Alexa", "TurnOn", "ReportState").Replace(turnOn)
}

// want sends a directive, and checks the name of the event and a text in the response.
func (w *world) want(when, directive, token, name, text string) {
	w.Helper()
	output, err := w.handler.Invoke(w.Context(), fmt.Appendf(nil, directive, token))
	if err != nil {
		w.Fatalf("%s: %v", when, err)
	}
	var response struct {
		Event struct {
			Header struct{ Namespace, Name, CorrelationToken string }
		}
	}
	if err := json.Unmarshal(output, &response); err != nil {
		w.Fatal(err)
	}
	header := response.Event.Header
	if got := header.Namespace + "." + header.Name; got != name || !strings.Contains(string(output), text) {
		w.Errorf("%s: %s, want %s with %s", when, output, name, text)
	}
	if (header.CorrelationToken == "c") != strings.Contains(directive, "correlationToken") {
		w.Errorf("%s: the correlation token is not that of the directive", when)
	}
}

func TestSkill(t *testing.T) {
	w := newWorld(t)
	token := w.link(testbridge.Ada().Login, testbridge.Ada().Password)
	w.want("discovery", discover, token, "Alexa.Discovery.Discover.Response", `"endpointId":"kitchen-lamp"`)
	w.want("grant", acceptGrant, token, "Alexa.Authorization.AcceptGrant.Response", `"payload":{}`)
	w.want("before", reportState(), token, "Alexa.StateReport", `"value":"OFF"`)
	w.want("turned on", turnOn, token, "Alexa.Response", `"value":"ON"`)
	w.want("after", reportState(), token, "Alexa.StateReport", `"value":"ON"`)
	w.want("turned off", strings.Replace(turnOn, "TurnOn", "TurnOff", 1), token, "Alexa.Response", `"value":"OFF"`)
	w.want("another lamp", strings.Replace(turnOn, "kitchen", "other", 1), token, "Alexa.ErrorResponse",
		"NO_SUCH_ENDPOINT")
	w.want("unknown", strings.Replace(turnOn, "TurnOn", "Explode", 1), token, "Alexa.ErrorResponse", "INVALID_DIRECTIVE")
}

// Everybody has a lamp of their own.
func TestTwoPersons(t *testing.T) {
	w := newWorld(t)
	ada := w.link(testbridge.Ada().Login, testbridge.Ada().Password)
	hedy := w.link(testbridge.Hedy().Login, testbridge.Hedy().Password)
	w.want("Ada", turnOn, ada, "Alexa.Response", `"value":"ON"`)
	w.want("Hedy", reportState(), hedy, "Alexa.StateReport", `"value":"OFF"`)
}

// An answer that the credential is invalid makes Amazon delete the link, so it is given only when that is certain.
func TestEndOfALink(t *testing.T) {
	const invalid, retry = "INVALID_AUTHORIZATION_CREDENTIAL", "INTERNAL_ERROR"
	w := newWorld(t)
	token := w.link(testbridge.Ada().Login, testbridge.Ada().Password)
	w.down.Store(true)
	w.want("during an outage", turnOn, token, "Alexa.ErrorResponse", retry)
	w.want("discovery during an outage", discover, token, "Alexa.ErrorResponse", retry)
	w.want("a grant during an outage", acceptGrant, token, "Alexa.Authorization.ErrorResponse", "ACCEPT_GRANT_FAILED")
	w.down.Store(false)
	w.want("after the outage", turnOn, token, "Alexa.Response", `"value":"ON"`)

	by := bridge.Revocation{Reason: bridge.ReasonOperator, At: time.Now()}
	if ended, err := w.Store.Revoke(w.Context(), bridge.LinkFilter{}, by); err != nil || len(ended) != 1 {
		t.Fatalf("%d links revoked: %v", len(ended), err)
	}
	w.down.Store(true)
	w.want("revoked, during an outage", turnOn, token, "Alexa.ErrorResponse", retry)
	w.down.Store(false)
	w.want("revoked", turnOn, token, "Alexa.ErrorResponse", invalid)
	w.want("discovery, revoked", discover, token, "Alexa.ErrorResponse", invalid)
	w.want("not linked", turnOn, "", "Alexa.ErrorResponse", invalid)
}
