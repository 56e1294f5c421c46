package server_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/alexa/simulator"
)

const (
	foreignFolder   = "testdata/client"
	foreignRedirect = "https://client.example/back"
	// foreignSecret has what HTTP Basic has to encode and to decode (RFC 6749 §2.3.1).
	foreignSecret = "a+b/c=d:e%41 f&g-0123456789abcdef"
)

// foreignClient is a client of the pizza skill's that somebody else wrote. It runs as a process of its own and knows the
// bridge by its metadata only.
type foreignClient struct {
	*rig
	input  io.Writer
	output *bufio.Scanner
	faults *logBuffer
}

// foreignTokens is all that a token answer may hold (RFC 6749 §5.1).
type foreignTokens struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"`
	RefreshToken string `json:"refresh_token"`
	Scope        string `json:"scope"`
}

// foreignFailure is what the client makes of a refusal.
type foreignFailure struct {
	Code    string `json:"code"`   // the library's
	Error   string `json:"error"`  // the bridge's
	Scheme  string `json:"scheme"` // of the challenge, if there is one
	Status  int    `json:"status"` // 0: it was a redirect
	Message string `json:"message"`
}

// refusedGrant is what the token endpoint says of a code or refresh token that is not good.
func refusedGrant() foreignFailure {
	return foreignFailure{Code: "OAUTH_RESPONSE_BODY_ERROR", Error: "invalid_grant", Status: 400}
}

// newForeignClient starts a bridge, and a client which has read its metadata and authenticates by the method given.
func newForeignClient(t *testing.T, method string, changes ...func(*rig)) *foreignClient {
	t.Helper()
	_, err := exec.LookPath("node")
	need(t, err == nil, "there is no node on the PATH")
	_, err = os.Stat(filepath.Join(foreignFolder, "node_modules", "oauth4webapi"))
	need(t, err == nil, "npm ci has not been run in "+foreignFolder)
	c := &foreignClient{rig: newRig(t, append([]func(*rig){useCodes}, changes...)...), faults: &logBuffer{}}
	c.secret(foreignSecret)
	c.run()
	var metadata struct{ Issuer string }
	c.does("discover", map[string]any{
		"issuer": c.origin,
		"client": map[string]string{
			"client_id": "pizza", "secret": foreignSecret, "auth": method, "redirect_uri": c.skill.RedirectURIs[0],
		},
		"backend": map[string]string{"client_id": backendID, "secret": backendSecret, "auth": method},
	}, &metadata)
	if metadata.Issuer != c.origin {
		t.Fatalf("the metadata's issuer is %q, want %q", metadata.Issuer, c.origin)
	}
	return c
}

// useCodes lets the pizza skill use both grants. Its redirect URI has a query, which must stay.
func useCodes(r *rig) {
	r.skill.Grants = []bridge.Grant{bridge.GrantImplicit, bridge.GrantAuthorizationCode}
	r.skill.RedirectURIs = append([]string{foreignRedirect + "?app=pizza"}, r.skill.RedirectURIs...)
	r.skill.Secrets = []bridge.Secret{bridge.NewSecret(foreignSecret)}
	r.skill.CodeLifetime, r.skill.AccessLifetime = 5*time.Minute, time.Hour
}

func requirePKCE(r *rig) { r.skill.RequirePKCE = true }

func rotate(r *rig) { r.skill.RotateRefresh = true }

// run starts the process, which ends with the test, and before that when it hangs.
func (c *foreignClient) run() {
	c.Helper()
	process := exec.Command("node", "client.js")
	process.Dir, process.Stderr = foreignFolder, c.faults
	input, err := process.StdinPipe()
	if err != nil {
		c.Fatal(err)
	}
	output, err := process.StdoutPipe()
	if err != nil {
		c.Fatal(err)
	}
	if err := process.Start(); err != nil {
		c.Fatal(err)
	}
	giveUp := time.AfterFunc(time.Minute, func() { process.Process.Kill() })
	c.Cleanup(func() {
		giveUp.Stop()
		stop(process)
	})
	c.input, c.output = input, bufio.NewScanner(output)
}

// ask sends the client on an errand. One of the results is nil.
func (c *foreignClient) ask(errand string, given map[string]any) (done json.RawMessage, failed *foreignFailure) {
	c.Helper()
	line := map[string]any{"errand": errand}
	for name, value := range given {
		line[name] = value
	}
	text, err := json.Marshal(line)
	if err != nil {
		c.Fatal(err)
	}
	c.input.Write(append(text, '\n')) // a failure shows as an output without an answer
	if !c.output.Scan() {
		c.Fatalf("the client ended during %s:\n%s", errand, c.faults)
	}
	var answer struct {
		Done   json.RawMessage
		Failed *foreignFailure
	}
	if err := json.Unmarshal(c.output.Bytes(), &answer); err != nil {
		c.Fatal(err)
	}
	return answer.Done, answer.Failed
}

