package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge/keys"
)

// TestReloadAdminTokens changes who may use the admin API.
func TestReloadAdminTokens(t *testing.T) {
	t.Parallel()
	hr, auditor := keys.Generate(), keys.Generate()
	first := fmt.Sprintf("admin_tokens: [{name: hr, secret: %s, may: [read, revoke]}]\nbackends: [", hr)
	s := startReloaded(t, time.Minute, "backends: [", first)
	defer s.stop()
	want := func(secret string, status int) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.admin+"/api/links", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+secret)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		if body := readBody(t, response); response.StatusCode != status {
			t.Errorf("status %d, want %d: %s", response.StatusCode, status, body)
		}
	}
	want(hr, http.StatusOK)
	want(auditor, http.StatusUnauthorized)

	s.edit("[read, revoke]}]", fmt.Sprintf("[revoke]}, {name: auditor, secret: %s, may: [read]}]", auditor))
	log := s.reload(reloaded)
	if !strings.Contains(log, `"admin_tokens_added":["auditor"],"admin_tokens_changed":["hr"]}`) ||
		strings.Contains(log, hr) || strings.Contains(log, auditor) {
		t.Errorf("the log: %s", log)
	}
	want(hr, http.StatusForbidden)
	want(auditor, http.StatusOK)

	s.edit("{name: hr, secret: "+hr+", may: [revoke]}, ", "")
	if log := s.reload(reloaded); !strings.Contains(log, `"admin_tokens_removed":["hr"]}`) {
		t.Errorf("the log: %s", log)
	}
	want(hr, http.StatusUnauthorized)
	want(auditor, http.StatusOK)

	s.edit("admin_tokens: [{name: auditor, secret: "+auditor+", may: [read]}]\n", "")
	s.reload(reloaded)
	want(auditor, http.StatusNotFound)
}
