//go:build strict

package server_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/internal/testmachine"
)

// TestAdminScript runs the script of docs/admin-api.md.
func TestAdminScript(t *testing.T) {
	t.Parallel()
	_, err := exec.LookPath("curl")
	testmachine.Need(t, err == nil, "curl is not installed")
	folder := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	script := ""
	for _, block := range recipes(t, "sh") {
		if strings.HasPrefix(block, "#!") {
			script = write("end-links.sh", block, 0o700)
		}
	}
	a := startAdmin(t, nil)
	a.LinkOf(bridge.Account{Subject: "ada"})
	a.LinkOf(bridge.Account{Subject: "ada"})
	a.LinkOf(bridge.Account{Subject: "bob"})
	var outages atomic.Int32
	hookStore(a.testBridge).be(func(_ context.Context, method string) error {
		if method == "Revoke" && outages.Add(1) == 1 {
			return errBroken
		}
		return nil
	})
	run := func(secret string, arguments ...string) (output string, code int) {
		header := filepath.Join(folder, "missing")
		if secret != "" {
			header = write("header", "Authorization: Bearer "+secret+"\n", 0o600)
		}
		command := exec.CommandContext(t.Context(), script, arguments...)
		command.Env = append(os.Environ(), "BRIDGE_API="+a.origin+"/api", "BRIDGE_HEADER="+header)
		text, _ := command.CombinedOutput()
		return string(text), command.ProcessState.ExitCode()
	}
	for _, tt := range []struct {
		secret    string
		arguments []string
		want      string
		code      int
		live      int
	}{
		{hrSecret, []string{""}, "the subject is missing", 2, 3},
		{hrSecret, nil, "the subject is missing", 2, 3},
		{hrSecret, []string{`ada"}, "x": {"`}, "not a subject", 2, 3},
		{"", []string{"ada"}, "cannot read ", 2, 3},
		{auditorSecret, []string{"ada"}, "add revoke to its may", 22, 3},
		{anotherSecret, []string{"ada"}, "invalid_token", 22, 3},
		{hrSecret, []string{"ada"}, `"revoked":2,"more":false}`, 0, 1}, // the second attempt of curl
		{hrSecret, []string{"ada"}, `"revoked":0,"more":false}`, 0, 1},
		{hrSecret, []string{"grace"}, `"revoked":0,"more":false}`, 0, 1},
		{hrSecret, []string{"auth0|5f7c8ec7"}, `"revoked":0,"more":false}`, 0, 1},
	} {
		output, code := run(tt.secret, tt.arguments...)
		if code != tt.code || !strings.Contains(output, tt.want) || tt.secret != "" && strings.Contains(output, tt.secret) {
			t.Errorf("%q: exit code %d, %q, want %d, %q", tt.arguments, code, output, tt.code, tt.want)
		}
		if live := len(a.liveIDs()); live != tt.live {
			t.Fatalf("%q: %d links live, want %d", tt.arguments, live, tt.live)
		}
	}
}
