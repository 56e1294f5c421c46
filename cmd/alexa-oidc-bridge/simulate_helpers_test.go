package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/alexa/simulator"
	"alexa-oidc-bridge/internal/testbridge"
	"alexa-oidc-bridge/internal/testmachine"
)

const simulatedSecret = "wm3NBJ8dGq0cXkT2pZ7vYh5sRf9aLe4u"

// simulatedBridge starts a bridge whose skill has both grants and a redirect URI on this machine.
func simulatedBridge(t *testing.T, change func(*testbridge.Bridge)) (b *testbridge.Bridge, loopback string) {
	t.Helper()
	loopback = "http://" + testmachine.FreeAddresses(t, 1)[0] + "/back"
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
	var stderr bytes.Buffer
	root := rootCommand()
	root.SetArgs(append([]string{"simulate"}, args...))
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
	if leaked := regexp.MustCompile(`aob_(at|rt|ac)_[A-Za-z0-9_-]{4,}`).FindString(output); leaked != "" ||
		strings.Contains(output, simulatedSecret) {
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
