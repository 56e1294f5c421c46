package server_test

import (
	"html"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/alexa/simulator"
	"alexa-oidc-bridge/bridge/server"
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
		i := slices.IndexFunc(scenarios,
			func(s trouble) bool { return s.section == row.Section && strings.Contains(row.Text, s.row) })
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
	heldBy       string                           // or the file of another test that has the words of the first cell
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

func troubles(faults *providerFaults) []trouble {
	return slices.Concat(pageTroubles(faults), reasonTroubles(), setupTroubles(faults), rejectedTroubles(),
		skillTroubles(), accountTroubles(faults), endedAccountTroubles(), serverTroubles(), scimTroubles(),
		adminTroubles(), eventTroubles())
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
