package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
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

const simulatedSecret = "wm3NBJ8dGq0cXkT2pZ7vYh5sRf9aLe4u"

// simulatedBridge starts a bridge whose skill has both grants and a redirect URI on this machine.
func simulatedBridge(t *testing.T, change func(*testbridge.Bridge)) (b *testbridge.Bridge, loopback string) {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	loopback = "http://" + free.Addr().String() + "/back"
	free.Close()
	b = testbridge.Start(t, func(b *testbridge.Bridge) {
		b.Skill.Grants = append(b.Skill.Grants, bridge.GrantAuthorizationCode)
		b.Skill.Secrets = []bridge.Secret{bridge.NewSecret(simulatedSecret)}
		b.Skill.AccessLifetime, b.Skill.CodeLifetime = time.Hour, time.Minute
		b.Skill.RedirectURIs = append(b.Skill.RedirectURIs, loopback)
		change(b)
	})
	return b, loopback
}

// simulatedConfig writes a configuration of that bridge's skill, as its operator has it.
func simulatedConfig(t *testing.T, b *testbridge.Bridge, more string) (path string) {
	t.Helper()
	t.Setenv("SIMULATED_SECRET", simulatedSecret)
	path = filepath.Join(t.TempDir(), "config.yaml")
	mustWriteFile(t, path, fmt.Sprintf(`
public_url: %s
keys: [%s]
providers: [{id: corp, issuer: %q, client_id: alexa-bridge}]
skills:
  - client_id: pizza
    name: Contoso Pizza
    grants: [implicit, authorization_code]
    client_secret: ${SIMULATED_SECRET}
    vendor_ids: [M2AAAAAAAAAAAA]
    scopes: [orders]
    %s
`, b.Origin, strings.TrimSpace(mustOutput(t, "secret")), b.Provider.Issuer(), more))
	return path
}

func mustOutput(t *testing.T, args ...string) string {
	t.Helper()
	code, stdout, stderr := runCommand(args...)
	if code != 0 {
		t.Fatal(stderr)
	}
	return stdout
}

// simulate runs the command while a person does what it says, and returns what it printed. After each sign-in the
// person has an address, for which paste returns the line to be typed, or "".
func simulate(t *testing.T, paste func(address *url.URL) string, args ...string) (code int, output string) {
	t.Helper()
	stdin, typing := io.Pipe()
	stdout, printing := io.Pipe()
	root := rootCommand()
	root.SetArgs(append([]string{"simulate"}, args...))
	var stderr bytes.Buffer
	root.SetIn(stdin)
	root.SetOut(printing)
	root.SetErr(&stderr)
	ended := make(chan error, 1)
	go func() {
		ended <- root.ExecuteContext(t.Context())
		printing.Close()
	}()
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		output += lines.Text() + "\n"
		if address := lines.Text(); strings.HasPrefix(address, "http") {
			if line := paste(signInAsAda(t, address)); line != "" {
				go io.WriteString(typing, line+"\n")
			}
		}
	}
	if failed, ok := errors.AsType[*failure](<-ended); ok {
		return failed.code, output
	}
	return exitDone, output
}

