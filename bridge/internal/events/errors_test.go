package events

import (
	"errors"
	"fmt"
	"testing"

	"alexa-oidc-bridge/bridge/alexa"
)

// TestUnverified verifies that a response which anybody can cause is one that may come late.
func TestUnverified(t *testing.T) {
	for err, want := range map[error]bool{
		fmt.Errorf("%w: the client has gone", errBusy):                 true,
		fmt.Errorf("%w: the certificate is gone", errNotVerified):      true,
		fmt.Errorf("%w: it is too old", alexa.ErrNotFromAlexa):         false, // its status says it
		errors.New("the store is out of reach, for an event of Alexa"): false,
	} {
		if got := mapError(err).Unverified; got != want {
			t.Errorf("%v: unverified %v", err, got)
		}
	}
}
