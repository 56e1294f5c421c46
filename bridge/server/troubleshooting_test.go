package server_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"html"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/server"
	"alexa-oidc-bridge/bridge/simulator"
	"alexa-oidc-bridge/bridge/upstreamtest"
	"alexa-oidc-bridge/internal/testbridge"
)

// TestTroubleshooting produces the symptom of each row in docs/troubleshooting.md, and finds in the log, on the page
// or in the response what the row says.
func TestTroubleshooting(t *testing.T) {
	t.Parallel()
	faults := &providerFaults{}
	faults.Store(&providerFault{})
	b := startBridge(t, withCodeGrant, func(b *testBridge) { b.WrapProvider = faults.wrap })
	original, skill := b.Config, *b.Skill
	scenarios := troubles(faults)
	for _, row := range testbridge.ReadGuide(t) {
		i := slices.IndexFunc(scenarios, func(s trouble) bool { return s.section == row.Section && strings.Contains(row.Text, s.row) })
		if i < 0 {
			t.Errorf("no test produces the row %s", row.Text)
			continue
		}
		scenario := scenarios[i]
		scenarios = slices.Delete(scenarios, i, i+1)
		t.Run(row.Section+"/"+scenario.row, func(t *testing.T) {
			if scenario.heldBy != "" {
				wantInFile(t, row, scenario.heldBy)
				return
			}
			b.Within(t)
			faults.Store(&providerFault{})
			b.Config, *b.Skill = original, skill
			b.Config.Providers = slices.Clone(original.Providers)
			b.Provider.SetPerson(testbridge.Ada())
			b.Provider.SetDown(false)
			if scenario.configure != nil {
				scenario.configure(b)
			}
			b.Restart()
			before := len(b.Logs.String())
			shown := scenario.produce(b)
			wantRow(t, row, b.Logs.String()[before:], shown)
		})
	}
	for _, scenario := range scenarios {
		t.Errorf("no row in section %q has %q", scenario.section, scenario.row)
	}
}

// trouble produces what a row of the guide describes.
type trouble struct {
	section, row string // row is a part of the row's text
	configure    func(*testBridge)
	produce      func(*testBridge) (shown string) // the page or the response
	heldBy       string                           // or the file of another test, in which the words of the first cell stand
}

// wantRow verifies that the words of a row are where its section says.
func wantRow(t *testing.T, row testbridge.GuideRow, logged, shown string) {
	t.Helper()
	shown = strings.NewReplacer("\u2011", "-", "’", "'").Replace(html.UnescapeString(shown))
	all := func(texts []string, where string) {
		t.Helper()
		for _, text := range texts {
			if !strings.Contains(where, text) {
				t.Errorf("%q is missing in:\n%s", text, where)
			}
		}
	}
	one := func(prefix string, texts []string, suffix string) {
		t.Helper()
		has := func(text string) bool { return strings.Contains(logged, prefix+text+suffix) }
		if len(texts) > 0 && !slices.ContainsFunc(texts, has) {
			t.Errorf("none of %q is in the log:\n%s", texts, logged)
		}
	}
	switch row.Section {
	case "Pages":
		if reasons := row.Quoted(1); len(reasons) > 0 {
			all(row.Cells[:1], shown)
			one(`"reason":"`, reasons, `"`)
		}
	case "Reasons":
		one(`"reason":"`, row.Quoted(0), `"`)
	case "Set up wrongly":
		one(`"stage":"`, row.Quoted(0), `"`)
		one("", row.Quoted(1), "")
	case "Rejected requests":
		all(row.Quoted(0), logged)
	case "The server":
		all(row.Quoted(0), logged)
	default:
		all(slices.Concat(row.Quoted(0), row.Quoted(1)), logged+shown)
	}
}

// wantInFile verifies that the file of a test has the words of a row's first cell.
func wantInFile(t *testing.T, row testbridge.GuideRow, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range row.Quoted(0) {
		if !strings.Contains(string(text), word) {
			t.Errorf("%q is not in %s", word, path)
		}
	}
}

// providerFaults is the fault that the provider has now.
type providerFaults struct{ atomic.Pointer[providerFault] }

// providerFault changes what the provider receives and sends.
type providerFault struct {
	override map[string]http.HandlerFunc            // by path
	edit     map[string]func(object map[string]any) // of JSON responses, by path
	clientID string                                 // received in place of the bridge's
}

