package server_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge/alexa/simulator"
	"alexa-oidc-bridge/internal/testbridge"
)

func TestCallbackAccessDenied(t *testing.T) {
	t.Parallel()
	b := startBridge(t)
	phone, request := simulator.NewPhone(), b.Request()
	login := b.Open(phone, request.URL())
	arrived := b.Submit(phone, login, url.Values{"action": {"cancel"}})
	b.WantError(request, arrived, "access_denied")
	description := b.AuthorizationResponse(request, arrived).Get("error_description")
	if strings.Contains(description, "person cancelled") {
		t.Errorf("the provider's error description is sent to Alexa: %s", description)
	}
	if !strings.Contains(b.Logs.String(), "the person cancelled") {
		t.Error("the provider's error description is not in the log")
	}
}

func TestCallbackErrors(t *testing.T) {
	t.Parallel()
	b := startBridge(t)
	for code, want := range map[string]struct {
		status int
		text   string
	}{
		"temporarily_unavailable": {http.StatusServiceUnavailable, "sign‑in does not answer"},
		"server_error":            {http.StatusServiceUnavailable, "sign‑in does not answer"},
		"disallowed_useragent":    {http.StatusForbidden, "Please open this in your browser"},
	} {
		phone, request := simulator.NewPhone(), b.Request()
		callback := mustParse(b.CallbackURL(phone, request))
		query := url.Values{"state": callback.Query()["state"], "error": {code},
			"error_description": {"<b>call 555-0100 to win</b>"}}
		page := b.Open(phone, b.Origin+callback.Path+"?"+query.Encode())
		b.WantPage(page, want.status, want.text)
		if strings.Contains(page.Body, "555-0100") {
			t.Error("the provider's error description is on the page")
		}
		b.LinkAgain(phone, request, page)
	}
	if strings.Contains(b.Logs.String(), `"level":"ERROR"`) {
		t.Error("what only the browser brought is an ERROR")
	}
}

func TestCallbackWithUnknownCode(t *testing.T) {
	t.Parallel()
	b := startBridge(t)
	phone, request := simulator.NewPhone(), b.Request()
	callback := mustParse(b.CallbackURL(phone, request))
	query := callback.Query()
	query.Set("code", "made-up-code")
	b.KeepSecret("made-up-code")
	page := b.Open(phone, b.Origin+callback.Path+"?"+query.Encode())
	b.WantPage(page, http.StatusBadRequest, "Please sign in once more")
	b.WantLogged(map[string]any{"msg": "not linked", "level": "WARN", "reason": "sign_in_outdated", "stage": "token"})
	b.WantLinks(0)
	again := b.SubmitLogin(phone, b.Submit(phone, page, url.Values{"decision": {"switch"}}), testbridge.Ada())
	b.WantToken(request, b.Decide(phone, again, "link"))
}

func TestProviderOutage(t *testing.T) {
	t.Parallel()
	b := startBridge(t)
	token := b.Link()
	b.Provider.SetDown(true)
	b.Restart()

	b.WantActive(token)
	phone, request := simulator.NewPhone(), b.Request()
	page := b.Open(phone, request.URL())
	b.WantPage(page, http.StatusServiceUnavailable, "Your company’s sign‑in does not answer")
	if !strings.Contains(page.Body, `href=""`) || strings.Contains(page.Body, request.State) {
		t.Error("the page has no link to try again, or contains the state")
	}
	b.Provider.SetDown(false)
	b.Clock.Advance(retryAfter)
	consent := b.SubmitLogin(phone, b.Open(phone, page.URL.String()), testbridge.Ada())
	b.WantPage(consent, http.StatusOK, "Ada Lovelace")

	callback := b.CallbackURL(phone, request)
	b.Provider.SetDown(true)
	page = b.Open(phone, callback)
	b.WantPage(page, http.StatusServiceUnavailable, "Your company’s sign‑in does not answer")
	b.Provider.SetDown(false)
	b.WantActive(b.LinkAgain(phone, request, page))
}

// retryAfter is longer than a failed discovery is cached.
const retryAfter = 5 * time.Second

// If the store fails after the code was exchanged, the page starts the sign-in anew.
func TestCallbackStoreFails(t *testing.T) {
	t.Parallel()
	b := startBridge(t)
	store := hookStore(b)
	store.be(failing("CreatePendingConsent"))
	phone, request := simulator.NewPhone(), b.Request()
	page := b.SignIn(phone, request, testbridge.Ada())
	b.WantPage(page, http.StatusServiceUnavailable, "We cannot save this right now")
	store.be(working)
	b.WantActive(b.LinkAgain(phone, request, page))
}