// signInAsAda signs in, links, and returns where the phone ended. A request that is refused ends there at once.
func signInAsAda(t *testing.T, address string) *url.URL {
	t.Helper()
	phone := simulator.NewPhone()
	page, err := phone.Open(address)
	for _, form := range []url.Values{
		{"login": {testbridge.Ada().Login}, "password": {testbridge.Ada().Password}, "action": {"sign-in"}},
		{"decision": {"link"}},
	} {
		if err == nil && strings.Contains(page.Body, "<form") {
			page, err = phone.Submit(page, form)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return page.URL
}

// runScript does what the script of the page on this machine does: it sends the fragment.
func runScript(t *testing.T) func(*url.URL) string {
	return func(at *url.URL) string {
		if at.Fragment == "" {
			return ""
		}
		_, fragment, _ := strings.Cut(at.String(), "#")
		at.Fragment = ""
		response, err := http.Post(at.String(), "text/plain", strings.NewReader("#"+fragment))
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		return ""
	}
}

// wantSteps verifies that the lines of an output begin with these, in this order, and that no secret is among them.
func wantSteps(t *testing.T, b *testbridge.Bridge, output string, steps ...string) {
	t.Helper()
	b.CheckSecrets("the output", output)
	if leaked := regexp.MustCompile(`aob_(at|rt|ac)_[A-Za-z0-9_-]{4,}`).FindString(output); leaked != "" || strings.Contains(output, simulatedSecret) {
		t.Errorf("the output has the token %s, or the client secret", leaked)
	}
	rest := output
	for _, step := range steps {
		_, after, found := strings.Cut(rest, "\n"+step)
		if !found {
			t.Fatalf("%q is missing, or in another place:\n%s", step, output)
		}
		rest = after
	}
}

// TestSimulate links by both grants with the redirect on this machine, and opens a skill that greets by name.
func TestSimulate(t *testing.T) {
	b, loopback := simulatedBridge(t, func(*testbridge.Bridge) {})
	path := simulatedConfig(t, b, "redirect_uris: ["+loopback+"]")
	folder := t.TempDir()
	signed := 0
	skill := httptest.NewServer(greeting(b, &signed))
	defer skill.Close()
	code, output := simulate(t, runScript(t), "--config", path, "--endpoint", skill.URL, "--sign-with", folder, "--serve-chain", "127.0.0.1:0")
	if code != exitDone || signed != 2 {
		t.Errorf("exit code %d, %d signed requests\n%s", code, signed, output)
	}
	wantSteps(t, b, "\n"+output,
		"ok       implicit, Americas: https://pitangui.amazon.com/spa/skill/account-linking-status.html?vendorId=M2AAAAAAAAAAAA begins",
		"ok       implicit, Europe and India: https://layla.amazon.com/spa/", "ok       implicit, Japan and Australia: https://alexa.amazon.co.jp/spa",
		"ok       authorization_code, Americas: https://pitangui.amazon.com/api/skill/link/M2AAAAAAAAAAAA begins a sign-in",
		"ok       implicit: linked, with the access token aob_at_",
		`ok       the access token is that of the person with the sub "a2b4c6"`, `ok       the skill says "Hello Ada Lovelace"`, "ok       revoked the link",
		"ok       authorization_code: linked, with the code aob_ac_",
		"ok       exchanged the code: access token aob_at_", "ok       refreshed: a refresh", "ok       refreshed: the same refresh token again",
		"ok       refreshed: 4 refreshes at once", "ok       refreshed: a refresh after all", "ok       the link lives: in 3600 seconds",
		`ok       the access token is that of`, `ok       the skill says "Hello Ada`, "ok       revoked the link")
	links, err := b.Store.Links(t.Context(), bridge.LinkFilter{})
	if err != nil || len(links) != 2 || !links[0].Revoked() || !links[1].Revoked() {
		t.Errorf("%+v, %v", links, err)
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
	code, output := simulate(t, func(at *url.URL) string { return "https://example.com/wrong\n" + at.String() },
		"--authorization-uri", b.Origin+"/authorize", "--token-uri", b.Origin+"/token", "--client-id", "pizza", "--vendor-id", testbridge.VendorID,
		"--client-secret-file", secretFile, "--pkce", "--scope", "orders", "--credentials-in-body", "--region", "eu")
	if code != exitDone || strings.Contains(output, "pitangui") || !strings.Contains(output, "This is not the address") ||
		!strings.Contains(output, `add redirect_uris: ["http://localhost:9000/"]`) {
		t.Errorf("exit code %d\n%s", code, output)
	}
	wantSteps(t, b, "\n"+output, "ok       authorization_code, Europe", "ok       authorization_code: linked", "ok       exchanged the code",
		"ok       the link lives", "warning  the link remains")
}

// TestSimulateFaults plays against bridges that are not set up as the developer console is.
func TestSimulateFaults(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*testbridge.Bridge)
		args   []string
		want   []string
	}{
		{"regions are missing", func(b *testbridge.Bridge) { b.Skill.RedirectURIs = b.Skill.RedirectURIs[4:] }, nil, []string{
			"fault    implicit, Americas: https://pitangui.amazon.com/spa/skill/account-linking-status.html?vendorId=M2AAAAAAAAAAAA begins no sign-in: " +
				"it shows an error page (status 400): This skill asked for a wrong address",
			"fault    implicit, Europe", "ok       implicit, Japan", "ok       the link lives"}},
		{"a grant is missing", func(b *testbridge.Bridge) { b.Skill.Grants = b.Skill.Grants[:1] }, []string{"--grant", "authorization_code"}, []string{
			"fault    authorization_code, Americas: https://pitangui.amazon.com/api/skill/link/M2AAAAAAAAAAAA begins no sign-in: " +
				"it redirects to Alexa with the error unauthorized_client: ", "fault    authorization_code: no link: the redirect has the error unauthorized_client"}},
		{"another secret", func(b *testbridge.Bridge) {
			b.Skill.Secrets = []bridge.Secret{bridge.NewSecret(testbridge.BackendSecret)}
		}, []string{"--grant", "authorization_code"}, []string{
			"ok       authorization_code: linked",
			"fault    the code cannot be exchanged: the token endpoint answers invalid_client (status 401)", "         compare Your Secret"}},
		{"the skill does not know the bridge", func(*testbridge.Bridge) {}, []string{"--grant", "implicit", "--endpoint", "ENDPOINT"}, []string{
			"ok       implicit: linked", `fault    the skill asks to link the account: "Link me"`, "ok       revoked the link"}},
		{"the skill is down", func(*testbridge.Bridge) {}, []string{"--grant", "implicit", "--endpoint", "http://127.0.0.1:1/"}, []string{
			"fault    the skill does not respond", "         see the log of the skill"}},
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
	script := "#!/bin/sh\nprintf '%s\\n' \"$1\" > " + opened + ".new; env >> " + opened + ".new; mv " + opened + ".new " + opened + "\n"
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