func (f *providerFaults) wrap(provider http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f := f.Load()
		if override := f.override[r.URL.Path]; override != nil {
			override(w, r)
			return
		}
		if f.clientID != "" {
			query := r.URL.Query()
			if query.Has("client_id") {
				query.Set("client_id", f.clientID)
				r.URL.RawQuery = query.Encode()
			}
			if _, secret, ok := r.BasicAuth(); ok {
				r.SetBasicAuth(f.clientID, secret)
			}
		}
		edit := f.edit[r.URL.Path]
		if edit == nil {
			provider.ServeHTTP(w, r)
			return
		}
		recorder := httptest.NewRecorder()
		provider.ServeHTTP(recorder, r)
		var object map[string]any
		if err := json.Unmarshal(recorder.Body.Bytes(), &object); err != nil {
			panic(err)
		}
		edit(object)
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(object)
	})
}

// Paths of the provider.
const (
	discoveryPath = "/.well-known/openid-configuration"
	tokenPath     = "/oauth/token"
	keysPath      = "/keys"
	userinfoPath  = "/userinfo"
)

// answer lets the provider answer a path by a status and a body.
func (f *providerFaults) answer(path string, status int, body string) {
	f.Store(&providerFault{override: map[string]http.HandlerFunc{path: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		w.Write([]byte(body))
	}}})
}

// change lets the provider send something else in a JSON response.
func (f *providerFaults) change(path string, edit func(object map[string]any)) {
	f.Store(&providerFault{edit: map[string]func(map[string]any){path: edit}})
}

func troubles(faults *providerFaults) []trouble {
	return slices.Concat(pageTroubles(faults), reasonTroubles(), setupTroubles(faults), rejectedTroubles(), skillTroubles(), serverTroubles())
}

// signIn signs Ada in, and returns the page after that.
func signIn(b *testBridge) string {
	return b.SignIn(simulator.NewPhone(), b.Request(), testbridge.Ada()).Body
}

// open opens the authorization endpoint.
func open(b *testBridge) string { return b.Open(simulator.NewPhone(), b.Request().URL()).Body }

// openChanged opens the authorization endpoint with a request that is changed.
func openChanged(change func(*simulator.Request)) func(*testBridge) string {
	return func(b *testBridge) string {
		request := b.Request()
		change(&request)
		return b.Open(simulator.NewPhone(), request.URL()).Body
	}
}

// callback lets the browser bring another authorization response than the provider's.
func callback(name, value string) func(*testBridge) string {
	return func(b *testBridge) string {
		phone := simulator.NewPhone()
		target := mustParse(b.CallbackURL(phone, b.Request()))
		query := target.Query()
		query.Del("code")
		query.Set(name, value)
		return b.Open(phone, b.Origin+target.Path+"?"+query.Encode()).Body
	}
}

// send sends a request that is changed, and returns the body of the response.
func send(method, path string, form url.Values, changes ...func(*http.Request)) func(*testBridge) string {
	return func(b *testBridge) string {
		request := b.NewRequest(method, path, form)
		for _, change := range changes {
			change(request)
		}
		_, body := b.Do(request)
		return body
	}
}

func header(name, value string) func(*http.Request) {
	return func(request *http.Request) { request.Header.Set(name, value) }
}

// broken signs Ada in while the store behaves in some way.
func broken(hook hook) func(*testBridge) string {
	return func(b *testBridge) string {
		hookStore(b).be(hook)
		return signIn(b)
	}
}

// withAda changes Ada, and who may link.
func withAda(allow bridge.Allow, change func(*upstreamtest.Person)) func(*testBridge) {
	return func(b *testBridge) {
		ada := testbridge.Ada()
		change(&ada)
		b.Provider.SetPerson(ada)
		b.Skill.Allow = allow
	}
}

func sameAda(*upstreamtest.Person) {}

// withOverage lets the provider send a pointer in place of Ada's groups.
func withOverage(b *testBridge) {
	withAda(bridge.Allow{Groups: []string{"engineering"}}, func(ada *upstreamtest.Person) {
		ada.Groups = nil
		ada.Claims = map[string]any{"_claim_names": map[string]any{"groups": "src1"}}
	})(b)
}

