package server_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/alexa/simulator"
	"alexa-oidc-bridge/internal/testbridge"
)

// TestEventsRejected sends events that Alexa did not send just now to one of the skills, or that do not say whom they
// are about. None ends the link.
func TestEventsRejected(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withEvents)
	token, now := b.Link(), b.Clock.Now()
	wantEvent(b, "linked", b.Linked(alexaUser, token, now), http.StatusOK)
	good := b.Disabled(alexaUser, now.Add(time.Second))
	edit := func(old, replacement string) string {
		t.Helper()
		edited := strings.Replace(good, old, replacement, 1)
		if edited == good {
			t.Fatalf("%q is not in %s", old, good)
		}
		return edited
	}
	created := `"eventCreationTime":"` + now.Add(time.Second).UTC().Format(time.RFC3339) + `"`
	creation := func(at time.Time) string {
		return edit(created, `"eventCreationTime":"`+at.UTC().Format(time.RFC3339)+`"`)
	}
	stranger, err := simulator.NewSigner(simulator.SignerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	strangers, err := stranger.Sign([]byte(good))
	if err != nil {
		t.Fatal(err)
	}
	ofAnother, err := signerOf(b).Sign([]byte(b.Disabled("amzn1.ask.account.EVE", now)))
	if err != nil {
		t.Fatal(err)
	}
	signature := func(header http.Header) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Signature-256", header.Get("Signature-256")) }
	}
	launch, err := simulator.LaunchRequest(pizzaID, token, now)
	if err != nil {
		t.Fatal(err)
	}
	backend := basicAuth(testbridge.BackendID, testbridge.BackendSecret)
	for _, tt := range []struct {
		name, event string
		change      func(*http.Request)
		status      int
		reason      string
	}{
		{"unsigned", good, unsigned, 400, "not_from_alexa"},
		{"signed by a stranger", good, signature(strangers), 400, "not_from_alexa"},
		{"the signature of another event", good, signature(ofAnother), 400, "not_from_alexa"},
		{"no certificate", good, func(r *http.Request) { r.Header.Del("SignatureCertChainUrl") }, 400, "not_from_alexa"},
		{"the certificate elsewhere", good, header("SignatureCertChainUrl", "https://evil.example/echo.api/x"), 400,
			"not_from_alexa"},
		{"an hour old", b.Disabled(alexaUser, now.Add(-time.Hour-2*time.Second)), nil, 400, "not_from_alexa"},
		{"of tomorrow", b.Disabled(alexaUser, now.Add(24*time.Hour)), nil, 400, "not_from_alexa"},
		{"another skill", edit(pizzaID, "amzn1.ask.skill.other"), nil, 400, "other_skill"},
		{"no skill", edit(pizzaID, ""), nil, 400, "not_from_alexa"},
		{"not JSON", "SkillDisabled", nil, 400, "not_from_alexa"},
		{"created tomorrow", creation(now.Add(24 * time.Hour)), nil, 400, "bad_request"},
		{"created before 1970", creation(time.Unix(-1, 0)), nil, 400, "bad_request"},
		{"created at no time", edit(created, `"eventCreationTime":null`), nil, 400, "bad_request"},
		{"created at a malformed time", edit(created, `"eventCreationTime":"yesterday"`), nil, 400, "bad_request"},
		{"no user", edit(alexaUser, ""), nil, 400, "bad_request"},
		{"a user that is none", edit(`"`+alexaUser+`"`, `["`+alexaUser+`"]`), nil, 400, "bad_request"},
		{"no requestId", edit("requestId", "id"), nil, 400, "bad_request"},
		{"somebody opened the skill", string(launch), nil, 400, "not_an_event"},
		{"too large", good + strings.Repeat(" ", 64<<10), nil, 413, "bad_request"},
		{"signed and forwarded", good, backend, 400, "bad_request"},
		{"forwarded with the old signature", good, func(r *http.Request) {
			unsigned(r)
			backend(r)
			r.Header.Set("Signature", "x")
		}, 400, "bad_request"},
		{"a wrong secret", good, forwardedBy(testbridge.BackendID, testbridge.LightsSecret), 401, "unauthorized"},
		{"an unknown backend", good, forwardedBy("nobody", testbridge.BackendSecret), 401, "unauthorized"},
		{"the skill itself", good, forwardedBy("pizza", testbridge.BackendSecret), 401, "unauthorized"},
		{"a token", good, func(r *http.Request) {
			unsigned(r)
			r.Header.Set("Authorization", "Bearer "+token)
		}, 401, "unauthorized"},
		{"a backend of another skill", good, forwardedBy(testbridge.LightsBackendID, testbridge.LightsSecret), 400,
			"other_skill"},
		{"forwarded too late", b.Disabled(alexaUser, now.Add(-time.Hour-2*time.Second)),
			forwardedBy(testbridge.BackendID, testbridge.BackendSecret), 400, "not_from_alexa"},
	} {
		before := len(b.Logs.String())
		changes := []func(*http.Request){}
		if tt.change != nil {
			changes = append(changes, tt.change)
		}
		wantEvent(b, tt.name, tt.event, tt.status, changes...)
		if logged := b.Logs.String()[before:]; !strings.Contains(logged, `"msg":"alexa event rejected"`) ||
			!strings.Contains(logged, `"reason":"`+tt.reason+`"`) || strings.Contains(logged, `"level":"ERROR"`) {
			t.Errorf("%s: want the reason %s in the log:\n%s", tt.name, tt.reason, logged)
		}
	}
	b.WantActive(token)
	b.WantLogged(map[string]any{"msg": "alexa event rejected", "reason": "other_skill", "actor": "backend:lights-backend"})
	b.WantLogged(map[string]any{"msg": "alexa event rejected", "reason": "unauthorized", "client_id": "pizza-backend"})
	b.WantMetric(`bridge_alexa_events_total{event="",outcome="unauthorized",skill=""} 4`)
	wantEvent(b, "good", good, http.StatusOK)
	b.WantInactive(token)
}

