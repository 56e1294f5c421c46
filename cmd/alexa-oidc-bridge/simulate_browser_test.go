//go:build strict

package main

import (
	"net/http/httptest"
	"net/url"
	"os/exec"
	"strings"
	"testing"
	"time"

	"alexa-oidc-bridge/internal/testmachine"
)

// TestFragmentInBrowser verifies that the script of the page on this machine sends the fragment, in a real browser.
func TestFragmentInBrowser(t *testing.T) {
	chromium, err := exec.LookPath("chromium")
	testmachine.Need(t, err == nil, "chromium is not on the PATH; install it")
	server := httptest.NewUnstartedServer(nil)
	at, err := url.Parse("http://" + server.Listener.Addr().String() + "/back?app=pizza")
	if err != nil {
		t.Fatal(err)
	}
	b := &browser{loopback: at.String(), arrived: make(chan string, 1)}
	server.Config.Handler = b.handler(t.Context(), at)
	server.Start()
	defer server.Close()
	want := at.String() + "#state=A2S-_&access_token=aob_at_x&token_type=Bearer"
	page := exec.CommandContext(t.Context(), chromium, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
		"--disable-sync", "--disable-background-networking", "--disable-component-update", "--user-data-dir="+t.TempDir(),
		"--virtual-time-budget=10000", "--dump-dom", want)
	output, err := page.Output()
	if err != nil {
		t.Fatal(err)
	}
	select {
	case got := <-b.arrived:
		if got != want || !strings.Contains(string(output), "You can close this window") {
			t.Errorf("arrived at %s, want %s\n%s", got, want, output)
		}
	case <-time.After(time.Minute):
		t.Errorf("the fragment did not arrive:\n%s", output)
	}
}