// withLimits permits one request and one failure in a minute.
func withLimits(b *testBridge) {
	b.Config.Limits = server.Limits{RequestsPerMinute: 1, FailuresPerMinute: 1}
	b.Config.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
}

// tooMany does something for which one more than once is too many.
func tooMany(do func(*testBridge) string) func(*testBridge) string {
	return func(b *testBridge) string {
		do(b)
		return do(b)
	}
}

func withWrongSecret(b *testBridge) {
	b.KeepSecret("another-secret")
	b.Config.Providers[0].ClientSecret = "another-secret"
}

func withSubject(claim string) func(*testBridge) {
	return func(b *testBridge) { b.Config.Providers[0].SubjectClaim = claim }
}

func pageTroubles(faults *providerFaults) []trouble {
	page := func(row string, configure func(*testBridge), produce func(*testBridge) string) trouble {
		return trouble{section: "Pages", row: row, configure: configure, produce: produce}
	}
	down := func(b *testBridge) { b.Provider.SetDown(true) }
	return []trouble{
		page("This skill is not known here", nil, openChanged(func(r *simulator.Request) { r.ClientID = "nobody" })),
		page("asked for a wrong address", nil, openChanged(func(r *simulator.Request) { r.RedirectURI = "https://evil.example/" })),
		page("Please start again", nil, func(b *testBridge) string {
			return b.Open(simulator.NewPhone(), b.CallbackURL(simulator.NewPhone(), b.Request())).Body
		}),
		page("You have answered this already", nil, func(b *testBridge) string {
			phone, request := simulator.NewPhone(), b.Request()
			consent := b.SignIn(phone, request, testbridge.Ada())
			b.WantToken(request, b.Decide(phone, consent, "link"))
			return b.Open(phone, consent.URL.String()).Body
		}),
		page("Please use another account", withAda(bridge.Allow{Groups: []string{"inventors"}}, sameAda), signIn),
		page("This sign-in is not set up correctly", withWrongSecret, signIn),
		page("Please sign in once more", nil, callback("code", "made-up-code")),
		page("This page cannot be loaded again", nil, send("GET", "/consent", nil)),
		page("This answer did not come", nil, send("POST", "/consent", url.Values{}, header("Sec-Fetch-Site", "cross-site"))),
		page("sign-in does not answer", down, open),
		page("This test sign-in has ended", nil, send("GET", "/try/"+bridge.NewTicketSecret(), nil)),
		page("Please open this in your browser", nil, callback("error", "disallowed_useragent")),
		page("We cannot save this right now", nil, broken(failing())),
		page("sign-in is busy", func(*testBridge) { faults.answer(tokenPath, http.StatusTooManyRequests, "") }, signIn),
		page("Please wait a minute", withLimits, tooMany(send("GET", "/try/x", nil, header("X-Forwarded-For", "198.51.100.1")))),
		page("This page was fetched ahead", nil, send("GET", "/authorize", nil, header("Sec-Purpose", "prefetch"))),
		page("This address is not used", nil, send("POST", "/authorize", url.Values{})),
		page("Something went wrong", nil, broken(func(context.Context, string) error { panic("a mistake") })),
		page("There is nothing here", nil, send("GET", "/nowhere", nil)),
		page("an error page of the provider", func(b *testBridge) {
			b.Config.Providers[0].ID, b.Skill.Provider = "unregistered", "unregistered"
			b.Config.Skills = b.Config.Skills[:1]
		}, func(b *testBridge) string {
			page := b.Open(simulator.NewPhone(), b.Request().URL())
			if page.Status < 400 || !strings.HasPrefix(page.URL.String(), b.Provider.Issuer()) {
				b.Errorf("at %s, status %d, want an error of the provider", page.URL, page.Status)
			}
			b.WantLogged(map[string]any{"msg": "sign-in started", "provider": "unregistered"})
			return page.Body
		}),
	}
}

