package testbridge

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"

	"alexa-oidc-bridge/bridge"
)

// KeepSecret declares texts that must not appear in the log. [Bridge.CheckSecrets] checks other places.
func (b *Bridge) KeepSecret(texts ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.secrets = append(b.secrets, texts...)
}

// CheckSecrets checks that a text has none of the secrets in it, neither as they are nor URL-encoded.
func (b *Bridge) CheckSecrets(where, text string) {
	b.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, secret := range b.secrets {
		for _, form := range []string{secret, url.QueryEscape(secret)} {
			if len(form) >= 8 && strings.Contains(text, form) {
				b.Errorf("%s contains a secret: %s", where, form)
			}
		}
	}
}

// Links returns all links in the store.
func (b *Bridge) Links() []bridge.Link {
	b.Helper()
	links, err := b.Store.Links(b.Context(), bridge.LinkFilter{})
	if err != nil {
		b.Fatal(err)
	}
	return links
}

// WantLinks checks how many links the store has.
func (b *Bridge) WantLinks(n int) {
	b.Helper()
	if got := len(b.Links()); got != n {
		b.Fatalf("%d links, want %d", got, n)
	}
}

// Admin requests a path of the admin handler.
func (b *Bridge) Admin(path string) *httptest.ResponseRecorder {
	recorder := httptest.NewRecorder()
	b.Server.Admin.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, path, nil))
	return recorder
}

// Metrics returns the metrics in the Prometheus text format.
func (b *Bridge) Metrics() string { return b.Admin("/metrics").Body.String() }

// WantMetric checks that the metrics have this line.
func (b *Bridge) WantMetric(line string) {
	b.Helper()
	if metrics := b.Metrics(); !strings.Contains(metrics, line+"\n") {
		b.Errorf("no metric %s in:\n%s", line, metrics)
	}
}

// WantLogged checks that a line of the log has all these fields, and returns that line.
func (b *Bridge) WantLogged(fields map[string]any) map[string]any {
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

// Log collects what a bridge logs, or another process.
type Log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
