package logout

import (
	"errors"
	"testing"

	"alexa-oidc-bridge/bridge/internal/oauth"
	"alexa-oidc-bridge/bridge/upstream"
)

// TestUnverified verifies that a response which anybody can cause is one that may come late.
func TestUnverified(t *testing.T) {
	for err, want := range map[error]bool{
		&upstream.Error{Stage: upstream.StageKeys}:         true,
		&upstream.Error{Stage: upstream.StageDiscovery}:    true,
		&upstream.Error{Stage: upstream.StageLogout}:       false, // its status says it
		errors.New("the store is out of reach, for a JWT"): false,
	} {
		if got := mapError(err, oauth.Errorf(oauth.InvalidToken, "")).Unverified; got != want {
			t.Errorf("%v: unverified %v", err, got)
		}
	}
}
