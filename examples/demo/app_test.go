package main

import (
	"html"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/alexa/simulator"
)

// visit is a person with a browser. It does what the script of the page would do.
type visit struct {
	*testing.T
	demo    *demo
	grant   bridge.Grant
	phone   *simulator.Phone
	secrets []string // must not be on any page
}

func newVisit(t *testing.T) *visit {
	t.Helper()
	ownTemp(t)
	d, err := startDemo(0, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.stop(); err != nil {
			t.Error(err)
		}
	})
	v := &visit{T: t, demo: d, grant: bridge.GrantImplicit, phone: simulator.NewPhone()}
	v.phone.Destinations = d.alexa.destinations()
	v.phone.Trace = v.remember
	return v
}

// remember records the secrets that pass through the browser.
func (v *visit) remember(exchange simulator.Exchange) {
	location, _ := url.Parse(exchange.Location)
	fragment, _ := url.ParseQuery(location.EscapedFragment())
	for _, values := range []url.Values{exchange.URL.Query(), exchange.Form, location.Query(), fragment} {
		for _, name := range []string{"state", "code", "nonce", "code_challenge", "token", "access_token", "authRequestID",
			"id"} {
			if values.Has(name) {
				v.secrets = append(v.secrets, values.Get(name))
			}
		}
	}
}

// come opens Alexa's redirect URI for the authorization code grant and follows its redirect.
func (v *visit) come(query string) *simulator.Page {
	v.Helper()
	request, err := http.NewRequestWithContext(v.Context(), http.MethodGet, v.demo.origins.Alexa+codePath+"?"+query, nil)
	if err != nil {
		v.Fatal(err)
	}
	request.Header.Set("Sec-Fetch-Site", "cross-site")
	page, err := v.phone.Do(request)
	if err != nil {
		v.Fatal(err)
	}
	return page
}

// press submits a form of the page.
func (v *visit) press(path string, form url.Values) *simulator.Page {
	v.Helper()
	request, err := http.NewRequestWithContext(v.Context(), http.MethodPost, v.demo.origins.Alexa+path,
		strings.NewReader(form.Encode()))
	if err != nil {
		v.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Sec-Fetch-Site", "same-origin")
	page, err := v.phone.Do(request)
	if err != nil {
		v.Fatal(err)
	}
	return page
}

func (v *visit) submit(page *simulator.Page, values url.Values) *simulator.Page {
	v.Helper()
	next, err := v.phone.Submit(page, values)
	if err != nil {
		v.Fatal(err)
	}
	return next
}

// signIn enables the skill and signs in at the company.
func (v *visit) signIn(login string) *simulator.Page {
	v.Helper()
	for _, person := range v.demo.people {
		if person.Login == login {
			page := v.press("/enable", url.Values{"grant": {string(v.grant)}})
			return v.submit(page, url.Values{"login": {login}, "password": {person.Password}, "action": {"sign-in"}})
		}
	}
	v.Fatalf("there is no %s", login)
	return nil
}

// arrive does what the script at the redirect URI does.
func (v *visit) arrive(at *simulator.Page) *simulator.Page {
	v.Helper()
	if !at.Arrived {
		v.Fatalf("not at Alexa but at %s, status %d", at.URL.Path, at.Status)
	}
	for _, cookie := range v.phone.Client.Jar.Cookies(at.URL) {
		v.secrets = append(v.secrets, cookie.Value)
	}
	if v.grant == bridge.GrantAuthorizationCode {
		return v.come(at.URL.RawQuery)
	}
	return v.press("/arrived", url.Values{"fragment": {at.URL.EscapedFragment()}})
}

func (v *visit) link(login string) *simulator.Page {
	v.Helper()
	return v.arrive(v.submit(v.signIn(login), url.Values{"decision": {"link"}}))
}

func (v *visit) want(page *simulator.Page, status int, texts ...string) {
	v.Helper()
	body := html.UnescapeString(page.Body)
	if page.Status != status {
		v.Errorf("status %d, want %d", page.Status, status)
	}
	for _, text := range texts {
		if !strings.Contains(body, text) {
			v.Errorf("no %q on the page:\n%s", text, body)
		}
	}
	for _, secret := range v.secrets {
		if len(secret) > 8 && strings.Contains(body, secret) {
			v.Errorf("a secret is on the page: %s", secret)
		}
	}
}

func TestLinkAndAsk(t *testing.T) {
	v := newVisit(t)
	start, err := v.phone.Open(v.demo.origins.Alexa)
	if err != nil {
		t.Fatal(err)
	}
	v.want(start, http.StatusOK, "Enable to use", "Nothing yet.", "This is what to expect", v.demo.origins.Bridge)

	v.want(v.link("ada"), http.StatusOK, "Your account is linked", "access_token=aob_at_",
		"state=A2SAAEAE…(737 characters)",
		"password=•••", "A page: Link Contoso Pizza to Alexa")
	if len(v.secrets) < 10 {
		t.Errorf("only %d secrets were seen, so nothing is proved", len(v.secrets))
	}
	v.want(v.press("/ask", nil), http.StatusOK, "Hello Ada", `"upstream_iss": "`+v.demo.origins.Provider+`/"`)

	v.want(v.press("/revoke", nil), http.StatusOK, "revoked lnk_", "Ask the skill again.")
	v.want(v.press("/ask", nil), http.StatusOK, "please link your account in the Alexa app", `"active": false`,
		"Link account")

	v.want(v.link("grace"), http.StatusOK, "Your account is linked")
	v.want(v.press("/ask", nil), http.StatusOK, "Hello Grace")
	v.want(v.press("/disable", nil), http.StatusOK, "Enable to use", "Alexa has forgotten its tokens.")
}

func TestNotLinked(t *testing.T) {
	t.Run("the skill's allow does not hold", func(t *testing.T) {
		v := newVisit(t)
		v.want(v.arrive(v.submit(v.signIn("guest"), url.Values{"decision": {"cancel"}})), http.StatusOK,
			"Your account is not linked", "access_denied: The account was not linked.")
		v.want(v.press("/ask", nil), http.StatusOK, "please link your account in the Alexa app")
	})
	t.Run("the person cancels", func(t *testing.T) {
		v := newVisit(t)
		end := v.submit(v.signIn("ada"), url.Values{"decision": {"cancel"}})
		v.want(v.arrive(end), http.StatusOK, "Your account is not linked", "access_denied: The person cancelled.")
	})
	t.Run("the answer is neither", func(t *testing.T) {
		v := newVisit(t)
		v.press("/enable", url.Values{"grant": {"implicit"}})
		answer := url.Values{"state": {v.demo.alexa.snapshot().Pending.State}}
		v.want(v.press("/arrived", url.Values{"fragment": {answer.Encode()}}), http.StatusOK,
			"neither what was requested nor an error")
	})
}

func TestForeignState(t *testing.T) {
	const foreign = "state=another&access_token=aob_at_of_a_stranger&token_type=Bearer"
	tests := []struct {
		name     string
		begin    bool
		fragment string
	}{
		{"another state", true, foreign},
		{"no state", true, "access_token=aob_at_of_a_stranger"},
		{"empty", true, ""},
		{"malformed", true, "%zz"},
		{"nothing was begun", false, "state=&access_token=aob_at_of_a_stranger"},
	}
	v := newVisit(t)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			v.T = t
			v.press("/disable", nil)
			if test.begin {
				v.press("/enable", url.Values{"grant": {"implicit"}})
			}
			v.want(v.press("/arrived", url.Values{"fragment": {test.fragment}}), http.StatusBadRequest,
				"The account was not linked")
			if now := v.demo.alexa.snapshot(); now.Token != "" || (now.Pending != nil) != test.begin {
				t.Errorf("the account has changed: token %t, begun %t", now.Token != "", now.Pending != nil)
			}
		})
	}
}

