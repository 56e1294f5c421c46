package server_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// TestEventsOfStrangersWhoHangUp has a stranger who makes the bridge fetch certificates that do not come, and does not
// wait for them.
func TestEventsOfStrangersWhoHangUp(t *testing.T) {
	t.Parallel()
	held := &heldTransport{release: make(chan struct{})}
	defer close(held.release)
	b := startBridge(t, withEvents, withProxy(600, 30), func(b *testBridge) {
		held.signer = signerOf(b)
		b.Deps.AlexaTransport = held
	})
	token, now := b.Link(), b.Clock.Now()
	for i := range 5 { // one more than may be fetched at once
		hangUp(b, b.Disabled(alexaUser, now), fmt.Sprintf("https://s3.amazonaws.com/echo.api/%d-", i))
	}
	wantEvent(b, "linked", b.Linked(alexaUser, token, now), http.StatusOK, forwarded(honest))
	wantEvent(b, "disabled", b.Disabled(alexaUser, now), http.StatusOK, forwarded(honest))
	b.WantInactive(token)
}

// hangUp sends an event as a stranger, with certificates of so many URLs that one response comes at once: one request
// waits for its certificate, and 32 wait for that one. Then it hangs up all of them.
func hangUp(b *testBridge, event, chainURL string) {
	b.Helper()
	ctx, cancel := context.WithCancel(b.Context())
	answered := make(chan struct{}, 34)
	var group sync.WaitGroup
	for i := range cap(answered) {
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, b.Origin+"/alexa/events", strings.NewReader(event))
		if err != nil {
			b.Fatal(err)
		}
		forwarded(stranger)(request)
		request.Header.Set("SignatureCertChainUrl", fmt.Sprint(chainURL, i))
		request.Header.Set("Signature-256", "AAAA")
		group.Go(func() {
			if response, err := http.DefaultClient.Do(request); err == nil {
				response.Body.Close()
			}
			answered <- struct{}{}
		})
	}
	<-answered
	cancel()
	group.Wait()
}
