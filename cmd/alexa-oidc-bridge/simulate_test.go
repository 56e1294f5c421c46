package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/alexa/simulator"
	"alexa-oidc-bridge/internal/testbridge"
)

// TestSimulate links by both grants with the redirect on this machine, and opens a skill that greets by name.
func TestSimulate(t *testing.T) {
	b, loopback := simulatedBridge(t, func(*testbridge.Bridge) {})
	path := simulatedConfig(t, b, "redirect_uris: ["+loopback+"]")
	folder := t.TempDir()
	signed := 0
	skill := httptest.NewServer(greeting(b, &signed))
	defer skill.Close()
	code, output := simulate(t, runScript(t), "--config", path, "--endpoint", skill.URL, "--sign-with", folder,
		"--serve-chain", "127.0.0.1:0")
	if code != exitDone || signed != 2 {
		t.Errorf("exit code %d, %d signed requests\n%s", code, signed, output)
	}
	const implicitPath, codePath = "/spa/skill/account-linking-status.html?vendorId=M2AAAAAAAAAAAA",
		"/api/skill/link/M2AAAAAAAAAAAA"
	wantSteps(t, b, "\n"+output,
		"ok       implicit, Americas: https://pitangui.amazon.com"+implicitPath+" begins a sign-in",
		"ok       implicit, Europe and India: https://layla.amazon.com/spa/",
		"ok       implicit, Japan and Australia: https://alexa.amazon.co.jp/spa",
		"ok       authorization_code, Americas: https://pitangui.amazon.com"+codePath+" begins a sign-in",
		"ok       implicit: linked, with the access token aob_at_",
		`ok       the access token is that of the person with the sub "a2b4c6"`,
		`ok       the skill says "Hello Ada Lovelace"`,
		"ok       revoked the link",
		"ok       authorization_code: linked, with the code aob_ac_",
		"ok       exchanged the code: access token aob_at_",
		"ok       refreshed: a refresh",
		"ok       refreshed: the same refresh token again",
		"ok       refreshed: 4 refreshes at once",
		"ok       refreshed: a refresh after all",
		"ok       the link lives: in 3600 seconds",
		`ok       the access token is that of`,
		`ok       the skill says "Hello Ada`,
		"ok       revoked the link")
	wantDocumented(t, output)
	links, err := b.Store.Links(t.Context(), bridge.LinkFilter{})
	if err != nil || len(links) != 2 || !links[0].Revoked() || !links[1].Revoked() {
		t.Errorf("%+v, %v", links, err)
	}
}

// wantDocumented verifies that the command prints what docs/testing.md shows, but for the tokens.
func wantDocumented(t *testing.T, output string) {
	t.Helper()
	alike := func(text string) string {
		return regexp.MustCompile(`aob_(..)_.…`).ReplaceAllString(text, "aob_${1}_x…")
	}
	shown := regexp.MustCompile("(?m)^ok .*$").FindAllString(documents(t)["docs/testing.md"], -1)
	if len(shown) < 10 {
		t.Errorf("docs/testing.md shows %d lines of output", len(shown))
	}
	for _, line := range shown {
		if !strings.Contains(alike(output), alike(line)+"\n") {
			t.Errorf("docs/testing.md shows %q, which is not printed:\n%s", line, output)
		}
	}
}

// greeting is a skill that greets by name, and counts the requests that are signed.
func greeting(b *testbridge.Bridge, signed *int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Context struct {
				System struct{ User struct{ AccessToken string } }
			}
		}
		json.NewDecoder(r.Body).Decode(&body)
		if r.Header.Get("Signature-256") != "" {
			*signed++
		}
		linking := simulator.Linking{UserinfoURI: b.Origin + "/userinfo"}
		claims, err := linking.Userinfo(r.Context(), body.Context.System.User.AccessToken)
		if err != nil {
			fmt.Fprint(w, `{"response":{"outputSpeech":{"text":"Please link"},"card":{"type":"LinkAccount"}}}`)
			return
		}
		fmt.Fprintf(w, `{"response":{"outputSpeech":{"text":"Hello %s"}}}`, claims["name"])
	}
}

// TestSimulateByPasting links at a server that is given by flags, with the addresses pasted.
func TestSimulateByPasting(t *testing.T) {
	b, _ := simulatedBridge(t, func(b *testbridge.Bridge) { b.Skill.RequirePKCE = true })
	secretFile := filepath.Join(t.TempDir(), "secret")
	mustWriteFile(t, secretFile, simulatedSecret+"\n")
	paste := func(at *url.URL) string {
		otherState := strings.Replace(at.String(), "A2SAAEAE", "A2SAAEAF", 1)
		return "https://example.com/wrong\n" + otherState + "\n\n" + at.String()
	}
	origin, err := url.Parse(b.Origin)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(origin)
	token := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("the credentials are in the header, and not in the body")
		}
		proxy.ServeHTTP(w, r)
	}))
	defer token.Close()
	code, output := simulate(t, paste, "--authorization-uri", b.Origin+"/authorize", "--token-uri", token.URL+"/token",
		"--client-id", "pizza", "--vendor-id", testbridge.VendorID, "--client-secret-file", secretFile, "--pkce",
		"--scope", "orders", "--credentials-in-body", "--region", "eu")
	if code != exitDone || strings.Contains(output, "pitangui") || strings.Count(output, "This is not the address") != 2 ||
		!strings.Contains(output, `add redirect_uris: ["http://localhost:9000/"]`) {
		t.Errorf("exit code %d\n%s", code, output)
	}
	wantSteps(t, b, "\n"+output, "ok       authorization_code, Europe", "ok       authorization_code: linked",
		"ok       exchanged the code",
		"ok       the link lives", "warning  the link remains")
}

