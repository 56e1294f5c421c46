package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
)

// The metadata (RFC 8414) name what the configured skills can use, and no more.
func TestMetadata(t *testing.T) {
	t.Parallel()
	b := startBridge(t)
	implicit := metadata(b)
	for _, name := range []string{
		"token_endpoint", "code_challenge_methods_supported", "authorization_response_iss_parameter_supported",
	} {
		if implicit[name] != nil {
			t.Errorf("%s in the metadata, though no skill can use it", name)
		}
	}
	if implicit["issuer"] != b.Origin || implicit["introspection_endpoint"] != b.Origin+"/lookup" {
		t.Errorf("metadata %v", implicit)
	}
	b = startBridge(t, withCodeGrant)
	both := metadata(b)
	for name, want := range map[string]string{
		"token_endpoint":                   b.Origin + "/token",
		"response_types_supported":         "[code token]",
		"grant_types_supported":            "[authorization_code implicit refresh_token]",
		"code_challenge_methods_supported": "[S256]",
	} {
		if got := fmt.Sprint(both[name]); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}

func metadata(b *testBridge) map[string]any {
	b.Helper()
	response, body := b.Do(b.NewRequest(http.MethodGet, "/.well-known/oauth-authorization-server", nil))
	var metadata map[string]any
	if err := json.Unmarshal([]byte(body), &metadata); err != nil || response.StatusCode != http.StatusOK {
		b.Fatalf("status %d: %s", response.StatusCode, body)
	}
	return metadata
}
