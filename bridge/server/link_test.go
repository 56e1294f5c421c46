package server_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/alexa"
	"alexa-oidc-bridge/bridge/lookup"
	"alexa-oidc-bridge/bridge/simulator"
)

func TestLinkAndLookUp(t *testing.T) {
	r := newRig(t)
	phone := simulator.NewPhone()
	request := r.request()

	consent := r.signIn(phone, request, ada)
	for _, text := range []string{"Contoso Pizza", "Ada Lovelace", "ada@contoso.com", "alexa-users, engineering", "orders",
		"Continue only if you started this yourself in your Alexa app just now."} {
		r.wantPage(consent, http.StatusOK, text)
	}
	r.wantLinks(0)

	arrived := r.decide(phone, consent, "link")
	token := r.wantToken(request, arrived)
	want := request.RedirectURI + "#state=" + request.State + "&access_token=" + token + "&token_type=Bearer"
	if arrived.URL.String() != want {
		t.Errorf("redirected to %s\nwant          %s", arrived.URL, want)
	}
	if arrived.Body != "" || arrived.Status != http.StatusSeeOther || arrived.Header.Get("Cache-Control") != "no-store" ||
		arrived.Header.Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("status %d, header %v, body %q", arrived.Status, arrived.Header, arrived.Body)
	}

	link := r.links()[0]
	answer := r.lookup(token)
	wantAnswer := &lookup.Answer{
		Active: true, Issuer: r.origin, Subject: ada.Subject, ClientID: "pizza", Scope: "orders", TokenType: "Bearer",
		IssuedAt: link.CreatedAt.Unix(), LinkID: link.ID, Provider: "corp", UpstreamISS: r.provider.Issuer(),
		Claims: map[string]any{"email": "ada@contoso.com", "name": "Ada Lovelace", "groups": []any{"alexa-users", "engineering"}},
	}
	if !reflect.DeepEqual(answer, wantAnswer) {
		t.Errorf("lookup says %+v\nwant        %+v", answer, wantAnswer)
	}
	r.wantMetric(`bridge_links_made_total{client_id="pizza",grant="implicit"} 1`)
	r.wantMetric(`bridge_lookups_total{outcome="active"} 1`)
	r.wantLogged(map[string]any{"msg": "linked", "link_id": link.ID, "client_id": "pizza"})
}

// Only hashes and sealed text are kept, and neither log nor metrics tell what must stay secret. The rig checks the log.
func TestSecretsStayIn(t *testing.T) {
	r := newRig(t)
	phone := simulator.NewPhone()
	phone.Trace = func(exchange simulator.Exchange) {
		for _, name := range []string{"code", "state", "nonce", "token", "id"} {
			r.secret(exchange.URL.Query().Get(name))
			r.secret(exchange.Form.Get(name))
		}
	}
	r.secret("ada@contoso.com") // kept sealed until there is a link
	request := r.request()
	consent := r.signIn(phone, request, ada)
	at, err := url.Parse(r.origin)
	if err != nil {
		t.Fatal(err)
	}
	for _, cookie := range phone.Client.Jar.Cookies(at) {
		r.secret(cookie.Value)
	}
	r.noSecrets("the database before the decision", r.readDatabase())
	r.secrets = r.secrets[:len(r.secrets):len(r.secrets)]
	token := r.wantToken(request, r.decide(phone, consent, "link"))
	r.wantActive(token)
	r.forget("ada@contoso.com")
	r.noSecrets("the database", r.readDatabase())
	r.noSecrets("the metrics", r.metrics())
	if !strings.Contains(r.readDatabase(), string(bridge.HashOf(token))) {
		t.Error("the token's hash is not in the database: this test reads the wrong file")
	}
}

func (r *rig) readDatabase() string {
	r.Helper()
	var all bytes.Buffer
	for _, suffix := range []string{"", "-wal"} {
		content, err := os.ReadFile(r.database + suffix)
		if err != nil {
			r.Fatal(err)
		}
		all.Write(content)
	}
	return all.String()
}

func (r *rig) forget(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.secrets {
		if r.secrets[i] == text {
			r.secrets[i] = ""
		}
	}
}

func TestStateComesBackByteForByte(t *testing.T) {
	r := newRig(t)
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	states := map[string]string{
		"one letter":           "x",
		"737 bytes":            simulator.NewState(),
		"1500 bytes":           strings.Repeat("A2SAAEAE-_", 150),
		"reserved characters":  ":/?#[]@!$&'()*+,;= %25%20+&state=evil#x=\"<>\\^`{|}~",
		"other languages":      "Grüße, 世界 🍕",
		"every byte":           string(every),
		"1500 bytes to escape": strings.Repeat("&", 1500),
	}
	for name, state := range states {
		t.Run(name, func(t *testing.T) {
			phone := simulator.NewPhone()
			request := r.request()
			request.State = state
			arrived := r.decide(phone, r.signIn(phone, request, ada), "link")
			r.wantToken(request, arrived)

			request.State = state
			phone = simulator.NewPhone()
			cancelled := r.decide(phone, r.signIn(phone, request, ada), "cancel")
			r.wantError(request, cancelled, "access_denied")
		})
	}
	t.Run("1501 bytes", func(t *testing.T) {
		request := r.request()
		request.State = strings.Repeat("x", 1501)
		page := r.open(simulator.NewPhone(), request.URL())
		if answer := r.answer(request, page); answer.Get("error") != "invalid_request" || answer.Has("state") {
			t.Errorf("answer %v: it must not repeat what is too long for a proxy", answer)
		}
	})
	t.Run("none", func(t *testing.T) {
		request := r.request()
		request.State = ""
		phone := simulator.NewPhone()
		arrived := r.decide(phone, r.signIn(phone, request, ada), "link")
		if _, fragment, _ := strings.Cut(arrived.URL.String(), "#"); !strings.HasPrefix(fragment, "access_token=") {
			t.Errorf("the fragment begins with %.20s", fragment)
		}
	})
}

