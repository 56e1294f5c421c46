package admin

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"alexa-oidc-bridge/bridge"
)

// TestDocumentHasRoutes verifies that the description has the paths and the methods of the handlers, and no others.
func TestDocumentHasRoutes(t *testing.T) {
	var described struct {
		Paths map[string]map[string]any `json:"paths"`
	}
	if err := json.Unmarshal(document, &described); err != nil {
		t.Fatal(err)
	}
	routes := New(Deps{Tokens: make([]bridge.AdminToken, 1)}).Routes()
	for _, route := range routes {
		if strings.HasSuffix(route.Pattern, "/") { // all other paths
			continue
		}
		methods := slices.Sorted(maps.Keys(described.Paths[route.Pattern]))
		if want := strings.ToLower(strings.Join(route.Methods, ",")); strings.Join(methods, ",") != want {
			t.Errorf("%s: described with %q, served with %q", route.Pattern, methods, want)
		}
		delete(described.Paths, route.Pattern)
	}
	if len(described.Paths) > 0 || len(routes) < 2 {
		t.Errorf("described, but not served: %v", slices.Collect(maps.Keys(described.Paths)))
	}
}

// TestDocumentHasEvents verifies that the description names the events of the audit log.
func TestDocumentHasEvents(t *testing.T) {
	var described struct {
		Components struct {
			Schemas struct {
				AuditEvent struct{ Enum []bridge.AuditEvent }
			}
		}
	}
	if err := json.Unmarshal(document, &described); err != nil {
		t.Fatal(err)
	}
	if got := described.Components.Schemas.AuditEvent.Enum; !slices.Equal(got, bridge.AuditEvents()) {
		t.Errorf("events %q, want %q", got, bridge.AuditEvents())
	}
}
