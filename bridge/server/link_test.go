package server_test

import (
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/alexa"
	"alexa-oidc-bridge/bridge/alexa/simulator"
	"alexa-oidc-bridge/internal/testbridge"
)

func TestLink(t *testing.T) {
	t.Parallel()
	b := startBridge(t)
	phone := simulator.NewPhone()
	request := b.Request()

	consent := b.SignIn(phone, request, testbridge.Ada())
	for _, text := range []string{"Contoso Pizza", "Ada Lovelace", "ada@contoso.com", "alexa-users, engineering", "orders",
		"Continue only if you started this yourself in your Alexa app just now."} {
		b.WantPage(consent, http.StatusOK, text)
	}
	b.WantLinks(0)

	arrived := b.Decide(phone, consent, "link")
	token := b.WantToken(request, arrived)
	want := request.RedirectURI + "#state=" + request.State + "&access_token=" + token + "&token_type=Bearer"
	if arrived.URL.String() != want {
		t.Errorf("redirected to %s\nwant          %s", arrived.URL, want)
	}
	if arrived.Body != "" || arrived.Status != http.StatusSeeOther || arrived.Header.Get("Cache-Control") != "no-store" ||
		arrived.Header.Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("status %d, header %v, body %q", arrived.Status, arrived.Header, arrived.Body)
	}

	link := b.Links()[0]
	response := b.Lookup(token)
	wantAnswer := &introspection{
		Active: true, Issuer: b.Origin, Subject: testbridge.Ada().Subject, ClientID: "pizza", Scope: "orders",
		TokenType: "Bearer", IssuedAt: link.CreatedAt.Unix(), LinkID: link.ID, Provider: "corp",
		UpstreamISS: b.Provider.Issuer(),
		Claims: map[string]any{"email": "ada@contoso.com", "name": "Ada Lovelace",
			"groups": []any{"alexa-users", "engineering"}},
	}
	if !reflect.DeepEqual(response, wantAnswer) {
		t.Errorf("lookup says %+v\nwant        %+v", response, wantAnswer)
	}
	b.WantMetric(`bridge_links_made_total{client_id="pizza",grant="implicit",provider="corp"} 1`)
	b.WantMetric(`bridge_lookups_total{outcome="active"} 1`)
	b.WantLogged(map[string]any{"grant": "implicit", "link_id": link.ID, "client_id": "pizza"})
}

func TestLinkAtEveryRedirectURI(t *testing.T) {
	t.Parallel()
	b := startBridge(t)
	uris := alexa.RedirectURIs(testbridge.VendorID)
	if len(uris) != 6 {
		t.Fatalf("%d redirect URIs", len(uris))
	}
	for _, uri := range uris {
		request := b.Request()
		request.RedirectURI = uri
		arrived := b.LinkRequest(request)
		b.WantToken(request, arrived)
		if !strings.HasPrefix(arrived.URL.String(), uri+"#") {
			t.Errorf("redirected to %s, want %s", arrived.URL.Host+arrived.URL.RequestURI(), uri)
		}
	}
	b.WantLinks(6) // one person may have several
}

func TestScopes(t *testing.T) {
	t.Parallel()
	b := startBridge(t)
	tests := map[string]struct{ granted, inResponse string }{
		"": {}, "orders": {"orders", ""}, "menu orders menu": {"menu orders", ""},
		"admin orders": {"orders", "orders"}, "admin": {},
	}
	for requested, want := range tests {
		request := b.Request()
		request.Scopes = strings.Fields(requested)
		response := b.AuthorizationResponse(request, b.LinkRequest(request))
		if got := response.Get("scope"); got != want.inResponse {
			t.Errorf("requested %q, scope %q in the response, want %q", requested, got, want.inResponse)
		}
		if got := b.Lookup(response.Get("access_token")).Scope; got != want.granted {
			t.Errorf("requested %q, got %q, want %q", requested, got, want.granted)
		}
	}
	b.WantLogged(map[string]any{"client_id": "pizza", "scopes": "admin"})
}

func TestImplicitLifetime(t *testing.T) {
	t.Parallel()
	b := startBridge(t, func(b *testBridge) { b.Skill.ImplicitLifetime = time.Hour })
	request := b.Request()
	response := b.AuthorizationResponse(request, b.LinkRequest(request))
	if response.Get("expires_in") != "3600" {
		t.Fatalf("expires_in is %q", response.Get("expires_in"))
	}
	found := b.Lookup(response.Get("access_token"))
	if !found.Active || found.ExpiresAt != found.IssuedAt+3600 {
		t.Errorf("iat %d, exp %d", found.IssuedAt, found.ExpiresAt)
	}
	b.Clock.Advance(time.Hour)
	b.WantInactive(response.Get("access_token"))
	if _, err := b.Store.Sweep(t.Context(), bridge.Sweep{Now: b.Clock.Now(), Limit: 100}); err != nil {
		t.Fatal(err)
	}
	if link := b.Links()[0]; link.Reason != bridge.ReasonExpired || link.Actor != bridge.ActorSystem {
		t.Errorf("the link ended as %q, by %q", link.Reason, link.Actor)
	}
}