func reasonTroubles() []trouble {
	reason := func(reason bridge.Reason, configure func(*testBridge), produce func(*testBridge) string) trouble {
		return trouble{section: "Reasons", row: "| `" + string(reason) + "`", configure: configure, produce: produce}
	}
	domains := bridge.Allow{EmailDomains: []string{"contoso.com"}}
	decide := func(decision string) func(*testBridge) string {
		return func(b *testBridge) string {
			phone := simulator.NewPhone()
			return b.Decide(phone, b.SignIn(phone, b.Request(), testbridge.Ada()), decision).Body
		}
	}
	return []trouble{
		reason(bridge.ReasonProviderRefused, nil, func(b *testBridge) string {
			phone := simulator.NewPhone()
			return b.Submit(phone, b.Open(phone, b.Request().URL()), url.Values{"action": {"cancel"}}).Body
		}),
		reason(bridge.ReasonEmailMissing, withAda(domains, func(p *upstreamtest.Person) { p.Email = "" }), signIn),
		reason(bridge.ReasonEmailUnverified, withAda(domains, func(p *upstreamtest.Person) { p.EmailVerified = false }), signIn),
		reason(bridge.ReasonEmailDomain, withAda(bridge.Allow{EmailDomains: []string{"fabrikam.com"}}, sameAda), signIn),
		reason(bridge.ReasonGroups, withAda(bridge.Allow{Groups: []string{"inventors"}}, sameAda), signIn),
		reason(bridge.ReasonGroupsOverage, withOverage, signIn),
		reason(bridge.ReasonClaim, withAda(bridge.Allow{Claims: allowClaim("hd", "contoso.com")}, sameAda), signIn),
		reason(bridge.ReasonOtherProvider, nil, func(b *testBridge) string {
			phone := simulator.NewPhone()
			consent := b.SignIn(phone, b.Request(), testbridge.Ada())
			withSubject("oid")(b)
			b.Restart()
			return b.Decide(phone, consent, "link").Body
		}),
		reason(bridge.ReasonRequestTooLarge, func(b *testBridge) {
			b.Skill.RedirectURIs = []string{"https://alexa.example/" + strings.Repeat("x", 2000)}
		}, func(b *testBridge) string {
			request := b.Request()
			request.RedirectURI, request.State = b.Skill.RedirectURIs[0], strings.Repeat("s", bridge.MaxStateBytes)
			return send("GET", request.URL(), nil)(b)
		}),
		reason(bridge.ReasonCancelled, nil, decide("cancel")),
		reason("unauthorized_client", nil, openChanged(func(r *simulator.Request) { r.ResponseType = "id_token" })),
		reason("invalid_request", nil, func(b *testBridge) string {
			return b.Open(simulator.NewPhone(), b.Request().URL()+"&scope=menu").Body
		}),
	}
}

func setupTroubles(faults *providerFaults) []trouble {
	setup := func(row string, configure func(*testBridge), produce func(*testBridge) string) trouble {
		return trouble{section: "Set up wrongly", row: row, configure: configure, produce: produce}
	}
	answered := func(path string, status int, body string) func(*testBridge) {
		return func(*testBridge) { faults.answer(path, status, body) }
	}
	changed := func(path string, edit func(map[string]any)) func(*testBridge) {
		return func(*testBridge) { faults.change(path, edit) }
	}
	return []trouble{
		setup("announces the issuer", func(b *testBridge) {
			b.Config.Providers[0].Issuer = strings.TrimSuffix(b.Provider.Issuer(), "/")
		}, open),
		setup("status 404", func(b *testBridge) { b.Config.Providers[0].Issuer += "nowhere" }, open),
		setup("unknown authority", func(b *testBridge) {
			https := httptest.NewUnstartedServer(http.NotFoundHandler())
			https.Config.ErrorLog = log.New(io.Discard, "", 0)
			https.StartTLS()
			b.Cleanup(https.Close)
			b.Config.Providers[0].Issuer = https.URL
		}, open),
		setup("`HS256`", changed(discoveryPath, func(metadata map[string]any) {
			metadata["id_token_signing_alg_values_supported"] = []string{"HS256"}
		}), open),
		setup("`invalid_client`", withWrongSecret, signIn),
		setup("`AADSTS7000222`", answered(tokenPath, http.StatusUnauthorized,
			`{"error":"invalid_client","error_description":"AADSTS7000222: The provided client secret keys are expired."}`), signIn),
		setup("`invalid_scope`", nil, callback("error", "invalid_scope")),
		setup("`unauthorized_client`", answered(tokenPath, http.StatusBadRequest, `{"error":"unauthorized_client"}`), signIn),
		setup("no key for signatures", answered(keysPath, http.StatusOK, `{"keys":[]}`), open),
		setup("failed to verify signature", changed(keysPath, func(object map[string]any) {
			for _, key := range object["keys"].([]any) {
				modulus, _ := base64.RawURLEncoding.DecodeString(key.(map[string]any)["n"].(string))
				modulus[len(modulus)/2] ^= 1
				key.(map[string]any)["n"] = base64.RawURLEncoding.EncodeToString(modulus)
			}
		}), signIn),
		setup("issued by a different provider", func(b *testBridge) {
			provider := &b.Config.Providers[0]
			provider.DiscoveryURL = b.Provider.Issuer() + discoveryPath[1:]
			provider.Issuer += "other"
			faults.change(discoveryPath, func(metadata map[string]any) { metadata["issuer"] = b.Provider.Issuer() + "other" })
		}, func(b *testBridge) string {
			phone := simulator.NewPhone()
			return b.Submit(phone, b.Open(phone, b.Request().URL()), loginForm(testbridge.Ada())).Body
		}),
		setup("expected audience", func(b *testBridge) {
			b.Config.Providers[0].ClientID = "another-application"
			faults.Store(&providerFault{clientID: testbridge.ClientID})
		}, signIn),
		setup("subject claim", withSubject("oid"), signIn),
		setup("reference instead of the groups", withOverage, signIn),
		setup("to be stored with the link", func(b *testBridge) {
			b.Skill.Claims = []string{"about"}
			withAda(bridge.Allow{}, func(ada *upstreamtest.Person) { ada.Claims = map[string]any{"about": strings.Repeat("x", 50_000)} })(b)
		}, signIn),
		setup("`status 401`", func(b *testBridge) {
			withSubject("oid")(b)
			faults.answer(userinfoPath, http.StatusUnauthorized, `{}`)
		}, signIn),
	}
}

