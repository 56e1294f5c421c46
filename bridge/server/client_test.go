//go:build strict

package server_test

const (
	foreignFolder   = "testdata/client"
	foreignRedirect = "https://client.example/back"
	// foreignSecret has what HTTP Basic has to encode and to decode (RFC 6749 §2.3.1).
	foreignSecret = "a+b/c=d:e%41 f&g-0123456789abcdef"
)

// foreignClient is a client of the pizza skill's that somebody else wrote. It runs as a process of its own and knows the
// bridge by its metadata only.
type foreignClient struct {
	*testbridge.Bridge
	input  io.Writer
	output *bufio.Scanner
	faults *testbridge.Log
}

// foreignTokens is all that a token response may hold (RFC 6749 §5.1).
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

// TestForeignClient takes a strict client that knows nothing of Alexa through all that the metadata names.
func TestForeignClient(t *testing.T) {
	for _, method := range []string{"client_secret_basic", "client_secret_post"} {
		t.Run(method, func(t *testing.T) {
			c := newForeignClient(t, method)
			first := c.linked()
			c.wantIntrospected(first.AccessToken)
			var person map[string]any
			c.does("userinfo", map[string]any{"token": first.AccessToken, "subject": testbridge.Ada().Subject}, &person)
			if person["upstream_iss"] != c.provider.Issuer() || person["email"] != testbridge.Ada().Email {
				t.Errorf("userinfo says %v", person)
			}
			second := c.refreshed(first.RefreshToken)
			if second.AccessToken == first.AccessToken || second.RefreshToken != first.RefreshToken {
				t.Error("a refresh gave the same access token, or another refresh token")
			}
			c.wantIntrospected(second.AccessToken)
			c.does("revoke", map[string]any{"token": second.RefreshToken}, new(any))
			c.wantInactive(first.AccessToken)
			c.wantInactive(second.AccessToken)
			c.fails("refresh", map[string]any{"token": second.RefreshToken}, refusedGrant())
			c.fails("userinfo", map[string]any{"token": second.AccessToken, "subject": testbridge.Ada().Subject},
				foreignFailure{Code: "OAUTH_WWW_AUTHENTICATE_CHALLENGE", Error: "invalid_token", Scheme: "bearer", Status: 401})
		})
	}
}

func TestForeignClientRotates(t *testing.T) {
	c := newForeignClient(t, "client_secret_basic", func(b *testbridge.Bridge) { b.Skill.RotateRefresh = true })
	first := c.linked()
	lost, second := c.refreshed(first.RefreshToken), c.refreshed(first.RefreshToken)
	if lost.RefreshToken == first.RefreshToken || second.RefreshToken == first.RefreshToken || second.RefreshToken == lost.RefreshToken {
		t.Fatal("a refresh gave a refresh token that there was already")
	}
	third := c.refreshed(second.RefreshToken) // which confirms it
	c.wantIntrospected(third.AccessToken)
	c.fails("refresh", map[string]any{"token": first.RefreshToken}, refusedGrant())
	c.wantInactive(third.AccessToken) // two hold the first one
}

func TestForeignClientVerifier(t *testing.T) {
	c, wrong := newForeignClient(t, "client_secret_basic"), strings.Repeat("w", 43)
	for _, test := range []struct {
		name      string
		challenge bool
		testbridge.Verifier  any
	}{
		{"another verifier", true, wrong},
		{"no verifier", true, nil},
		{"a testbridge.Verifier without a challenge", false, wrong},
	} {
		t.Run(test.name, func(inner *testing.T) {
			c.T = inner
			defer func() { c.T = t }()
			redirect := c.consented(test.challenge)
			c.fails("exchange", map[string]any{"redirect": redirect, "verifier": test.testbridge.Verifier}, refusedGrant())
		})
	}
}