// Without a consent page the person must sign in anew, and is linked at the callback.
func TestLinkWithoutConsentPage(t *testing.T) {
	t.Parallel()
	b := startBridge(t, func(b *testBridge) { b.Skill.Consent = false })
	phone := simulator.NewPhone()
	var callback, authorization string
	phone.Trace = func(exchange simulator.Exchange) {
		if strings.HasPrefix(exchange.URL.Path, "/callback/") {
			callback = exchange.URL.String()
		}
		if exchange.URL.Path == "/authorize" && strings.HasPrefix(exchange.Location, b.Provider.Issuer()) {
			authorization = exchange.Location
		}
	}
	request := b.Request()
	token := b.WantToken(request, b.SignIn(phone, request, testbridge.Ada()))
	b.WantActive(token)
	if !strings.Contains(authorization, "prompt=login") || !strings.Contains(authorization, "max_age=0") {
		t.Errorf("no prompt=login and max_age=0 in the request to the provider: %s", authorization)
	}
	b.WantPage(b.Open(phone, callback), http.StatusBadRequest, "You have answered this already")
	b.WantLinks(1)
}

// A provider that ignores prompt and max_age returns an old authentication. Then the person is asked, since nobody need
// have done anything but open a link. An auth_time that is ahead of us, such as one in milliseconds, proves nothing.
func TestLinkWithoutConsentPageAsks(t *testing.T) {
	t.Parallel()
	for _, ahead := range []time.Duration{2 * time.Minute, -2 * time.Minute} { // of our clock
		b := startBridge(t, func(b *testBridge) { b.Skill.Consent = false })
		b.Clock.Advance(ahead)
		phone, request := simulator.NewPhone(), b.Request()
		page := b.SignIn(phone, request, testbridge.Ada())
		b.WantPage(page, http.StatusOK, "Continue only if you started this yourself")
		b.WantLinks(0)
		b.WantActive(b.WantToken(request, b.Decide(phone, page, "link")))
	}
}

func TestMaxLinksPerPerson(t *testing.T) {
	t.Parallel()
	b := startBridge(t, func(b *testBridge) { b.Skill.MaxLinksPerPerson = 2 })
	var tokens []string
	for range 3 {
		tokens = append(tokens, b.Link())
		b.Clock.Advance(time.Second)
	}
	for i, want := range []bool{false, true, true} {
		if b.Lookup(tokens[i]).Active != want {
			t.Errorf("token %d: active = %v", i, !want)
		}
	}
}

func TestUseAnotherAccount(t *testing.T) {
	t.Parallel()
	b := startBridge(t)
	phone := simulator.NewPhone()
	var authorization string
	phone.Trace = func(exchange simulator.Exchange) {
		if exchange.URL.Path == "/consent" {
			authorization = exchange.Location
		}
	}
	request := b.Request()
	login := b.Decide(phone, b.SignIn(phone, request, testbridge.Ada()), "switch")
	if !strings.Contains(authorization, "prompt=login") {
		t.Errorf("no prompt=login in the request to the provider: %s", authorization)
	}
	consent := b.SubmitLogin(phone, login, testbridge.Hedy())
	b.WantPage(consent, http.StatusOK, "Hedy Lamarr")
	token := b.WantToken(request, b.Decide(phone, consent, "link"))
	if subject := b.Lookup(token).Subject; subject != testbridge.Hedy().Subject {
		t.Errorf("linked %s, want Hedy", subject)
	}
	b.WantLinks(1)
}

// A flow needs nothing that the process has in memory, and survives a key rotation between any two steps.
func TestLinkAcrossRestarts(t *testing.T) {
	t.Parallel()
	b := startBridge(t)
	phone := simulator.NewPhone()
	request := b.Request()
	phone.Destinations = []string{b.Origin + "/callback/corp"}
	login := b.Open(phone, request.URL())
	b.RestartWithNewKey()
	callback := b.SubmitLogin(phone, login, testbridge.Ada())
	phone.Destinations = nil
	b.RestartWithNewKey()
	consent := b.Open(phone, callback.URL.String())
	b.WantPage(consent, http.StatusOK, "Ada Lovelace")
	b.RestartWithNewKey()
	token := b.WantToken(request, b.Decide(phone, consent, "link"))
	b.RestartWithNewKey()
	again := b.Decide(phone, consent, "link")
	if got := b.WantToken(request, again); got != token {
		t.Error("a second tap after a restart got another token")
	}
	b.WantActive(token)
	b.WantLinks(1)
}

// Removing the implicit grant from a skill stops new links by it. Existing links remain.
func TestRemoveImplicitGrant(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withCodeGrant)
	token := b.Link()
	b.LinkByCode()
	phone := simulator.NewPhone()
	consent := b.SignIn(phone, b.Request(), testbridge.Ada())
	b.Skill.Grants = []bridge.Grant{bridge.GrantAuthorizationCode}
	b.Restart()
	b.WantActive(token)
	b.WantPage(b.Decide(phone, consent, "link"), http.StatusBadRequest, "This skill is not known here")
	request := b.Request()
	b.WantError(request, b.Open(simulator.NewPhone(), request.URL()), "unauthorized_client")
	revoked, err := b.Store.Revoke(t.Context(), bridge.LinkFilter{Grant: bridge.GrantImplicit},
		bridge.Revocation{Reason: bridge.ReasonOperator, At: time.Now()})
	if err != nil || len(revoked) != 1 || b.Lookup(token).Active {
		t.Errorf("%v, %v", revoked, err)
	}
}
