package server_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"

	"alexa-oidc-bridge/bridge/alexa"
	"alexa-oidc-bridge/bridge/lookup"
	"alexa-oidc-bridge/bridge/simulator"
	"alexa-oidc-bridge/bridge/upstreamtest"
)

// request is what Alexa asks for the pizza skill in Europe.
func (r *rig) request() simulator.Request {
	state := simulator.NewState()
	r.secret(state)
	return simulator.Request{
		AuthorizationURI: r.origin + "/authorize", ClientID: "pizza", ResponseType: "token", State: state,
		Scopes: []string{"orders"}, RedirectURI: alexa.RedirectURIs(vendorID)[3],
	}
}

// signIn takes a phone from Alexa's request to whatever comes after the sign-in at the provider.
func (r *rig) signIn(phone *simulator.Phone, request simulator.Request, person upstreamtest.Person) *simulator.Page {
	r.Helper()
	return r.fillIn(phone, r.open(phone, request.URL()), person)
}

// fillIn signs the person in on the provider's page.
func (r *rig) fillIn(phone *simulator.Phone, login *simulator.Page, person upstreamtest.Person) *simulator.Page {
	r.Helper()
	if login.Status != http.StatusOK || !strings.HasPrefix(login.URL.String(), r.provider.Issuer()) {
		r.Fatalf("not at the provider but at %s, status %d:\n%s", login.URL, login.Status, login.Body)
	}
	return r.submit(phone, login, url.Values{"login": {person.Login}, "password": {person.Password}, "action": {"sign-in"}})
}

func (r *rig) open(phone *simulator.Phone, address string) *simulator.Page {
	r.Helper()
	page, err := phone.Open(address)
	if err != nil {
		r.Fatal(err)
	}
	return page
}

func (r *rig) submit(phone *simulator.Phone, page *simulator.Page, values url.Values) *simulator.Page {
	r.Helper()
	next, err := phone.Submit(page, values)
	if err != nil {
		r.Fatal(err)
	}
	return next
}

// decide presses a button of the consent page.
func (r *rig) decide(phone *simulator.Phone, page *simulator.Page, decision string) *simulator.Page {
	r.Helper()
	return r.submit(phone, page, url.Values{"decision": {decision}})
}

// link takes a phone all the way to a token.
func (r *rig) link(phone *simulator.Phone, person upstreamtest.Person) string {
	r.Helper()
	request := r.request()
	arrived := r.decide(phone, r.signIn(phone, request, person), "link")
	return r.wantToken(request, arrived)
}

// answer takes Alexa's parameters out of where a phone arrived.
func (r *rig) answer(request simulator.Request, page *simulator.Page) url.Values {
	r.Helper()
	if !page.Arrived {
		r.Fatalf("did not arrive at Alexa but at %s, status %d:\n%s", page.URL, page.Status, page.Body)
	}
	answer, err := request.Answer(page.URL)
	if err != nil {
		r.Fatal(err)
	}
	if token := answer.Get("access_token"); token != "" {
		r.secret(token)
	}
	return answer
}

func (r *rig) wantToken(request simulator.Request, page *simulator.Page) string {
	r.Helper()
	answer := r.answer(request, page)
	token := answer.Get("access_token")
	want := url.Values{"state": {request.State}, "access_token": {token}, "token_type": {"Bearer"}}
	if token == "" || answer.Encode() != want.Encode() {
		r.Fatalf("the answer is not a token: %v", answer)
	}
	return token
}

func (r *rig) wantError(request simulator.Request, page *simulator.Page, code string) {
	r.Helper()
	answer := r.answer(request, page)
	if answer.Get("error") != code || answer.Get("state") != request.State || answer.Has("access_token") {
		r.Fatalf("answer %v, want error %s", answer, code)
	}
}

// wantPage checks that a phone sees a page with that status and text, from the bridge, and was not redirected away.
func (r *rig) wantPage(page *simulator.Page, status int, text string) {
	r.Helper()
	if page.Arrived || page.Status != status || !strings.Contains(page.Body, text) {
		r.Fatalf("at %s, status %d, want %d with %q:\n%s", page.URL, page.Status, status, text, page.Body)
	}
}

func (r *rig) backend() *lookup.Client {
	return &lookup.Client{Endpoint: r.origin + "/lookup", ID: backendID, Secret: backendSecret}
}

func (r *rig) lookup(token string) *lookup.Answer {
	r.Helper()
	answer, err := r.backend().Lookup(r.Context(), token)
	if err != nil {
		r.Fatal(err)
	}
	return answer
}

func (r *rig) wantActive(token string) {
	r.Helper()
	if !r.lookup(token).Active {
		r.Fatal("the token is not active")
	}
}

// do sends a request as it is, without following redirects.
func (r *rig) do(request *http.Request) (*http.Response, string) {
	r.Helper()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(request)
	if err != nil {
		r.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		r.Fatal(err)
	}
	return response, string(body)
}

func (r *rig) newRequest(method, path string, form url.Values) *http.Request {
	r.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	request, err := http.NewRequestWithContext(r.Context(), method, r.origin+path, body)
	if err != nil {
		r.Fatal(err)
	}
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return request
}
