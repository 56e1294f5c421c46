package server_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"alexa-oidc-bridge/bridge/alexa"
	"alexa-oidc-bridge/bridge/alexa/simulator"
	"alexa-oidc-bridge/bridge/upstreamtest"
	"alexa-oidc-bridge/internal/testbridge"
)

// testBridge is a running bridge with the steps of account linking. A test fails when one of them cannot be done.
type testBridge struct{ *testbridge.Bridge }

// startBridge starts a bridge, which stops when the test ends. The changes are made before the start, in their order.
func startBridge(tb testing.TB, changes ...func(*testBridge)) *testBridge {
	tb.Helper()
	return &testBridge{testbridge.Start(tb, func(b *testbridge.Bridge) {
		for _, change := range changes {
			change(&testBridge{b})
		}
	})}
}

// Request is the authorization request that Alexa makes for the skill "pizza" in Europe, by the implicit grant.
func (b *testBridge) Request() simulator.Request {
	state := simulator.NewState()
	b.KeepSecret(state)
	return simulator.Request{
		AuthorizationURI: b.Config.PublicURL + "/authorize", ClientID: "pizza", ResponseType: "token", State: state,
		Scopes: []string{"orders"}, RedirectURI: alexa.RedirectURIs(testbridge.VendorID)[3],
	}
}

// Open opens an address on a phone and follows redirects.
func (b *testBridge) Open(phone *simulator.Phone, address string) *simulator.Page {
	b.Helper()
	page, err := phone.Open(address)
	if err != nil {
		b.Fatal(err)
	}
	return page
}

// Submit submits the form of a page with these values besides its hidden ones.
func (b *testBridge) Submit(phone *simulator.Phone, page *simulator.Page, values url.Values) *simulator.Page {
	b.Helper()
	next, err := phone.Submit(page, values)
	if err != nil {
		b.Fatal(err)
	}
	return next
}

// SignIn opens an authorization request and signs a person in at the provider. It returns the page after that.
func (b *testBridge) SignIn(phone *simulator.Phone, request simulator.Request,
	person upstreamtest.Person) *simulator.Page {
	b.Helper()
	return b.SubmitLogin(phone, b.Open(phone, request.URL()), person)
}

// SubmitLogin signs a person in on the provider's login page.
func (b *testBridge) SubmitLogin(phone *simulator.Phone, login *simulator.Page,
	person upstreamtest.Person) *simulator.Page {
	b.Helper()
	if login.Status != http.StatusOK || !strings.HasPrefix(login.URL.String(), b.Config.Providers[0].Issuer) {
		b.Fatalf("at %s, status %d, want the provider's login page:\n%s", login.URL, login.Status, login.Body)
	}
	return b.Submit(phone, login, loginForm(person))
}

// loginForm is what a person enters on the provider's login page.
func loginForm(person upstreamtest.Person) url.Values {
	return url.Values{"login": {person.Login}, "password": {person.Password}, "action": {"sign-in"}}
}

// CallbackURL signs Ada in and returns the callback URL that the provider redirects to, which is not requested.
func (b *testBridge) CallbackURL(phone *simulator.Phone, request simulator.Request) string {
	b.Helper()
	phone.Destinations = []string{b.Config.PublicURL + "/callback/corp"}
	page := b.SignIn(phone, request, testbridge.Ada())
	phone.Destinations = nil
	if !page.Arrived {
		b.Fatalf("at %s, want the callback", page.URL)
	}
	return page.URL.String()
}

// Decide presses a button of the consent page: "link", "cancel" or "switch".
func (b *testBridge) Decide(phone *simulator.Phone, consent *simulator.Page, decision string) *simulator.Page {
	b.Helper()
	return b.Submit(phone, consent, url.Values{"decision": {decision}})
}

// LinkRequest signs Ada in on a new phone, consents, and returns the authorization response.
func (b *testBridge) LinkRequest(request simulator.Request) *simulator.Page {
	b.Helper()
	phone := simulator.NewPhone()
	return b.Decide(phone, b.SignIn(phone, request, testbridge.Ada()), "link")
}

// LinkAgain signs Ada in from an error page that offers to try again, and consents. It returns the access token.
func (b *testBridge) LinkAgain(phone *simulator.Phone, request simulator.Request, page *simulator.Page) string {
	b.Helper()
	consent := b.SubmitLogin(phone, b.Decide(phone, page, "switch"), testbridge.Ada())
	return b.WantToken(request, b.Decide(phone, consent, "link"))
}