func TestForeignClientWithoutChallenge(t *testing.T) {
	c := newForeignClient(t, "client_secret_basic", func(b *testbridge.Bridge) { b.Skill.RequirePKCE = true })
	_, page := c.begun(false)
	redirect := c.cameBack(page, "app", "error", "error_description", "iss", "state")
	// The library looks at iss and state before it looks at the error.
	c.fails("exchange", map[string]any{"redirect": redirect},
		foreignFailure{Code: "OAUTH_AUTHORIZATION_RESPONSE_ERROR", Error: "invalid_request"})
	c.linked() // with a challenge
}

func TestForeignClientWrongSecret(t *testing.T) {
	c := newForeignClient(t, "client_secret_basic")
	redirect := c.consented(true)
	c.fails("exchange", map[string]any{"redirect": redirect, "secret": testbridge.LightsSecret},
		foreignFailure{Code: "OAUTH_WWW_AUTHENTICATE_CHALLENGE", Scheme: "basic", Status: 401})
	c.tokens("exchange", map[string]any{"redirect": redirect}) // the code is as good as before
}

// newForeignClient starts a bridge, and a client which has read its metadata and authenticates by the method given.
func newForeignClient(t *testing.T, method string, changes ...func(*testbridge.Bridge)) *foreignClient {
	t.Helper()
	_, noNode := exec.LookPath("node")
	_, noLibrary := os.Stat(filepath.Join(foreignFolder, "node_modules", "oauth4webapi"))
	need(t, noNode == nil && noLibrary == nil, "there is no node on the PATH, or npm ci has not been run in "+foreignFolder)
	c := &foreignClient{rig: testbridge.Start(t, append([]func(*testbridge.Bridge){useCodes}, changes...)...), faults: &testbridge.Log{}}
	c.secret(foreignSecret)
	c.run()
	c.does("discover", map[string]any{
		"issuer":  c.origin,
		"client":  map[string]string{"client_id": "pizza", "secret": foreignSecret, "auth": method, "redirect_uri": c.skill.RedirectURIs[0]},
		"backend": map[string]string{"client_id": testbridge.BackendID, "secret": testbridge.BackendSecret, "auth": method},
	}, new(any))
	return c
}

// useCodes lets the pizza skill use both grants. Its redirect URI has a query, which must stay.
func useCodes(b *testbridge.Bridge) {
	b.Skill.Grants = []bridge.Grant{bridge.GrantImplicit, bridge.GrantAuthorizationCode}
	b.Skill.RedirectURIs = append([]string{foreignRedirect + "?app=pizza"}, b.Skill.RedirectURIs...)
	b.Skill.Secrets = []bridge.Secret{bridge.NewSecret(foreignSecret)}
	b.Skill.CodeLifetime, b.Skill.AccessLifetime = 5*time.Minute, time.Hour
}

// run starts the process, which ends with the test, and before that when it hangs.
func (c *foreignClient) run() {
	c.Helper()
	process := exec.Command("node", "client.js")
	process.Dir, process.Stderr = foreignFolder, c.faults
	input, inputErr := process.StdinPipe()
	output, outputErr := process.StdoutPipe()
	if err := errors.Join(inputErr, outputErr, process.Start()); err != nil {
		c.Fatal(err)
	}
	giveUp := time.AfterFunc(time.Minute, func() { process.Process.Kill() })
	c.Cleanup(func() { giveUp.Stop(); stop(process) })
	c.input, c.output = input, bufio.NewScanner(output)
}

// ask sends the client on an errand. One of the results is nil.
func (c *foreignClient) ask(errand string, given map[string]any) (done json.RawMessage, failed *foreignFailure) {
	c.Helper()
	line := map[string]any{"errand": errand}
	maps.Copy(line, given)
	json.NewEncoder(c.input).Encode(line) // a failure shows as an output without an response
	var response struct {
		Done   json.RawMessage
		Failed *foreignFailure
	}
	if !c.output.Scan() || json.Unmarshal(c.output.Bytes(), &response) != nil {
		c.Fatalf("no response to %s but %q:\n%s", errand, c.output.Text(), c.faults)
	}
	return response.Done, response.Failed
}

