//go:build strict

package server_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/alexa/simulator"
	"alexa-oidc-bridge/internal/testbridge"
	"alexa-oidc-bridge/internal/testmachine"
)

const (
	clientFolder   = "testdata/client"
	clientRedirect = "https://client.example/back"
	// clientSecret has characters that HTTP Basic must encode (RFC 6749 section 2.3.1).
	clientSecret = "a+b/c=d:e%41 f&g-0123456789abcdef"
)

// client is a bridge with panva's oauth4webapi as its client, in a process that knows the bridge by its metadata
// only.
type client struct {
	*testBridge
	input  io.Writer
	output *bufio.Scanner
	stderr *testbridge.Log
}

// clientError is what the client makes of an error response.
type clientError struct {
	Code    string `json:"code"`   // the library's
	Error   string `json:"error"`  // the bridge's
	Scheme  string `json:"scheme"` // of the challenge, if there is one
	Status  int    `json:"status"` // 0: it was a redirect
	Message string `json:"message"`
}

// invalidGrant is the error of a code or refresh token that is not valid.
func invalidGrant() clientError {
	return clientError{Code: "OAUTH_RESPONSE_BODY_ERROR", Error: "invalid_grant", Status: 400}
}

// A strict client that was not made for Alexa uses everything in the metadata.
func TestClient(t *testing.T) {
	t.Parallel()
	for method, rotates := range map[string]bool{"client_secret_basic": true, "client_secret_post": false} {
		t.Run(method, func(t *testing.T) {
			c := startClient(t, method, func(b *testBridge) { b.Skill.RotateRefresh = rotates })
			first := c.link()
			c.wantIntrospection(first.AccessToken)
			var userinfo map[string]any
			c.run("userinfo", map[string]any{"token": first.AccessToken, "subject": testbridge.Ada().Subject}, &userinfo)
			if userinfo["upstream_iss"] != c.Provider.Issuer() || userinfo["email"] != testbridge.Ada().Email {
				t.Errorf("userinfo %v", userinfo)
			}
			second := c.refresh(first.RefreshToken)
			if second.AccessToken == first.AccessToken || (second.RefreshToken != first.RefreshToken) != rotates {
				t.Errorf("a refresh returned the same access token, or another refresh token: %t", !rotates)
			}
			third := c.refresh(second.RefreshToken)
			c.wantIntrospection(third.AccessToken)
			c.run("revoke", map[string]any{"token": third.RefreshToken}, new(any))
			c.wantIntrospectedInactive(first.AccessToken)
			c.wantIntrospectedInactive(third.AccessToken)
			c.wantFailure("refresh", map[string]any{"token": third.RefreshToken}, invalidGrant())
			c.wantFailure("userinfo", map[string]any{"token": third.AccessToken, "subject": testbridge.Ada().Subject},
				clientError{Code: "OAUTH_WWW_AUTHENTICATE_CHALLENGE", Error: "invalid_token", Scheme: "bearer", Status: 401})
		})
	}
}

// What the client makes of errors. None of them uses up a code.
func TestClientErrors(t *testing.T) {
	t.Parallel()
	c := startClient(t, "client_secret_basic")
	redirect := c.authorize(true)
	c.wantFailure("exchange", map[string]any{"redirect": redirect, "secret": testbridge.LightsSecret},
		clientError{Code: "OAUTH_WWW_AUTHENTICATE_CHALLENGE", Scheme: "basic", Status: 401})
	wrong := strings.Repeat("w", 43)
	for _, verifier := range []any{wrong, nil} {
		c.wantFailure("exchange", map[string]any{"redirect": redirect, "verifier": verifier}, invalidGrant())
	}
	c.tokens("exchange", map[string]any{"redirect": redirect})

	redirect = c.authorize(false)
	c.wantFailure("exchange", map[string]any{"redirect": redirect, "verifier": wrong}, invalidGrant())
	c.Skill.RequirePKCE = true
	_, page := c.openAuthorization(false)
	redirect = c.wantRedirect(page, "app", "error", "error_description", "iss", "state")
	// The library checks iss and state before it reads the error.
	c.wantFailure("exchange", map[string]any{"redirect": redirect},
		clientError{Code: "OAUTH_AUTHORIZATION_RESPONSE_ERROR", Error: "invalid_request"})
	c.link() // with a challenge
}

// startClient starts a bridge, and a client that has read its metadata and authenticates by the given method.
func startClient(t *testing.T, method string, changes ...func(*testBridge)) *client {
	t.Helper()
	_, err := exec.LookPath("node")
	testmachine.Need(t, err == nil, "node is not on the PATH; install Node.js")
	_, err = os.Stat(filepath.Join(clientFolder, "node_modules", "oauth4webapi"))
	testmachine.Need(t, err == nil, "oauth4webapi is not installed; run npm ci in "+clientFolder)
	changes = append([]func(*testBridge){withClient}, changes...)
	c := &client{testBridge: startBridge(t, changes...), stderr: &testbridge.Log{}}
	c.KeepSecret(clientSecret)
	c.start()
	c.run("discover", map[string]any{
		"issuer": c.Origin,
		"client": map[string]string{"client_id": "pizza", "secret": clientSecret, "auth": method,
			"redirect_uri": c.Skill.RedirectURIs[0]},
		"backend": map[string]string{"client_id": testbridge.BackendID, "secret": testbridge.BackendSecret, "auth": method},
	}, new(any))
	return c
}

// withClient lets the skill "pizza" use both grants. The client's redirect URI has a query, which must remain.
func withClient(b *testBridge) {
	withCodeGrant(b)
	b.Skill.RedirectURIs = append([]string{clientRedirect + "?app=pizza"}, b.Skill.RedirectURIs...)
	b.Skill.Secrets = []bridge.Secret{bridge.NewSecret(clientSecret)}
	b.Skill.CodeLifetime = 5 * time.Minute
}

