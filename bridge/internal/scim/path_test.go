package scim

import (
	"strings"
	"testing"
)

// TestPathLength rejects a path that the parser would take long for, also among others.
func TestPathLength(t *testing.T) {
	longest := strings.Repeat("a", maxPath)
	if _, err := parsePath(longest); err != nil || maxPath > 256 {
		t.Errorf("%d bytes: %v", maxPath, err)
	}
	if _, err := parsePath(longest + "a"); err == nil {
		t.Error("a longer path is parsed")
	}
}