// does sends the client on an errand that succeeds, and reads what came of it.
func (c *foreignClient) does(errand string, given map[string]any, response any) {
	c.Helper()
	done, failed := c.ask(errand, given)
	if failed != nil {
		c.Fatalf("%s failed: %+v", errand, *failed)
	}
	decoder := json.NewDecoder(bytes.NewReader(done))
	decoder.DisallowUnknownFields() // where the response is a struct
	if err := decoder.Decode(response); err != nil {
		c.Fatalf("%s: %v", errand, err)
	}
}

// fails sends the client on an errand that fails in this way.
func (c *foreignClient) fails(errand string, given map[string]any, want foreignFailure) {
	c.Helper()
	_, failed := c.ask(errand, given)
	if failed == nil || *failed != (foreignFailure{want.Code, want.Error, want.Scheme, want.Status, failed.Message}) {
		c.Fatalf("%s: %+v, want %+v", errand, failed, want)
	}
}

// begun has the client begin a flow, and ada's phone go where the client sends it.
func (c *foreignClient) begun(pkce bool) (*simulator.Phone, *simulator.Page) {
	c.Helper()
	var begun struct{ URL, State, Verifier string }
	c.does("authorize", map[string]any{"scope": "orders", "pkce": pkce}, &begun)
	c.secret(begun.State)
	c.secret(begun.Verifier)
	phone := simulator.NewPhone()
	phone.Destinations = []string{foreignRedirect}
	return phone, c.open(phone, begun.URL)
}

// consented has testbridge.Ada() consent to a flow, and returns where she comes back.
func (c *foreignClient) consented(pkce bool) string {
	c.Helper()
	phone, login := c.begun(pkce)
	return c.cameBack(c.decide(phone, c.fillIn(phone, login, testbridge.Ada()), "link"), "app", "code", "iss", "state")
}

// cameBack returns where a phone arrived, with these parameters and the redirect URI's own and no others. That none of them
// is there twice is what the library looks at.
func (c *foreignClient) cameBack(page *simulator.Page, names ...string) string {
	c.Helper()
	query := page.URL.Query()
	if !page.Arrived || !strings.HasPrefix(page.URL.String(), foreignRedirect+"?app=pizza&") || page.URL.Fragment != "" {
		c.Fatalf("did not come back but is at %s, status %d:\n%s", page.URL, page.Status, page.Body)
	}
	if got := slices.Sorted(maps.Keys(query)); !slices.Equal(got, names) {
		c.Errorf("the response has %v, want %v", got, names)
	}
	c.secret(query.Get("code"))
	return page.URL.String()
}

// tokens has the client get tokens, and checks what does not depend on how it got them.
func (c *foreignClient) tokens(errand string, given map[string]any) foreignTokens {
	c.Helper()
	var tokens foreignTokens
	c.does(errand, given, &tokens)
	want := foreignTokens{tokens.AccessToken, "Bearer", 3600, tokens.RefreshToken, "orders"}
	if tokens != want || tokens.AccessToken == "" || tokens.RefreshToken == "" {
		c.Fatalf("%s gave %+v, want %+v", errand, tokens, want)
	}
	c.secret(tokens.AccessToken)
	c.secret(tokens.RefreshToken)
	return tokens
}

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
	var got map[string]any
	c.does("introspect", map[string]any{"token": token}, &got)
	issued, _ := got["iat"].(float64)
	for name, want := range map[string]any{
		"active": true, "iss": c.origin, "sub": testbridge.Ada().Subject, "client_id": "pizza", "scope": "orders",
		"token_type": "Bearer", "exp": issued + 3600,
	} {
		if got[name] != want || issued == 0 {
			c.Errorf("introspection says %s is %v of %v, want %v", name, got[name], got, want)
		}
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