// start starts the process. It is killed when the test ends, or after a minute.
func (c *client) start() {
	c.Helper()
	process := exec.Command("node", "client.js")
	process.Dir, process.Stderr = clientFolder, c.stderr
	input, inputErr := process.StdinPipe()
	output, outputErr := process.StdoutPipe()
	if err := errors.Join(inputErr, outputErr, process.Start()); err != nil {
		c.Fatal(err)
	}
	timeout := time.AfterFunc(time.Minute, func() { process.Process.Kill() })
	c.Cleanup(func() { timeout.Stop(); kill(process) })
	c.input, c.output = input, bufio.NewScanner(output)
}

// send sends a command to the client. One of the results is nil.
func (c *client) send(command string, parameters map[string]any) (result json.RawMessage, failure *clientError) {
	c.Helper()
	line := map[string]any{"command": command}
	maps.Copy(line, parameters)
	json.NewEncoder(c.input).Encode(line) // after a failure there is no output
	var reply struct {
		Result  json.RawMessage
		Failure *clientError
	}
	if !c.output.Scan() || json.Unmarshal(c.output.Bytes(), &reply) != nil {
		c.Fatalf("%s: the client wrote %q:\n%s", command, c.output.Text(), c.stderr)
	}
	return reply.Result, reply.Failure
}

// run sends a command that must succeed, and decodes its result.
func (c *client) run(command string, parameters map[string]any, result any) {
	c.Helper()
	raw, failure := c.send(command, parameters)
	if failure != nil {
		c.Fatalf("%s failed: %+v", command, *failure)
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields() // where the result is a struct
	if err := decoder.Decode(result); err != nil {
		c.Fatalf("%s: %v", command, err)
	}
}

// wantFailure sends a command that must fail in this way, with any message.
func (c *client) wantFailure(command string, parameters map[string]any, want clientError) {
	c.Helper()
	_, failure := c.send(command, parameters)
	if failure == nil || *failure != (clientError{want.Code, want.Error, want.Scheme, want.Status, failure.Message}) {
		c.Fatalf("%s: %+v, want %+v", command, failure, want)
	}
}

// openAuthorization opens the client's authorization request on a new phone.
func (c *client) openAuthorization(pkce bool) (*simulator.Phone, *simulator.Page) {
	c.Helper()
	var request struct{ URL, State, Verifier string }
	c.run("authorize", map[string]any{"scope": "orders", "pkce": pkce}, &request)
	c.KeepSecret(request.State, request.Verifier)
	phone := simulator.NewPhone()
	phone.Destinations = []string{clientRedirect}
	return phone, c.Open(phone, request.URL)
}

// authorize has Ada consent to the client's authorization request, and returns where she is redirected to.
func (c *client) authorize(pkce bool) string {
	c.Helper()
	phone, login := c.openAuthorization(pkce)
	consent := c.SubmitLogin(phone, login, testbridge.Ada())
	return c.wantRedirect(c.Decide(phone, consent, "link"), "app", "code", "iss", "state")
}

// wantRedirect checks that a phone was redirected to the client with exactly these parameters, and returns the URL.
// The library checks that none is repeated.
func (c *client) wantRedirect(page *simulator.Page, names ...string) string {
	c.Helper()
	query := page.URL.Query()
	if !page.Arrived || !strings.HasPrefix(page.URL.String(), clientRedirect+"?app=pizza&") || page.URL.Fragment != "" {
		c.Fatalf("at %s, status %d, want the client's redirect URI:\n%s", page.URL, page.Status, page.Body)
	}
	if got := slices.Sorted(maps.Keys(query)); !slices.Equal(got, names) {
		c.Errorf("parameters %v, want %v", got, names)
	}
	c.KeepSecret(query.Get("code"))
	return page.URL.String()
}

// tokens runs a command that returns tokens.
func (c *client) tokens(command string, parameters map[string]any) tokenResponse {
	c.Helper()
	var tokens tokenResponse
	c.run(command, parameters, &tokens)
	want := tokenResponse{
		AccessToken: tokens.AccessToken, TokenType: "Bearer", ExpiresIn: 3600, RefreshToken: tokens.RefreshToken,
		Scope: "orders",
	}
	if tokens != want || tokens.AccessToken == "" || tokens.RefreshToken == "" {
		c.Fatalf("%s: %+v, want %+v", command, tokens, want)
	}
	c.KeepSecret(tokens.AccessToken, tokens.RefreshToken)
	return tokens
}

func (c *client) link() tokenResponse {
	c.Helper()
	return c.tokens("exchange", map[string]any{"redirect": c.authorize(true)})
}

func (c *client) refresh(token string) tokenResponse {
	c.Helper()
	return c.tokens("refresh", map[string]any{"token": token})
}

func (c *client) wantIntrospection(token string) {
	c.Helper()
	var got map[string]any
	c.run("introspect", map[string]any{"token": token}, &got)
	issued, _ := got["iat"].(float64)
	for name, want := range map[string]any{
		"active": true, "iss": c.Origin, "sub": testbridge.Ada().Subject, "client_id": "pizza", "scope": "orders",
		"token_type": "Bearer", "exp": issued + 3600,
	} {
		if got[name] != want || issued == 0 {
			c.Errorf("introspection response %v: %s is %v, want %v", got, name, got[name], want)
		}
	}
}

func (c *client) wantIntrospectedInactive(token string) {
	c.Helper()
	var got json.RawMessage
	c.run("introspect", map[string]any{"token": token}, &got)
	if string(got) != inactive {
		c.Errorf("introspection response %s for a revoked link", got)
	}
}
