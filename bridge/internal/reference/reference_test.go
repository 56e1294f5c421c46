package reference_test

import (
	"regexp"
	"testing"

	"alexa-oidc-bridge/bridge/internal/reference"
)

func TestReference(t *testing.T) {
	if ref := reference.New(); !regexp.MustCompile(`^[2-9A-HJ-NP-Z]{8}$`).MatchString(string(ref)) {
		t.Errorf("reference %s", ref)
	}
	if ref := reference.FromContext(reference.NewContext(t.Context(), "X")); ref != "X" {
		t.Errorf("reference %q", ref)
	}
	if ref := reference.FromContext(t.Context()); ref != "" {
		t.Errorf("reference %q", ref)
	}
}
