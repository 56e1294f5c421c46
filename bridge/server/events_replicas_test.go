package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestEventOnceOnReplicas has two servers on one database.
func TestEventOnceOnReplicas(t *testing.T) {
	t.Parallel()
	first, second := startEventReplicas(t)
	wantEventOnce(first, second)
}

func startEventReplicas(t *testing.T) (first, second *testBridge) {
	t.Helper()
	first = startBridge(t, withEvents)
	second = startBridge(t, withEvents, func(b *testBridge) {
		b.Database, b.Clock, b.Config.Providers[0].Issuer = first.Database, first.Clock, first.Config.Providers[0].Issuer
	})
	return first, second
}

// wantEventOnce delivers one event several times at once to both servers, of which one ends the link.
func wantEventOnce(first, second *testBridge) {
	first.Helper()
	token, now := first.Link(), first.Clock.Now()
	wantEvent(first, "linked", first.Linked(alexaUser, token, now), http.StatusOK)
	disabled := first.Disabled(alexaUser, now.Add(time.Second))
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() { wantEvent([]*testBridge{first, second}[i%2], "disabled", disabled, http.StatusOK) })
	}
	group.Wait()
	second.WantInactive(token)
	metrics := first.Metrics() + second.Metrics()
	for outcome, want := range map[string]int{"revoked": 1, "nothing_revoked": 0} {
		line := fmt.Sprintf(`bridge_alexa_events_total{event="SkillDisabled",outcome=%q,skill="pizza"} `, outcome)
		if got := strings.Count(metrics, line); got != want {
			first.Errorf("%d servers say %s, want %d:\n%s", got, outcome, want, bridgeMetrics(metrics))
		}
	}
}