func TestEveryRegionAndForm(t *testing.T) {
	r := newRig(t)
	uris := alexa.RedirectURIs(vendorID)
	if len(uris) != 6 {
		t.Fatalf("%d redirect URIs", len(uris))
	}
	for _, uri := range uris {
		request := r.request()
		request.RedirectURI = uri
		phone := simulator.NewPhone()
		arrived := r.decide(phone, r.signIn(phone, request, ada), "link")
		r.wantToken(request, arrived)
		if !strings.HasPrefix(arrived.URL.String(), uri+"#") {
			t.Errorf("%s came back as %s", uri, arrived.URL.Host+arrived.URL.RequestURI())
		}
	}
	r.wantLinks(6) // several links of one person are normal
}

func TestScopes(t *testing.T) {
	r := newRig(t)
	for asked, want := range map[string]string{
		"": "", "orders": "orders", "menu orders menu": "menu orders", "admin orders": "orders", "admin": "",
	} {
		request := r.request()
		request.Scopes = strings.Fields(asked)
		phone := simulator.NewPhone()
		token := r.wantToken(request, r.decide(phone, r.signIn(phone, request, ada), "link"))
		if got := r.lookup(token).Scope; got != want {
			t.Errorf("asked for %q, got %q, want %q", asked, got, want)
		}
	}
	r.wantLogged(map[string]any{"msg": "unknown scopes dropped", "scopes": "admin"})
}

func TestTokenThatExpires(t *testing.T) {
	r := newRig(t, func(r *rig) { r.skill.ImplicitLifetime = time.Hour })
	phone := simulator.NewPhone()
	request := r.request()
	arrived := r.decide(phone, r.signIn(phone, request, ada), "link")
	answer := r.answer(request, arrived)
	if answer.Get("expires_in") != "3600" {
		t.Fatalf("expires_in is %q", answer.Get("expires_in"))
	}
	found := r.lookup(answer.Get("access_token"))
	if !found.Active || found.ExpiresAt != found.IssuedAt+3600 {
		t.Errorf("iat %d, exp %d", found.IssuedAt, found.ExpiresAt)
	}
	r.clock.advance(time.Hour)
	if r.lookup(answer.Get("access_token")).Active {
		t.Error("active after its end")
	}
}

func TestConsentOff(t *testing.T) {
	r := newRig(t, func(r *rig) { r.skill.Consent = false })
	phone := simulator.NewPhone()
	var callback, authorization string
	phone.Trace = func(exchange simulator.Exchange) {
		if strings.HasPrefix(exchange.URL.Path, "/callback/") {
			callback = exchange.URL.String()
		}
		if exchange.URL.Path == "/authorize" && strings.HasPrefix(exchange.Location, r.provider.Issuer()) {
			authorization = exchange.Location
		}
	}
	request := r.request()
	token := r.wantToken(request, r.signIn(phone, request, ada))
	r.wantActive(token)
	if !strings.Contains(authorization, "prompt=login") {
		t.Errorf("the provider was not asked to make the person sign in: %s", authorization)
	}
	r.wantPage(r.open(phone, callback), http.StatusBadRequest, "You have answered this already")
	r.wantLinks(1)
}

func TestMaxLinksPerPerson(t *testing.T) {
	r := newRig(t, func(r *rig) { r.skill.MaxLinksPerPerson = 2 })
	var tokens []string
	for range 3 {
		tokens = append(tokens, r.link(simulator.NewPhone(), ada))
		r.clock.advance(time.Second)
	}
	for i, want := range []bool{false, true, true} {
		if r.lookup(tokens[i]).Active != want {
			t.Errorf("token %d: active = %v", i, !want)
		}
	}
}

func TestUsesAreNoted(t *testing.T) {
	r := newRig(t)
	token := r.link(simulator.NewPhone(), ada)
	if !r.links()[0].LastUsedAt.IsZero() {
		t.Error("used before it was looked up")
	}
	r.wantActive(token)
	form := url.Values{"token": {token}, "alexa_user_id": {"amzn1.ask.account.AHY"}}
	request := r.newRequest(http.MethodPost, "/lookup", form)
	request.SetBasicAuth(backendID, backendSecret)
	if response, body := r.do(request); response.StatusCode != http.StatusOK {
		t.Fatalf("status %d: %s", response.StatusCode, body)
	}
	r.runBackground() // which notes uses when it ends
	link := r.links()[0]
	if link.LastUsedAt.IsZero() || link.AlexaUser != bridge.HashOf("amzn1.ask.account.AHY") {
		t.Errorf("not noted: %+v", link)
	}
	if strings.Contains(r.readDatabase(), "amzn1.ask") {
		t.Error("the Alexa user id is kept as it is")
	}
}

func TestAnswerOfAnotherVersionStillReads(t *testing.T) {
	var answer lookup.Answer
	if err := json.Unmarshal([]byte(`{"active":true,"sub":"a","new_field":{"x":1}}`), &answer); err != nil || !answer.Active {
		t.Errorf("%+v, %v", answer, err)
	}
}
