package server_test

import (
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
)

// A link that nobody uses is rechecked once a day, so that its refresh token does not expire.
func TestRecheckWithoutUse(t *testing.T) {
	t.Parallel()
	b := startBridge(t, offline())
	token := b.Link()
	for range 3 * 24 {
		b.Clock.Advance(time.Hour)
		b.Server.Recheck(b.Context())
	}
	b.wantOutcome("alive", "3")
	b.ada(disabled)
	b.Clock.Advance(24 * time.Hour)
	b.Server.Recheck(b.Context())
	b.wantEnded(token, bridge.ReasonAccountGone)
}

// A limit does not silence somebody who did not speak for longer than that, while the provider answers.
func TestRecheckLimitWithoutUse(t *testing.T) {
	t.Parallel()
	b := startBridge(t, offline(func(p *bridge.AccountPolicy) { p.RecheckLimit = 4 * time.Hour }))
	token := b.Link()
	for range 9 {
		b.Clock.Advance(time.Hour)
		b.Server.Recheck(b.Context())
	}
	b.wantOutcome("alive", "4")
	b.WantActive(token)
}