func rejectedTroubles() []trouble {
	rejected := func(row string, produce func(*testBridge) string) trouble {
		return trouble{section: "Rejected requests", row: row, produce: produce}
	}
	unauthorized := tooMany(send("POST", "/token", url.Values{}, basicAuth("pizza", "another"), header("X-Forwarded-For", "198.51.100.1")))
	refresh := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"unknown"}}
	return []trouble{
		rejected("`wrong secret`", send("POST", "/token", refresh, basicAuth("pizza", "another"))),
		rejected("`unknown client`", send("POST", "/token", refresh, basicAuth("nobody", "another"))),
		rejected("`white space", send("POST", "/token", refresh, basicAuth("pizza", skillSecret+"\n"))),
		rejected("`lookup failed`", send("POST", "/lookup", url.Values{"token": {"x"}}, basicAuth("pizza", skillSecret))),
		{section: "Rejected requests", row: "status 429", configure: withLimits, produce: unauthorized},
		rejected("the path must be exactly", send("POST", "/token/", refresh)),
		rejected("redirect_uri has vendor id", openChanged(func(r *simulator.Request) {
			r.RedirectURI = strings.Replace(r.RedirectURI, testbridge.VendorID, "M3BBBBBBBBBBBB", 1)
		})),
	}
}

