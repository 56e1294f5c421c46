//go:build strict

package alexa_test

import (
	"os"
	"testing"
)

// need ends the test if the machine does not meet a requirement. The test is skipped, or fails with
// BRIDGE_TEST_STRICT=1.
func need(t *testing.T, met bool, reason string) {
	t.Helper()
	switch {
	case met:
	case os.Getenv("BRIDGE_TEST_STRICT") == "1":
		t.Fatal(reason)
	default:
		t.Skip(reason)
	}
}