// does sends the client on an errand that succeeds, and reads what came of it.
func (c *foreignClient) does(errand string, given map[string]any, answer any) {
	c.Helper()
	done, failed := c.ask(errand, given)
	if failed != nil {
		c.Fatalf("%s failed: %+v", errand, *failed)
	}
	if err := json.Unmarshal(done, answer); err != nil {
		c.Fatalf("%s: %v", errand, err)
	}
}

// fails sends the client on an errand that fails in this way.
func (c *foreignClient) fails(errand string, given map[string]any, want foreignFailure) {
	c.Helper()
	_, failed := c.ask(errand, given)
	if failed == nil {
		c.Fatalf("%s succeeded, want %+v", errand, want)
	}
	got := *failed
	got.Message = ""
	if got != want {
		c.Fatalf("%s: %+v (%s), want %+v", errand, got, failed.Message, want)
	}
}

// authorizationURL has the client begin a flow.
func (c *foreignClient) authorizationURL(pkce bool) string {
	c.Helper()
	var begun struct{ URL, State, Verifier string }
	c.does("authorize", map[string]any{"scope": "orders", "pkce": pkce}, &begun)
	c.secret(begun.State)
	c.secret(begun.Verifier)
	return begun.URL
}

// consented has ada walk through a flow that the client begins, and returns where she comes back.
func (c *foreignClient) consented(pkce bool) string {
	c.Helper()
	phone := simulator.NewPhone()
	phone.Destinations = []string{foreignRedirect}
	page := c.fillIn(phone, c.open(phone, c.authorizationURL(pkce)), ada)
	return c.cameBack(c.decide(phone, page, "link"), "code", "state", "iss")
}

// cameBack returns where a phone arrived, with these parameters, once each, and the redirect URI's own and nothing else.
func (c *foreignClient) cameBack(page *simulator.Page, names ...string) string {
	c.Helper()
	query, err := url.ParseQuery(page.URL.RawQuery)
	if err != nil || !page.Arrived || !strings.HasPrefix(page.URL.String(), foreignRedirect+"?app=pizza&") || page.URL.Fragment != "" {
		c.Fatalf("did not come back but is at %s, status %d:\n%s", page.URL, page.Status, page.Body)
	}
	for _, name := range append(names, "app") {
		if len(query[name]) != 1 || query.Get(name) == "" {
			c.Errorf("the answer has no %s, or several: %v", name, query)
		}
	}
	if len(query) != len(names)+1 {
		c.Errorf("the answer is %v, want only %v", query, names)
	}
	c.secret(query.Get("code"))
	return page.URL.String()
}

// tokens has the client get tokens, and checks what does not depend on how it got them.
func (c *foreignClient) tokens(errand string, given map[string]any) foreignTokens {
	c.Helper()
	var body json.RawMessage
	c.does(errand, given, &body)
	var tokens foreignTokens
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&tokens); err != nil {
		c.Fatalf("%s: %v", errand, err)
	}
	want := foreignTokens{tokens.AccessToken, "Bearer", 3600, tokens.RefreshToken, "orders"}
	if tokens != want || tokens.AccessToken == "" || tokens.RefreshToken == "" {
		c.Fatalf("%s gave %+v, want %+v", errand, tokens, want)
	}
	c.secret(tokens.AccessToken)
	c.secret(tokens.RefreshToken)
	return tokens
}

// linked takes a flow with a challenge all the way to tokens.
func (c *foreignClient) linked() foreignTokens {
	c.Helper()
	return c.tokens("exchange", map[string]any{"redirect": c.consented(true)})
}

func (c *foreignClient) refreshed(token string) foreignTokens {
	c.Helper()
	return c.tokens("refresh", map[string]any{"token": token})
}

func (c *foreignClient) wantIntrospected(token string) {
	c.Helper()
	var got struct {
		Active    bool
		Iss, Sub  string
		ClientID  string `json:"client_id"`
		Scope     string
		TokenType string `json:"token_type"`
		Iat, Exp  int64
	}
	want := got
	c.does("introspect", map[string]any{"token": token}, &got)
	want.Active, want.Iss, want.Sub, want.ClientID = true, c.origin, ada.Subject, "pizza"
	want.Scope, want.TokenType, want.Iat, want.Exp = "orders", "Bearer", got.Iat, got.Iat+3600
	if got != want || got.Iat == 0 {
		c.Errorf("introspection says %+v, want %+v", got, want)
	}
}

func (c *foreignClient) wantInactive(token string) {
	c.Helper()
	var got json.RawMessage
	c.does("introspect", map[string]any{"token": token}, &got)
	if string(got) != `{"active":false}` {
		c.Errorf("introspection says %s of a token whose link has ended", got)
	}
}