// TestSimulateFaults plays against bridges that are not set up as the developer console is.
func TestSimulateFaults(t *testing.T) {
	const (
		notImplicit = "fault    implicit, Americas: https://pitangui.amazon.com/spa/skill/account-linking-status.html" +
			"?vendorId=M2AAAAAAAAAAAA begins no sign-in: it shows an error page (status 400): " +
			"This skill asked for a wrong address"
		notCode = "fault    authorization_code, Americas: https://pitangui.amazon.com/api/skill/link/M2AAAAAAAAAAAA begins " +
			"no sign-in: it redirects to Alexa with the error unauthorized_client: "
	)
	justCode, justImplicit := []string{"--grant", "authorization_code"}, []string{"--grant", "implicit"}
	for _, tt := range []struct {
		name   string
		change func(*testbridge.Bridge)
		args   []string
		want   []string
	}{
		{"regions are missing", func(b *testbridge.Bridge) { b.Skill.RedirectURIs = b.Skill.RedirectURIs[4:] }, nil,
			[]string{notImplicit, "fault    implicit, Europe", "ok       implicit, Japan", "ok       the link lives"}},
		{"a grant is missing", func(b *testbridge.Bridge) { b.Skill.Grants = b.Skill.Grants[:1] }, justCode,
			[]string{notCode, "fault    authorization_code: no link: the redirect has the error unauthorized_client"}},
		{"another secret", func(b *testbridge.Bridge) {
			b.Skill.Secrets = []bridge.Secret{bridge.NewSecret(testbridge.BackendSecret)}
		}, justCode, []string{
			"ok       authorization_code: linked",
			"fault    the code cannot be exchanged: the token endpoint answers invalid_client (status 401)",
			"         compare Your Secret",
		}},
		{"the skill does not know the bridge", func(*testbridge.Bridge) {}, append(justImplicit, "--endpoint", "ENDPOINT"),
			[]string{
				"ok       implicit: linked", `fault    the skill asks to link the account: "Link me"`, "ok       revoked the link",
			}},
		{"the skill is down", func(*testbridge.Bridge) {}, append(justImplicit, "--endpoint", "http://127.0.0.1:1/"),
			[]string{"fault    the skill does not respond", "         see the log of the skill"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b, loopback := simulatedBridge(t, tt.change)
			path := simulatedConfig(t, b, "redirect_uris: ["+loopback+"]")
			skill := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				fmt.Fprint(w, `{"response":{"outputSpeech":{"text":"Link me"},"card":{"type":"LinkAccount"}}}`)
			}))
			defer skill.Close()
			for i, arg := range tt.args {
				tt.args[i] = strings.ReplaceAll(arg, "ENDPOINT", skill.URL)
			}
			code, output := simulate(t, runScript(t), append(tt.args, "--config", path)...)
			if code != exitFailed {
				t.Errorf("exit code %d\n%s", code, output)
			}
			wantSteps(t, b, "\n"+output, tt.want...)
		})
	}
}

// TestSimulateOpens verifies that --open starts the browser, which gets none of our environment's secrets.
func TestSimulateOpens(t *testing.T) {
	b, loopback := simulatedBridge(t, func(*testbridge.Bridge) {})
	folder := t.TempDir()
	opened := filepath.Join(folder, "opened")
	script := strings.ReplaceAll(`#!/bin/sh
printf '%s\n' "$1" > FILE.new
env >> FILE.new
mv FILE.new FILE
`, "FILE", opened)
	if err := os.WriteFile(filepath.Join(folder, "xdg-open"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", folder+string(os.PathListSeparator)+os.Getenv("PATH"))
	path := simulatedConfig(t, b, "redirect_uris: ["+loopback+"]")
	text := ""
	code, output := simulate(t, func(*url.URL) string {
		for deadline := time.Now().Add(time.Minute); text == "" && time.Now().Before(deadline); {
			content, _ := os.ReadFile(opened)
			text = string(content)
		}
		return ""
	}, "--config", path, "--grant", "authorization_code", "--open")
	if code != exitDone {
		t.Errorf("exit code %d\n%s", code, output)
	}
	if !strings.HasPrefix(text, b.Origin+"/authorize?client_id=pizza") || strings.Contains(text, simulatedSecret) {
		t.Errorf("opened with %s", text)
	}
}
