//go:build strict

package main

import (
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"alexa-oidc-bridge/internal/testmachine"
)

// TestTerminal runs the commands that the page shows, as a person in the folder of the repository would.
func TestTerminal(t *testing.T) {
	for _, name := range []string{"sh", "curl", "go"} {
		_, err := exec.LookPath(name)
		testmachine.Need(t, err == nil, name+" is not on the PATH; install it")
	}
	v := newVisit(t)
	run := func(command string) string {
		t.Helper()
		sh := exec.CommandContext(t.Context(), "sh", "-c", command)
		sh.Dir = "../.."
		said, err := sh.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", command, err, said)
		}
		return string(said)
	}
	for _, test := range []struct {
		name    string
		command func(commands) string
		says    string
		end     string // how the link ended
	}{
		{"command", func(c commands) string { return c.Revoke }, "links revoked: 1", "operator</code>, by <code>command:"},
		{"admin API", func(c commands) string { return c.API }, `"revoked":1`, "operator</code>, by <code>api:demo"},
		{"backend", func(c commands) string { return c.Disabled }, "",
			"skill_disabled</code>, by <code>backend:pizza-backend"},
	} {
		t.Run(test.name, func(t *testing.T) {
			v.T = t
			v.link("ada")
			v.want(v.ask(), http.StatusOK, "Hello Ada")
			link, err := v.demo.lastLink(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			shown := v.demo.commands(link)
			if said := run(shown.List); !strings.Contains(said, link.ID) {
				t.Errorf("links list says %s", said)
			}
			if said := run(test.command(shown)); !strings.Contains(said, test.says) {
				t.Errorf("the command says %s", said)
			}
			if page := v.home(); !strings.Contains(page, test.end) {
				t.Errorf("no %q on the page:\n%s", test.end, page)
			}
			v.until(pleaseLink, v.ask) // a server may learn of the command a second later
		})
	}
}