// TestStateOnce sends the same response twice, as a browser's back button does.
func TestStateOnce(t *testing.T) {
	v := newVisit(t)
	end := v.submit(v.signIn("ada"), url.Values{"decision": {"link"}})
	v.want(v.arrive(end), http.StatusOK, "Your account is linked")
	v.want(v.arrive(end), http.StatusBadRequest, "The account was not linked")
	v.want(v.press("/ask", nil), http.StatusOK, "Hello Ada")
}

func TestGuard(t *testing.T) {
	v := newVisit(t)
	for _, test := range []struct {
		name, method, path, host, site string
		status                         int
	}{
		{"page", "GET", "/", "", "", http.StatusOK},
		{"by the name localhost", "GET", "/", "localhost", "", http.StatusOK},
		{"by a name that is pointed here", "GET", "/", "rebound.example", "", http.StatusMisdirectedRequest},
		{"form of another site", "POST", "/revoke", "", "cross-site", http.StatusForbidden},
		{"form of another port", "POST", "/enable", "", "same-site", http.StatusForbidden},
		{"Alexa's redirect URI for codes", "GET", codePath, "", "cross-site", http.StatusBadRequest},
		{"page at Alexa's redirect URI", "GET", implicitPath, "", "cross-site", http.StatusOK},
		{"configuration", "GET", "/configuration", "", "", http.StatusOK},
		{"form without a grant", "POST", "/enable", "", "same-origin", http.StatusBadRequest},
		{"style sheet", "GET", "/style.css", "", "", http.StatusOK},
		{"script", "GET", "/arrival.js", "", "", http.StatusOK},
		{"nothing", "GET", "/pages/home.html", "", "", http.StatusNotFound},
	} {
		t.Run(test.name, func(t *testing.T) {
			request, err := http.NewRequestWithContext(t.Context(), test.method, v.demo.origins.Alexa+test.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			if test.host != "" {
				request.Host = test.host + ":" + request.URL.Port()
			}
			if test.site != "" {
				request.Header.Set("Sec-Fetch-Site", test.site)
			}
			response, err := v.phone.Client.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			if response.StatusCode != test.status {
				t.Errorf("status %d, want %d", response.StatusCode, test.status)
			}
			policy := response.Header.Get("Content-Security-Policy")
			if test.status == http.StatusOK && (!strings.HasPrefix(policy, "default-src 'none'") ||
				strings.Contains(policy, "unsafe")) {
				t.Errorf("policy %q", policy)
			}
		})
	}
}

// TestConfigurationPage checks that the page shows the configuration, and no secret.
func TestConfigurationPage(t *testing.T) {
	v := newVisit(t)
	page, err := v.phone.Open(v.demo.origins.Alexa + "/configuration")
	if err != nil {
		t.Fatal(err)
	}
	v.want(page, http.StatusOK, "public_url: "+v.demo.origins.Bridge, "${file:skill_secret}", "${file:backend_secret}",
		v.demo.folder)
	if found := secretRun.FindString(page.Body); found != "" {
		t.Errorf("a secret is on the page: %s", found)
	}
}
