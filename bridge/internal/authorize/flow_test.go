package authorize

import (
	"testing"

	"alexa-oidc-bridge/bridge"
)

// TestSignInMemory verifies that a revocation of sign-ins is remembered until none that began before can be decided.
func TestSignInMemory(t *testing.T) {
	longest := flowLifetime + exchangeQueueTimeout + exchangeTimeout + bridge.PendingConsentLifetime
	if bridge.SignInMemory <= longest {
		t.Errorf("revocations are remembered for %v, a sign-in may take %v", bridge.SignInMemory, longest)
	}
}
