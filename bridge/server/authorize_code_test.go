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

// The code grant sends its authorization response in the query, after the query that the redirect URI has.
func TestCodeResponse(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withCodeGrant)
	for _, uri := range b.Skill.RedirectURIs {
		phone := simulator.NewPhone()
		request := b.CodeRequest()
		request.RedirectURI = uri
		consent := b.SignIn(phone, request, testbridge.Ada())
		arrived := b.Decide(phone, consent, "link")
		code := arrived.URL.Query().Get("code")
		separator := map[bool]string{true: "&", false: "?"}[strings.Contains(uri, "?")]
		want := uri + separator + "code=" + code + "&state=" + request.State + "&iss=" + url.QueryEscape(b.Origin)
		if arrived.URL.String() != want {
			t.Errorf("redirected to %s\nwant          %s", arrived.URL, want)
		}
		if again := b.Decide(phone, consent, "link"); again.URL.String() != want {
			t.Errorf("a second tap redirected to %s\nwant                    %s", again.URL, want)
		}
		b.Clock.Advance(11 * time.Second) // later, a code presented twice revokes the link
		b.WantPage(b.Decide(phone, consent, "link"), http.StatusBadRequest, "You have answered this already")
		phone = simulator.NewPhone()
		cancelled := b.Decide(phone, b.SignIn(phone, request, testbridge.Ada()), "cancel")
		response := b.AuthorizationResponse(request, cancelled)
		if response.Get("error") != "access_denied" || response.Get("iss") != b.Origin ||
			response.Get("state") != request.State {
			t.Errorf("cancelled: authorization response %v", response)
		}
	}
	b.WantLinks(len(b.Skill.RedirectURIs))
}

func TestCodeChallengeErrors(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withCodeGrant)
	good := "&code_challenge=" + pkceChallenge(pkceVerifier)
	for name, more := range map[string]string{
		"plain":              good + "&code_challenge_method=plain",
		"no method is plain": good,
		"another method":     good + "&code_challenge_method=s256",
		"method alone":       "&code_challenge_method=S256",
		"too short":          "&code_challenge=abc&code_challenge_method=S256",
		"padded":             good + "=&code_challenge_method=S256",
		"method repeated":    good + "&code_challenge_method=S256&code_challenge_method=S256",
	} {
		request := b.CodeRequest()
		page := b.Open(simulator.NewPhone(), request.URL()+more)
		b.WantError(request, page, "invalid_request")
		if iss := page.URL.Query().Get("iss"); iss != b.Origin {
			t.Errorf("%s: iss %q", name, iss)
		}
	}
	b.Skill.RequirePKCE = true
	request := b.CodeRequest()
	b.WantError(request, b.Open(simulator.NewPhone(), request.URL()), "invalid_request")
	implicit := b.Request()
	b.WantPage(b.Open(simulator.NewPhone(), implicit.URL()), http.StatusOK, "Sign in to Contoso")
	b.Code(good + "&code_challenge_method=S256")
}
