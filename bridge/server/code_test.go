package server_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/simulator"
)

const (
	skillSecret = "s3cret-of-the-pizza-skill-0123456789"
	verifier    = "a-verifier-of-forty-three-characters-or-more"
)

// withCode lets the pizza skill use the code grant beside the implicit one.
func withCode(r *rig) {
	r.skill.Grants = []bridge.Grant{bridge.GrantImplicit, bridge.GrantAuthorizationCode}
	r.skill.Secrets = []bridge.Secret{bridge.NewSecret(skillSecret), bridge.NewSecret("new+" + skillSecret + "/=")}
	r.skill.AccessLifetime, r.skill.CodeLifetime = time.Hour, time.Minute
	r.secret(skillSecret)
	r.secret(verifier)
}

// withLights gives the other skill the code grant too.
func withLights(r *rig) {
	lights := r.config.Skills[1]
	lights.Grants = []bridge.Grant{bridge.GrantAuthorizationCode}
	lights.Secrets = []bridge.Secret{bridge.NewSecret(otherSecret)}
	lights.AccessLifetime, lights.CodeLifetime = time.Hour, time.Minute
}

func challenge(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func (r *rig) codeRequest() simulator.Request {
	request := r.request()
	request.ResponseType = "code"
	return request
}

// code takes a fresh phone to a code. What is given is added to the authorization request.
func (r *rig) code(more string) string {
	r.Helper()
	phone := simulator.NewPhone()
	request := r.codeRequest()
	login := r.open(phone, request.URL()+more)
	answer := r.answer(request, r.decide(phone, r.fillIn(phone, login, ada), "link"))
	if answer.Get("state") != request.State || answer.Get("iss") != r.origin || answer.Get("code") == "" {
		r.Fatalf("answer %v", answer)
	}
	r.secret(answer.Get("code"))
	return answer.Get("code")
}

func TestCodeRedirect(t *testing.T) {
	r := newRig(t, withCode)
	for i, uri := range r.skill.RedirectURIs {
		phone := simulator.NewPhone()
		request := r.codeRequest()
		request.RedirectURI = uri
		consent := r.signIn(phone, request, ada)
		arrived := r.decide(phone, consent, "link")
		code := arrived.URL.Query().Get("code")
		separator := map[bool]string{true: "&", false: "?"}[strings.Contains(uri, "?")]
		want := uri + separator + "code=" + code + "&state=" + request.State + "&iss=" + url.QueryEscape(r.origin)
		if arrived.URL.String() != want {
			t.Errorf("form %d: %s\nwant %s", i, arrived.URL, want)
		}
		if again := r.decide(phone, consent, "link"); again.URL.String() != want {
			t.Errorf("a second tap: %s", again.URL)
		}
		r.clock.advance(11 * time.Second) // a code that comes again so late would end the link
		r.wantPage(r.decide(phone, consent, "link"), http.StatusBadRequest, "You have answered this already")
		cancelled := simulator.NewPhone()
		refused := r.answer(request, r.decide(cancelled, r.signIn(cancelled, request, ada), "cancel"))
		if refused.Get("error") != "access_denied" || refused.Get("iss") != r.origin || refused.Get("state") != request.State {
			t.Errorf("cancelled: %v", refused)
		}
	}
	r.wantLinks(len(r.skill.RedirectURIs))
}

func TestChallengeFaults(t *testing.T) {
	r := newRig(t, withCode)
	good := "&code_challenge=" + challenge(verifier)
	for name, more := range map[string]string{
		"plain":              good + "&code_challenge_method=plain",
		"no method is plain": good,
		"another method":     good + "&code_challenge_method=s256",
		"method alone":       "&code_challenge_method=S256",
		"too short":          "&code_challenge=abc&code_challenge_method=S256",
		"padded":             good + "=&code_challenge_method=S256",
		"method repeated":    good + "&code_challenge_method=S256&code_challenge_method=S256",
	} {
		request := r.codeRequest()
		answer := r.answer(request, r.open(simulator.NewPhone(), request.URL()+more))
		if answer.Get("error") != "invalid_request" || answer.Get("state") != request.State || answer.Get("iss") != r.origin {
			t.Errorf("%s: %v", name, answer)
		}
	}
	r.skill.RequirePKCE = true
	request := r.codeRequest()
	r.wantError(request, r.open(simulator.NewPhone(), request.URL()), "invalid_request")
	implicit := r.request()
	r.wantPage(r.open(simulator.NewPhone(), implicit.URL()), http.StatusOK, "Sign in to Contoso")
	r.code(good + "&code_challenge_method=S256")
}

// A skill moves from one grant to the other without breaking who is linked: taking implicit away stops new links only.
func TestMovingFromImplicitToCode(t *testing.T) {
	r := newRig(t, withCode)
	token := r.link(simulator.NewPhone(), ada)
	r.wantTokens(r.exchange(url.Values{"code": {r.code("")}}))
	phone := simulator.NewPhone()
	underWay := r.signIn(phone, r.request(), ada)
	r.skill.Grants = []bridge.Grant{bridge.GrantAuthorizationCode}
	r.restart()
	r.wantActive(token)
	r.wantPage(r.decide(phone, underWay, "link"), http.StatusBadRequest, "This skill is not known here")
	request := r.request()
	r.wantError(request, r.open(simulator.NewPhone(), request.URL()), "unauthorized_client")
	revoked, err := r.store.Revoke(t.Context(), bridge.LinkFilter{Grant: bridge.GrantImplicit}, bridge.ReasonOperator, time.Now())
	if err != nil || len(revoked) != 1 || r.lookup(token).Active {
		t.Errorf("%v, %v", revoked, err)
	}
}

func TestCodeSurvivesARestart(t *testing.T) {
	r := newRig(t, withCode)
	code := r.code("&code_challenge=" + challenge(verifier) + "&code_challenge_method=S256")
	r.restartWithNewKey()
	given := r.wantTokens(r.exchange(url.Values{"code": {code}, "code_verifier": {verifier}}))
	r.restartWithNewKey()
	r.wantActive(given.AccessToken)
	r.noSecrets("the database", r.readDatabase())
	r.noSecrets("the metrics", r.metrics())
}

// Taking the code grant away stops new links only, as with implicit.
func TestRefreshWithoutTheGrant(t *testing.T) {
	r := newRig(t, withCode)
	code := r.code("")
	live := r.wantTokens(r.exchange(url.Values{"code": {r.code("")}}))
	r.skill.Grants = []bridge.Grant{bridge.GrantImplicit}
	r.restart()
	r.wantTokens(r.refresh(live.RefreshToken))
	response, body := r.exchange(url.Values{"code": {code}})
	r.wantRefused(response, body, 400, "unauthorized_client")
}
