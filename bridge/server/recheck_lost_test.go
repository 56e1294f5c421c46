package server_test

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/alexa/simulator"
	"alexa-oidc-bridge/internal/testbridge"
)

// A sign-out ends a link whose refresh token the provider refuses, because an answer was lost: nobody can be asked.
func TestLogoutOfLostToken(t *testing.T) {
	t.Parallel()
	var lose atomic.Bool
	b := startBridge(t, loseAnswers(&lose), offlineOnLogout(bridge.LogoutRechecks))
	token := b.Link()
	lose.Store(true)
	b.recheck(time.Hour, token)
	lose.Store(false)
	wantLogout(b, "in doubt", b.LogoutToken(nil), http.StatusOK)
	b.WantActive(token) // for the provider may answer
	b.Server.Recheck(t.Context())
	b.WantActive(token)
	wantLogout(b, "lost", b.LogoutToken(nil), http.StatusOK)
	b.wantEnded(token, bridge.ReasonLoggedOut)
}

// A link whose time of grace is over ends, though the provider is left alone: it need not be asked.
func TestGraceEndsWhileProviderIsDown(t *testing.T) {
	t.Parallel()
	b := startBridge(t, offline(func(p *bridge.AccountPolicy) { p.DeadGrace = time.Hour }))
	token := b.Link()
	var others []string
	for range 3 { // after as many failures the provider is left alone
		phone, request := simulator.NewPhone(), b.Request()
		others = append(others, b.WantToken(request, b.Decide(phone, b.SignIn(phone, request, testbridge.Hedy()), "link")))
	}
	b.ada(disabled)
	b.recheck(time.Hour, token)
	b.wantOutcome("dying", "1")
	b.Provider.SetDown(true)
	b.Clock.Advance(time.Hour - time.Second)
	for _, other := range others {
		b.WantActive(other)
	}
	b.Server.Recheck(t.Context())
	b.wantOutcome("unknown", "3")
	b.WantActive(token)
	b.Clock.Advance(time.Second)
	b.Server.Recheck(t.Context())
	b.wantOutcome("gone", "1")
	b.WantInactive(token)
}
