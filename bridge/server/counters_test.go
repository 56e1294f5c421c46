package server

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"alexa-oidc-bridge/bridge/keys"
)

// TestCountersAreShared verifies that two servers count in the same registry, and that none of their counters is where
// it would begin again with the second server.
func TestCountersAreShared(t *testing.T) {
	t.Parallel()
	deps := Deps{Store: &recordingStore{}, Log: slog.New(slog.DiscardHandler), Counters: prometheus.NewRegistry()}
	for range 2 {
		s, err := New(Config{Keys: keys.NewRing([]byte("0123456789abcdef0123456789abcdef"))}, deps)
		if err != nil {
			t.Fatal(err)
		}
		for name, kind := range gather(t, s.registry) {
			if strings.HasPrefix(name, "bridge_") && kind != "GAUGE" {
				t.Errorf("%s is a %s: register it with Deps.Counters", name, kind)
			}
		}
	}
	if kinds := gather(t, deps.Counters); kinds["bridge_http_request_duration_seconds"] != "HISTOGRAM" {
		t.Errorf("counters: %v", kinds)
	}
}

// gather returns the types of metrics by their names.
func gather(t *testing.T, registry *prometheus.Registry) map[string]string {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]string{}
	for _, family := range families {
		kinds[family.GetName()] = family.GetType().String()
	}
	return kinds
}
