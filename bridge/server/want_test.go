package server_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"

	"alexa-oidc-bridge/bridge"
)

// Links returns all links in the store.
func (b *testBridge) Links() []bridge.Link {
	b.Helper()
	links, err := b.Store.Links(b.Context(), bridge.LinkFilter{})
	if err != nil {
		b.Fatal(err)
	}
	return links
}

// WantLinks checks how many links the store has.
func (b *testBridge) WantLinks(n int) {
	b.Helper()
	if got := len(b.Links()); got != n {
		b.Fatalf("%d links, want %d", got, n)
	}
}

// WantExchanges checks how many codes the bridge has exchanged at the provider.
func (b *testBridge) WantExchanges(n int) {
	b.Helper()
	if got := b.Provider.Requests("/oauth/token"); got != n {
		b.Errorf("%d codes exchanged at the provider, want %d", got, n)
	}
}

// Admin requests a path of the admin handler.
func (b *testBridge) Admin(path string) *httptest.ResponseRecorder {
	recorder := httptest.NewRecorder()
	b.Server.Admin.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, path, nil))
	return recorder
}

// Metrics returns the metrics in the Prometheus text format.
func (b *testBridge) Metrics() string { return b.Admin("/metrics").Body.String() }

// WantMetric checks that the metrics have this line.
func (b *testBridge) WantMetric(line string) {
	b.Helper()
	if metrics := b.Metrics(); !strings.Contains(metrics, line+"\n") {
		b.Errorf("no metric %s in:\n%s", line, bridgeMetrics(metrics))
	}
}

// WantLogged checks that a line of the log has all these fields, and returns that line.
func (b *testBridge) WantLogged(fields map[string]any) map[string]any {
	b.Helper()
	for line := range strings.Lines(b.Logs.String()) {
		var logged map[string]any
		if json.Unmarshal([]byte(line), &logged) != nil {
			continue
		}
		matches := true
		for name, value := range fields {
			matches = matches && logged[name] == value
		}
		if matches {
			return logged
		}
	}
	b.Errorf("no line with %v in the log:\n%s", fields, b.Logs)
	return nil
}

// bridgeMetrics returns the lines of metrics that are the bridge's own.
func bridgeMetrics(metrics string) (own string) {
	for line := range strings.Lines(metrics) {
		if strings.HasPrefix(line, "bridge_") {
			own += line
		}
	}
	return own
}
