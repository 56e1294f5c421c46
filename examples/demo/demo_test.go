package main

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"alexa-oidc-bridge/config"
)

// ownTemp sets and returns a directory for the temporary files of the test.
func ownTemp(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	for _, name := range []string{"TMPDIR", "TMP", "TEMP"} { // on Unix and Windows
		t.Setenv(name, folder)
	}
	return folder
}

func wantEmpty(t *testing.T, folder string) {
	t.Helper()
	left, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range left {
		t.Errorf("%s is left behind", entry.Name())
	}
}

// secretRun matches what only a secret looks like: tokens, codes, states, challenges and cookies are longer than
// anything else in the demo.
var secretRun = regexp.MustCompile(`[A-Za-z0-9_-]{40,}`)

func TestOnce(t *testing.T) {
	folder := ownTemp(t)
	var stdout, stderr bytes.Buffer
	if code := run([]string{"-once"}, &stdout, &stderr); code != 0 {
		t.Fatalf("exit code %d, stderr: %s", code, &stderr)
	}
	for _, want := range []string{`"text": "Hello Ada"`, `"type": "LinkAccount"`, `"active": true`, `"active": false`,
		"revoked lnk_", "state=A2SAAEAE…(737 characters)", "access_token=aob_at_", "password=•••",
		"response_type=code", "code_challenge_method=S256", "?code=aob_ac_", "grant_type=authorization_code",
		"code_verifier=", "grant_type=refresh_token", `"expires_in": 3600`, `"error": "invalid_grant"`,
		"Your account is not linked any more.", "without a new token: invalid_grant",
		"PATCH http://127.0.0.1:", "Authorization: Bearer ", `"value": false`, `"active": false,`,
		"GET http://127.0.0.1:", "POST http://127.0.0.1:", "Signature-256: ", "AlexaSkillEvent.SkillAccountLinked",
		"AlexaSkillEvent.SkillDisabled", "SKILL_DISABLED_EXCEPTION", "decision=all", `"revoked": 1,`,
		"the link ended as unlinked, by person", "the link ended as operator, by command:demo",
		"the link ended as operator, by api:demo", "the link ended as skill_disabled, by alexa",
		"the link ended as skill_disabled, by backend:pizza-backend",
		"the link ended as deprovisioned, by provider:contoso"} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("no %s in the transcript", want)
		}
	}
	if hellos := strings.Count(stdout.String(), `"text": "Hello Ada"`); hellos != 8 {
		t.Errorf("%d greetings, want two by the code grant and six by the implicit grant", hellos)
	}
	if found := secretRun.FindString(stdout.String()); found != "" {
		t.Errorf("a secret is in the transcript: %s", found)
	}
	if stderr.Len() > 0 {
		t.Errorf("stderr: %s", &stderr)
	}
	wantEmpty(t, folder)
}

func TestOnceFails(t *testing.T) {
	folder := ownTemp(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := strconv.Itoa(taken.Addr().(*net.TCPAddr).Port)
	var stdout, stderr bytes.Buffer
	if code := run([]string{"-once", "-port", port}, &stdout, &stderr); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	if !strings.Contains(stderr.String(), "choose another -port") || strings.Contains(stderr.String(), "%!") {
		t.Errorf("stderr: %q", stderr.String())
	}
	wantEmpty(t, folder)
}

func TestUsage(t *testing.T) {
	for _, test := range []struct {
		name string
		args []string
		code int
		says string
	}{
		{"help", []string{"-help"}, 0, "-once"},
		{"unknown flag", []string{"-twice"}, 2, "-twice"},
		{"port is no number", []string{"-port", "high"}, 2, "-port"},
		{"argument", []string{"once"}, 2, `unexpected argument "once"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			if code := run(test.args, &stdout, &stderr); code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
			if !strings.Contains(stderr.String(), test.says) {
				t.Errorf("stderr %q, want %q in it", stderr.String(), test.says)
			}
		})
	}
}

// TestServe runs two demos at once and stops them.
func TestServe(t *testing.T) {
	folder := ownTemp(t)
	first, second := startServe(t), startServe(t)
	for _, demo := range []*served{first, second} {
		response, err := http.Get(demo.url)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusOK {
			t.Errorf("status %d", response.StatusCode)
		}
	}
	if first.url == second.url {
		t.Error("both are at the same address")
	}
	first.stop(t)
	second.stop(t)
	if response, err := http.Get(first.url); err == nil {
		response.Body.Close()
		t.Error("the page still answers")
	}
	wantEmpty(t, folder)
}

// TestForeignEnvironment starts a demo in the environment of a real bridge, which it must not use.
func TestForeignEnvironment(t *testing.T) {
	ownTemp(t)
	foreign := filepath.Join(t.TempDir(), "bridge.db")
	t.Setenv("BRIDGE_STORAGE_DSN", foreign)
	t.Setenv("BRIDGE_PUBLIC_URL", "https://link.example.com")
	if code := run([]string{"-once"}, io.Discard, io.Discard); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if _, err := os.Stat(foreign); err == nil {
		t.Error("the demo made a database where the environment says")
	}
}

// TestSimulatedRedirect verifies that `simulate`, which takes the first redirect URI on this machine, finds one whose
// port the demo does not use.
func TestSimulatedRedirect(t *testing.T) {
	v := newVisit(t)
	loaded, _, err := config.Load(filepath.Join(v.demo.folder, configurationFile))
	if err != nil {
		t.Fatal(err)
	}
	if got := loaded.Server.Skills[0].RedirectURIs[0]; got != "http://localhost:9000/" {
		t.Errorf("the first redirect URI is %s", got)
	}
}
