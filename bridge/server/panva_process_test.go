//go:build strict

package server_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge/alexa/simulator"
	"alexa-oidc-bridge/bridge/server"
	"alexa-oidc-bridge/bridge/upstream"
	"alexa-oidc-bridge/bridge/upstreamtest"
	"alexa-oidc-bridge/internal/testbridge"
	"alexa-oidc-bridge/internal/testmachine"
)

const panvaFolder = "testdata/panva"

// panva is a bridge whose provider is panva's oidc-provider, in a process that can be killed and started again.
type panva struct {
	*testBridge
	config  panvaConfig
	issuer  string
	process *exec.Cmd
	stderr  testbridge.Log
}

// panvaConfig is what provider.js reads.
type panvaConfig struct {
	Port   int           `json:"port"` // 0: a free one
	Client panvaClient   `json:"client"`
	People []panvaPerson `json:"people"`
}

type panvaClient struct {
	ID          string `json:"id"`
	Secret      string `json:"secret"`
	RedirectURI string `json:"redirect_uri"`
	LogoutURI   string `json:"logout_uri"`
}

type panvaPerson struct {
	Subject  string         `json:"subject"`
	Login    string         `json:"login"`
	Password string         `json:"password"`
	Claims   map[string]any `json:"claims"`
}

// startPanva starts the provider, with Ada and Hedy, and a bridge that uses it.
func startPanva(t *testing.T, changes ...func(*testBridge)) *panva {
	t.Helper()
	_, err := exec.LookPath("node")
	testmachine.Need(t, err == nil, "node is not on the PATH; install Node.js")
	_, err = os.Stat(filepath.Join(panvaFolder, "node_modules", "oidc-provider"))
	testmachine.Need(t, err == nil, "oidc-provider is not installed; run npm ci in "+panvaFolder)
	p := &panva{}
	useProvider := func(b *testBridge) {
		p.testBridge = b
		p.config = panvaConfig{
			Client: panvaClient{testbridge.ClientID, testbridge.ClientSecret, server.CallbackURI(b.Config.PublicURL, "corp"),
				server.BackChannelLogoutURI(b.Config.PublicURL, "corp")},
			People: []panvaPerson{newPanvaPerson(testbridge.Ada()), newPanvaPerson(testbridge.Hedy())},
		}
		p.start()
		b.Config.Providers = []upstream.Config{{
			ID: "corp", Issuer: p.issuer, ClientID: testbridge.ClientID, ClientSecret: testbridge.ClientSecret,
			Scopes: []string{"openid", "profile", "email", "groups"}, Timeout: 5 * time.Second,
		}}
	}
	startBridge(t, append(changes, useProvider)...)
	return p
}

func newPanvaPerson(person upstreamtest.Person) panvaPerson {
	return panvaPerson{person.Subject, person.Login, person.Password, map[string]any{
		"name":  person.GivenName + " " + person.FamilyName,
		"email": person.Email, "email_verified": person.EmailVerified,
		"groups": person.Groups,
	}}
}

// start starts the process and waits until it listens, on the same port as before if it has run already.
func (p *panva) start() {
	p.Helper()
	config, err := json.Marshal(p.config)
	if err != nil {
		p.Fatal(err)
	}
	process := exec.Command("node", "provider.js")
	process.Dir, process.Stderr = panvaFolder, &p.stderr
	input, inputErr := process.StdinPipe()
	output, outputErr := process.StdoutPipe()
	if err := errors.Join(inputErr, outputErr, process.Start()); err != nil {
		p.Fatal(err)
	}
	p.process = process
	p.Cleanup(func() { kill(process) })
	input.Write(append(config, '\n')) // after a failure there is no ready line
	p.waitReady(output)
}

// waitReady reads the issuer from the ready line.
func (p *panva) waitReady(output io.Reader) {
	p.Helper()
	process := p.process
	timeout := time.AfterFunc(30*time.Second, func() { process.Process.Kill() })
	defer timeout.Stop()
	for lines := bufio.NewScanner(output); lines.Scan(); {
		issuer, ready := strings.CutPrefix(lines.Text(), "ready ")
		if !ready {
			continue
		}
		port, err := strconv.Atoi(mustParse(issuer).Port())
		if err != nil {
			p.Fatal(err)
		}
		p.issuer, p.config.Port = issuer, port
		return
	}
	p.Fatalf("the provider ended before it was ready:\n%s", &p.stderr)
}

// kill kills the process, as a crash does.
func (p *panva) kill() { kill(p.process) }

// wantRequests checks how many requests the running process got for a path.
func (p *panva) wantRequests(path string, n int) {
	p.Helper()
	response, err := http.Get(p.issuer + "/asked?" + url.Values{"path": {path}}.Encode())
	if err != nil {
		p.Fatal(err)
	}
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	if err != nil || string(got) != strconv.Itoa(n) {
		p.Errorf("%s requests for %s of the provider, want %d (%v)", got, path, n, err)
	}
}

// authorizationResponse submits the login page and returns the callback URL that the provider redirects to, which is
// not requested.
func (p *panva) authorizationResponse(phone *simulator.Phone, login *simulator.Page, values url.Values) *url.URL {
	p.Helper()
	phone.Destinations = []string{server.CallbackURI(p.Config.PublicURL, "corp")}
	page := p.Submit(phone, login, values)
	phone.Destinations = nil
	if !page.Arrived {
		p.Fatalf("at %s, status %d, want the callback:\n%s", page.URL, page.Status, page.Body)
	}
	p.KeepSecret(page.URL.Query().Get("code"), page.URL.Query().Get("state"))
	return page.URL
}
