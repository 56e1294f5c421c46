package alexa_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge/alexa"
	"alexa-oidc-bridge/bridge/alexa/simulator"
)

const skillID = "amzn1.ask.skill.1"

// signedAt is the time of the test requests.
var signedAt = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

func requestBody(changes ...string) string {
	body := `{"version":"1.0","session":{"application":{"applicationId":"amzn1.ask.skill.1"}},` +
		`"context":{"System":{"application":{"applicationId":"amzn1.ask.skill.1"}}},` +
		`"request":{"type":"IntentRequest","timestamp":"2026-11-29T12:00:00Z"}}`
	return strings.NewReplacer(changes...).Replace(body)
}

// newSigner returns a signer whose certificate is valid around signedAt.
func newSigner(t testing.TB, config simulator.SignerConfig) *simulator.Signer {
	t.Helper()
	if config.NotBefore.IsZero() {
		config.NotBefore, config.NotAfter = signedAt.AddDate(0, 0, -1), signedAt.AddDate(0, 0, 30)
	}
	signer, err := simulator.NewSigner(config)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// chainServer counts how often a chain is fetched, and can answer something else.
type chainServer struct {
	fetched atomic.Int32
	respond func(r *http.Request) (status int, body string, err error)
}

func serveChain(signer *simulator.Signer) *chainServer {
	return &chainServer{respond: func(*http.Request) (int, string, error) { return 200, string(signer.Chain), nil }}
}

func (s *chainServer) RoundTrip(r *http.Request) (*http.Response, error) {
	s.fetched.Add(1)
	status, body, err := s.respond(r)
	if err != nil {
		return nil, err
	}
	header := http.Header{"Location": {"https://elsewhere.example/"}}
	content := io.NopCloser(strings.NewReader(body))
	return &http.Response{StatusCode: status, Body: content, Header: header, Request: r}, nil
}

func newVerifier(signer *simulator.Signer, chain http.RoundTripper) *alexa.Verifier {
	return &alexa.Verifier{SkillIDs: []string{"amzn1.ask.skill.0", skillID}, Roots: signer.Roots(), Transport: chain,
		Now: func() time.Time { return signedAt }}
}

func sign(t *testing.T, signer *simulator.Signer, body string) http.Header {
	t.Helper()
	header, err := signer.Sign([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return header
}

// wantRefused checks that an error refuses the request for certain, and says why.
func wantRefused(t *testing.T, name string, err error, text string) {
	t.Helper()
	if !errors.Is(err, alexa.ErrNotFromAlexa) || !strings.Contains(fmt.Sprint(err), text) {
		t.Errorf("%s: %v, want a refusal with %q", name, err, text)
	}
}

func TestVerify(t *testing.T) {
	signer := newSigner(t, simulator.SignerConfig{})
	verifier := newVerifier(signer, serveChain(signer))
	for name, body := range map[string]string{
		"usual":               requestBody(),
		"150 s old":           requestBody("12:00:00", "11:57:30"),
		"150 s ahead":         requestBody("12:00:00", "12:02:30"),
		"another time zone":   requestBody("12:00:00Z", "13:00:00+01:00"),
		"an event, an hour":   requestBody("IntentRequest", "AlexaSkillEvent.SkillDisabled", "12:00:00", "11:00:00"),
		"no session":          requestBody(`"session":{"application":{"applicationId":"amzn1.ask.skill.1"}},`, ""),
		"session only":        requestBody(`"context":`, `"other":`),
		"another of ours":     requestBody("amzn1.ask.skill.1", "amzn1.ask.skill.0"),
		"fraction of seconds": requestBody("12:00:00Z", "12:00:00.123Z"),
	} {
		if err := verifier.Verify(t.Context(), sign(t, signer, body), []byte(body)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestVerifyRefusesBodies(t *testing.T) {
	signer := newSigner(t, simulator.SignerConfig{})
	server := serveChain(signer)
	verifier := newVerifier(signer, server)
	const ours = `{"System":{"application":{"applicationId":"amzn1.ask.skill.1"}}}`
	contextOnly := requestBody(`"session":{"application":{"applicationId":"amzn1.ask.skill.1"}},`, "")
	otherSkill := strings.Replace(contextOnly, "amzn1.ask.skill.1", "amzn1.ask.skill.2", 1)
	number := requestBody(`"2026-11-29T12:00:00Z"`, "1795953600000")
	event := func(time string) string {
		return requestBody("IntentRequest", "AlexaSkillEvent.SkillDisabled", "12:00:00", time)
	}
	for _, tt := range []struct{ name, body, text string }{
		{"151 s old", requestBody("12:00:00", "11:57:29"), "is 2m31s old"},
		{"151 s ahead", requestBody("12:00:00", "12:02:31"), "2m31s ahead"},
		{"an event, over an hour", event("10:59:59"), "old"},
		{"an event that is none", requestBody("IntentRequest", "AlexaSkillEvent.Other", "12:00:00", "11:50:00"), "old"},
		{"no timestamp", requestBody("timestamp", "time"), "timestamp"},
		{"a timestamp without a zone", requestBody("12:00:00Z", "12:00:00"), "timestamp"},
		{"a timestamp that is a number", number, "not a request of Alexa"},
		{"another skill", requestBody("amzn1.ask.skill.1", "amzn1.ask.skill.2"), "another skill"},
		{"another skill in the session", requestBody(`{"application":{"applicationId":"amzn1.ask.skill.1"}},"context"`,
			`{"application":{"applicationId":"amzn1.ask.skill.2"}},"context"`), "another skill"},
		{"an id in other case", requestBody("amzn1.ask.skill.1", "AMZN1.ask.skill.1"), "another skill"},
		{"no skill", requestBody("applicationId", "id"), "does not name a skill"},
		{"names in capital letters are others", strings.TrimSuffix(otherSkill, "}") + `,"CONTEXT":` + ours + "}",
			"another skill"},
		{"names in capital letters only", requestBody("context", "Context", "session", "Session"), "does not name a skill"},
		{"of two contexts the last counts", strings.TrimSuffix(contextOnly, "}") + `,"context":{}}`, "does not name a skill"},
		{"of two requests the last counts", strings.TrimSuffix(requestBody(), "}") + `,"request":{}}`, "timestamp"},
		{"a skill that is a number", requestBody(`{"application":{"applicationId":"amzn1.ask.skill.1"}},"context"`,
			`{"application":{"applicationId":1}},"context"`), "not a request of Alexa"},
		{"a context that is a list", requestBody(`"context":`, `"context":[],"other":`), "not a request of Alexa"},
		{"null", "null", "timestamp"},
		{"not JSON", "hello", "not a request of Alexa"},
		{"empty", "", "not a request of Alexa"},
	} {
		wantRefused(t, tt.name, verifier.Verify(t.Context(), sign(t, signer, tt.body), []byte(tt.body)), tt.text)
	}
	if server.fetched.Load() != 0 {
		t.Error("a certificate was fetched for a body that is refused anyway")
	}
}

func TestVerifyRefusesSignatures(t *testing.T) {
	signer, other := newSigner(t, simulator.SignerConfig{}), newSigner(t, simulator.SignerConfig{})
	verifier := newVerifier(signer, serveChain(signer))
	body := requestBody()
	good := func() http.Header { return sign(t, signer, body) }
	change := func(name, value string) http.Header {
		header := good()
		header.Set(name, value)
		return header
	}
	without := func(name string) http.Header {
		header := good()
		header.Del(name)
		return header
	}
	twice := good()
	twice.Add("Signature-256", twice.Get("Signature-256"))
	short := base64.StdEncoding.EncodeToString([]byte("short"))
	foreign := sign(t, other, body).Get("Signature-256")
	for _, tt := range []struct {
		name   string
		header http.Header
		body   string
		text   string
	}{
		{"no signature", without("Signature-256"), body, "Signature-256 is missing"},
		{"only the old signature", change("Signature", good().Get("Signature-256")), body + " ", "not that of the body"},
		{"no certificate", without("SignatureCertChainUrl"), body, "SignatureCertChainUrl is missing"},
		{"two signatures", twice, body, "several headers"},
		{"empty signature", change("Signature-256", ""), body, "not that of the body"},
		{"not base64", change("Signature-256", "???"), body, "not base64"},
		{"signature of another body", good(), requestBody("version", "Version"), "not that of the body"},
		{"body with a byte more", good(), body + "\n", "not that of the body"},
		{"signature by another key", change("Signature-256", foreign), body, "not that of the body"},
		{"short signature", change("Signature-256", short), body, "not that of the body"},
	} {
		wantRefused(t, tt.name, verifier.Verify(t.Context(), tt.header, []byte(tt.body)), tt.text)
	}
}

// The durations can be changed, and a Verifier that was set up wrongly refuses nobody for certain.
func TestVerifierSettings(t *testing.T) {
	signer := newSigner(t, simulator.SignerConfig{})
	minute := requestBody("12:00:00", "11:59:00")
	event := requestBody("IntentRequest", "AlexaSkillEvent.SkillDisabled", "12:00:00", "10:00:00")
	verifier := newVerifier(signer, serveChain(signer))
	verifier.Tolerance, verifier.EventTolerance = 30*time.Second, 2*time.Hour
	wantRefused(t, "a minute", verifier.Verify(t.Context(), sign(t, signer, minute), []byte(minute)), "at most 30s")
	if err := verifier.Verify(t.Context(), sign(t, signer, event), []byte(event)); err != nil {
		t.Errorf("an event, two hours: %v", err)
	}
	verifier.SkillIDs = nil
	err := verifier.Verify(t.Context(), sign(t, signer, event), []byte(event))
	if err == nil || errors.Is(err, alexa.ErrNotFromAlexa) || !strings.Contains(err.Error(), "SkillIDs") {
		t.Errorf("without SkillIDs: %v", err)
	}
}

func TestVerifierMiddleware(t *testing.T) {
	signer, body := newSigner(t, simulator.SignerConfig{}), requestBody()
	server := serveChain(signer)
	verifier := newVerifier(signer, server)
	skill := verifier.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(w, r.Body)
	}))
	post := func(header http.Header, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(body))
		for name, values := range header {
			r.Header[name] = values
		}
		w := httptest.NewRecorder()
		skill.ServeHTTP(w, r)
		return w
	}
	good := server.respond
	server.respond = func(*http.Request) (int, string, error) { return 503, "", nil }
	if w := post(sign(t, signer, body), body); w.Code != 503 || w.Header().Get("Retry-After") == "" {
		t.Errorf("the certificate cannot be fetched: status %d", w.Code)
	}
	server.respond = good
	if w := post(sign(t, signer, body), body); w.Code != 200 || w.Body.String() != body {
		t.Errorf("status %d, body %s", w.Code, w.Body)
	}
	if w := post(sign(t, signer, body), body+" "); w.Code != 400 {
		t.Errorf("another body: status %d", w.Code)
	}
	large := strings.Repeat(" ", 1<<20) + body
	if w := post(sign(t, signer, large), large); w.Code != 400 {
		t.Errorf("too large: status %d", w.Code)
	}
}