// TestForwardedEvents ties and ends by events that a backend forwards. Their content type does not matter.
func TestForwardedEvents(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withEvents)
	token, now := b.Link(), b.Clock.Now()
	backend := forwardedBy(testbridge.BackendID, testbridge.BackendSecret)
	wantEvent(b, "linked", b.Linked(alexaUser, token, now.Add(-59*time.Minute)), http.StatusOK, backend,
		header("Content-Type", "text/plain"))
	b.WantActive(token)
	wantEvent(b, "disabled", b.Disabled(alexaUser, now.Add(-58*time.Minute)), http.StatusOK, backend)
	b.WantInactive(token)
	if link := b.WantEnded(1)[0]; link.Reason != bridge.ReasonSkillDisabled || link.Actor != "backend:pizza-backend" {
		t.Errorf("reason %s, actor %s", link.Reason, link.Actor)
	}
}

// brokenTransport is that of a server that does not reach Amazon.
type brokenTransport struct{}

func (brokenTransport) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("no route to host")
}

// TestEventsWithoutCertificate cannot tell who sent an event, until the certificate can be fetched.
func TestEventsWithoutCertificate(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withEvents, withProxy(600, 1))
	token := b.Link()
	wantEvent(b, "linked", b.Linked(alexaUser, token, b.Clock.Now()), http.StatusOK)
	b.Deps.AlexaTransport = brokenTransport{}
	b.Restart()
	disabled := b.Disabled(alexaUser, b.Clock.Now().Add(time.Second))
	for range 3 { // which counts as no failed authentication
		wantEvent(b, "out of reach", disabled, http.StatusServiceUnavailable)
	}
	b.WantActive(token)
	b.WantLogged(map[string]any{"msg": "alexa event rejected", "reason": "not_verified", "level": "WARN"})
	withEvents(b)
	b.Restart()
	wantEvent(b, "again", disabled, http.StatusOK)
	b.WantInactive(token)
}

// heldTransport answers no request but that for a signer's certificate.
type heldTransport struct {
	signer  *simulator.Signer
	release chan struct{}
}