func skillTroubles() []trouble {
	skill := func(row string, configure func(*testBridge), produce func(*testBridge) string) trouble {
		return trouble{section: "Alexa links, but the skill does not work", row: row, configure: configure, produce: produce}
	}
	lookup := func(b *testBridge, token, id, secret string) string {
		return send("POST", "/lookup", url.Values{"token": {token}}, basicAuth(id, secret))(b)
	}
	code := url.Values{"grant_type": {"authorization_code"}, "code": {"unknown"}}
	return []trouble{
		skill("linking fails after Link was pressed", nil, send("POST", "/token", code, basicAuth("pizza", "another"))),
		skill("`reason` `invalid_grant`", nil, send("POST", "/token", code, basicAuth("pizza", skillSecret))),
		skill("nothing at all", nil, func(b *testBridge) string { return b.Code("") }),
		skill("only for some people", func(b *testBridge) { b.Skill.RedirectURIs = b.Skill.RedirectURIs[:1] }, open),
		skill("lookups return 401", nil, func(b *testBridge) string { return lookup(b, "x", testbridge.BackendID, skillSecret) }),
		skill("for a fresh link", nil, func(b *testBridge) string {
			return lookup(b, b.Link(), testbridge.LightsBackendID, testbridge.LightsSecret)
		}),
		skill("for links that worked", nil, func(b *testBridge) string {
			token := b.Link()
			withSubject("oid")(b)
			b.Restart()
			return lookup(b, token, testbridge.BackendID, testbridge.BackendSecret)
		}),
		skill("`not_redeemed`", nil, revoking(func(b *testBridge) {
			b.Code("")
			b.Clock.Advance(2*time.Minute + time.Second)
			sweep(b)
		})),
		skill("lookups return 503", nil, func(b *testBridge) string {
			token, store := b.Link(), watchStore(b)
			defer store.stop()
			store.be(failing("Lookup", "ReadFeed"))
			store.wantFeedRead(b)
			return lookup(b, token, testbridge.BackendID, testbridge.BackendSecret)
		}),
		skill("refreshes return 503", nil, func(b *testBridge) string {
			tokens := b.LinkByCode()
			b.Skill.Allow.Groups = []string{"inventors"}
			b.Restart()
			_, body := b.Refresh(tokens.RefreshToken)
			return body
		}),
		skill("`replaced`", func(b *testBridge) { b.Skill.MaxLinksPerPerson = 1 }, revoking(func(b *testBridge) {
			b.Link()
			b.Link()
		})),
		skill("`refresh_replayed`", func(b *testBridge) { b.Skill.RotateRefresh = true }, revoking(func(b *testBridge) {
			first := b.LinkByCode()
			second := b.WantTokens(b.Refresh(first.RefreshToken))
			b.WantTokens(b.Refresh(second.RefreshToken))
			wantRefreshRejected(b, first.RefreshToken)
		})),
		skill("`expired`", func(b *testBridge) { b.Skill.ImplicitLifetime = time.Hour }, revoking(func(b *testBridge) {
			request := b.Request()
			b.AuthorizationResponse(request, b.LinkRequest(request))
			b.Clock.Advance(time.Hour)
			sweep(b)
		})),
	}
}

func sweep(b *testBridge) {
	b.Helper()
	if _, err := b.Store.Sweep(b.Context(), bridge.Sweep{Now: b.Clock.Now(), Limit: 1000}); err != nil {
		b.Fatal(err)
	}
}

// revoking does something that revokes a link, while the feed is read.
func revoking(do func(*testBridge)) func(*testBridge) string {
	return func(b *testBridge) string {
		store := watchStore(b)
		defer store.stop()
		do(b)
		store.wantFeedRead(b)
		return ""
	}
}

func serverTroubles() []trouble {
	problem := func(row string, configure func(*testBridge), produce func(*testBridge) string) trouble {
		return trouble{section: "The server", row: row, configure: configure, produce: produce}
	}
	elsewhere := func(row, file string) trouble { return trouble{section: "The server", row: row, heldBy: file} }
	starting := func(message string) func(*testBridge) string {
		return func(b *testBridge) string {
			from := len(b.Logs.String())
			defer b.RunBackground()()
			b.Logs.Wait(b, from, message)
			return ""
		}
	}
	const serveTest = "../../cmd/alexa-oidc-bridge/serve_test.go"
	return []trouble{
		problem("`provider ready`", nil, starting("provider ready")),
		problem("`provider not ready`", func(b *testBridge) { b.Provider.SetDown(true) }, starting("provider not ready")),
		problem("`store out of reach`", nil, func(b *testBridge) string {
			store := watchStore(b)
			defer store.stop()
			store.be(failing("ReadFeed"))
			store.wantFeedRead(b)
			store.be(working)
			store.wantFeedRead(b)
			return ""
		}),
		problem("`no limits per address`", func(b *testBridge) {
			withLimits(b)
			b.Config.TrustedProxies, b.Config.PublicURL = nil, "https://link.example.com"
		}, send("GET", "/try/x", nil)),
		elsewhere("`link revoked`", "revoked_log_test.go"),
		elsewhere("`revocations not known`", "revoked_log_test.go"),
		elsewhere("`sweep failed`", "background_test.go"),
		elsewhere("`requests aborted`", serveTest),
		elsewhere("`the database was replaced while it was open`", serveTest),
		elsewhere("`other users of this machine", serveTest),
		elsewhere("`cannot be used`", "../../cmd/alexa-oidc-bridge/main_test.go"),
	}
}