// Link links Ada's account by the implicit grant and returns the access token.
func (b *testBridge) Link() string {
	b.Helper()
	request := b.Request()
	return b.WantToken(request, b.LinkRequest(request))
}

// AuthorizationResponse returns the parameters of the authorization response that a phone was redirected to.
func (b *testBridge) AuthorizationResponse(request simulator.Request, page *simulator.Page) url.Values {
	b.Helper()
	if !page.Arrived {
		b.Fatalf("at %s, status %d, want Alexa's redirect URI:\n%s", page.URL, page.Status, page.Body)
	}
	response, err := request.Answer(page.URL)
	if err != nil {
		b.Fatal(err)
	}
	b.KeepSecret(response.Get("access_token"), response.Get("code"))
	return response
}

// WantToken checks that the authorization response is an access token that does not expire, and returns it.
func (b *testBridge) WantToken(request simulator.Request, page *simulator.Page) string {
	b.Helper()
	response := b.AuthorizationResponse(request, page)
	token := response.Get("access_token")
	want := url.Values{"state": {request.State}, "access_token": {token}, "token_type": {"Bearer"}}
	if token == "" || response.Encode() != want.Encode() {
		b.Fatalf("authorization response %v, want an access token", response)
	}
	return token
}

// WantError checks that the authorization response is this error.
func (b *testBridge) WantError(request simulator.Request, page *simulator.Page, code string) {
	b.Helper()
	response := b.AuthorizationResponse(request, page)
	if response.Get("error") != code || response.Get("state") != request.State || response.Has("access_token") {
		b.Fatalf("authorization response %v, want error %s", response, code)
	}
}

// WantPage checks that a phone is at a page of the bridge with this status and text.
func (b *testBridge) WantPage(page *simulator.Page, status int, text string) {
	b.Helper()
	if page.Arrived || page.Status != status || !strings.Contains(page.Body, text) {
		b.Fatalf("at %s, status %d, want %d with %q:\n%s", page.URL, page.Status, status, text, page.Body)
	}
}

// introspection is the response of /lookup (RFC 7662 §2.2).
type introspection struct {
	Active      bool           `json:"active"`
	Issuer      string         `json:"iss"`
	Subject     string         `json:"sub"`
	ClientID    string         `json:"client_id"`
	Scope       string         `json:"scope"`
	TokenType   string         `json:"token_type"`
	IssuedAt    int64          `json:"iat"`
	ExpiresAt   int64          `json:"exp"`
	LinkID      string         `json:"link_id"`
	Provider    string         `json:"provider"`
	UpstreamISS string         `json:"upstream_iss"`
	Claims      map[string]any `json:"claims"`
}

// Lookup looks up an access token as the backend of "pizza".
func (b *testBridge) Lookup(token string) *introspection {
	b.Helper()
	return b.LookupAs(testbridge.BackendID, testbridge.BackendSecret, token)
}

// LookupAs looks up an access token as a backend.
func (b *testBridge) LookupAs(id, secret, token string) *introspection {
	b.Helper()
	request := b.NewRequest(http.MethodPost, "/lookup", url.Values{"token": {token}})
	request.SetBasicAuth(id, secret)
	response, body := b.Do(request)
	decoder := json.NewDecoder(strings.NewReader(body))
	decoder.DisallowUnknownFields()
	var found introspection
	if err := decoder.Decode(&found); err != nil || response.StatusCode != http.StatusOK {
		b.Fatalf("/lookup: status %d, %s: %v", response.StatusCode, body, err)
	}
	return &found
}

// WantActive checks that an access token is active.
func (b *testBridge) WantActive(token string) {
	b.Helper()
	if !b.Lookup(token).Active {
		b.Fatal("the access token is inactive, want active")
	}
}

// WantInactive checks that an access token is inactive.
func (b *testBridge) WantInactive(token string) {
	b.Helper()
	if b.Lookup(token).Active {
		b.Error("the access token is active, want inactive")
	}
}

// NewRequest returns a request to a path or URL of the bridge, with the form as its body. A nil form: no body.
func (b *testBridge) NewRequest(method, target string, form url.Values) *http.Request {
	b.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	request, err := http.NewRequestWithContext(b.Context(), method, b.Origin+strings.TrimPrefix(target, b.Origin), body)
	if err != nil {
		b.Fatal(err)
	}
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return request
}

// Do sends a request without following redirects, and returns the response and its body.
func (b *testBridge) Do(request *http.Request) (*http.Response, string) {
	b.Helper()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(request)
	if err != nil {
		b.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		b.Fatal(err)
	}
	return response, string(body)
}