func (h *heldTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.String() != h.signer.CertificateURL {
		<-h.release
	}
	return h.signer.Transport().RoundTrip(r)
}

// TestEventsOfStrangersDoNotBlock has strangers who make the bridge fetch certificates that do not come: one while
// that of Alexa is not known yet, and as many as there may be afterwards.
func TestEventsOfStrangersDoNotBlock(t *testing.T) {
	t.Parallel()
	held := &heldTransport{release: make(chan struct{})}
	b := startBridge(t, withEvents, withProxy(600, 30), func(b *testBridge) {
		held.signer = signerOf(b)
		b.Deps.AlexaTransport = held
	})
	token, now := b.Link(), b.Clock.Now()
	answered := make(chan struct{}, 200)
	var group sync.WaitGroup
	send := func(address string) {
		for i := range 40 {
			group.Go(func() {
				b.SendEvent(b.Disabled(alexaUser, now), forwarded(address), header("SignatureCertChainUrl",
					fmt.Sprintf("https://s3.amazonaws.com/echo.api/%s/%d", address, i)))
				answered <- struct{}{}
			})
		}
	}
	send(stranger)
	for range 40 - 1 - 32 { // one waits for the certificate, and 32 for that one
		<-answered
	}
	b.WantLogged(map[string]any{"msg": "alexa event rejected", "reason": "busy", "level": "WARN", "address": stranger})
	wantEvent(b, "linked", b.Linked(alexaUser, token, now), http.StatusOK, forwarded(honest))
	for _, address := range []string{"198.51.100.2", "198.51.100.3", "198.51.100.4"} { // now all four fetch
		send(address)
		for range 40 - 1 - 32 {
			<-answered
		}
	}
	wantEvent(b, "disabled", b.Disabled(alexaUser, now), http.StatusOK, forwarded(honest))
	b.WantInactive(token)
	close(held.release)
	group.Wait()
}

// TestEventsWithoutSkillIDs sends an event to a bridge of which no skill has skill_ids.
func TestEventsWithoutSkillIDs(t *testing.T) {
	t.Parallel()
	b := startBridge(t)
	for name, change := range map[string]func(*http.Request){
		"signed": func(*http.Request) {}, "forwarded": forwardedBy(testbridge.BackendID, testbridge.BackendSecret),
	} {
		wantEvent(b, name, b.Disabled(alexaUser, b.Clock.Now()), http.StatusBadRequest, change)
	}
	b.WantMetric(`bridge_alexa_events_total{event="",outcome="other_skill",skill=""} 2`)
}

// TestEventFailuresPerMinute sends invented events. Those of Alexa are answered as ever, from the same address, too,
// and so are those that a backend forwards.
func TestEventFailuresPerMinute(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withEvents, withProxy(600, 3))
	b.Clock.Hold()
	token := b.Link()
	from := forwarded(stranger)
	for i := range 5 {
		want := http.StatusBadRequest
		if i >= 3 {
			want = http.StatusTooManyRequests
		}
		wantEvent(b, "unsigned", b.Disabled(alexaUser, b.Clock.Now()), want, unsigned, from)
	}
	wantEvent(b, "a wrong secret", b.Disabled(alexaUser, b.Clock.Now()), http.StatusTooManyRequests,
		forwardedBy(testbridge.BackendID, "wrong"), from)
	backend := forwardedBy(testbridge.BackendID, testbridge.BackendSecret)
	late := b.Disabled(alexaUser, b.Clock.Now().Add(-2*time.Hour))
	wantEvent(b, "a backend's that is late", late, http.StatusBadRequest, backend, from)
	wantEvent(b, "linked", b.Linked(alexaUser, token, b.Clock.Now()), http.StatusOK, from)
	wantEvent(b, "disabled", b.Disabled(alexaUser, b.Clock.Now()), http.StatusOK, backend, from)
	b.WantInactive(token)
	wantEvent(b, "unsigned, of another address", late, http.StatusBadRequest, unsigned, forwarded(honest))
}
