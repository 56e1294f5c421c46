//go:build strict

package server_test

const panvaFolder = "testdata/panva"

// panva is a provider that runs as a process of its own, which can be killed and started again.
type panva struct {
	*testing.T
	config  panvaConfig
	issuer  string
	process *exec.Cmd
	faults  testbridge.Log
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
}

type panvaPerson struct {
	Subject  string         `json:"subject"`
	Login    string         `json:"login"`
	Password string         `json:"password"`
	Claims   map[string]any `json:"claims"`
}

// newPanvaRig is a rig whose provider is panva's, where testbridge.Ada() and hedy can sign in.
func newPanvaRig(t *testing.T, changes ...func(*testbridge.Bridge)) (*testbridge.Bridge, *panva) {
	t.Helper()
	_, err := exec.LookPath("node")
	need(t, err == nil, "there is no node on the PATH")
	_, err = os.Stat(filepath.Join(panvaFolder, "node_modules", "oidc-provider"))
	need(t, err == nil, "npm ci has not been run in "+panvaFolder)
	p := &panva{T: t}
	plug := func(b *testbridge.Bridge) {
		p.config = panvaConfig{
			Client: panvaClient{"alexa-bridge", "upstream-secret", server.CallbackURI(b.Config.PublicURL, "corp")},
			People: []panvaPerson{panvaPersonOf(testbridge.Ada()), panvaPersonOf(testbridge.Hedy())},
		}
		p.start()
		b.Config.Providers = []upstream.Config{{
			ID: "corp", Issuer: p.issuer, ClientID: "alexa-bridge", ClientSecret: "upstream-secret",
			Scopes: []string{"openid", "profile", "email", "groups"}, Timeout: 5 * time.Second,
		}}
	}
	b := testbridge.Start(t, append(changes, plug)...)
	b.KeepSecret(testbridge.Hedy().Password)
	return r, p
}

// hedy is somebody else than testbridge.Ada(), in other groups.
func testbridge.Hedy() upstreamtest.Person {
	return upstreamtest.Person{
		Subject: "d8e0f2", Login: "hedy", Password: "frequency hopping", GivenName: "Hedy", FamilyName: "Lamarr",
		Email: "hedy@contoso.com", EmailVerified: true, Groups: []string{"inventors"},
	}
}

func panvaPersonOf(person upstreamtest.Person) panvaPerson {
	return panvaPerson{person.Subject, person.Login, person.Password, map[string]any{
		"name":  person.GivenName + " " + person.FamilyName,
		"email": person.Email, "email_verified": person.EmailVerified,
		"groups": person.Groups,
	}}
}

// start starts the process and waits until it listens; at the same address as before when it has run already.
func (p *panva) start() {
	p.Helper()
	config, err := json.Marshal(p.config)
	if err != nil {
		p.Fatal(err)
	}
	process := exec.Command("node", "provider.js")
	process.Dir, process.Stderr = panvaFolder, &p.faults
	input, err := process.StdinPipe()
	if err != nil {
		p.Fatal(err)
	}
	output, err := process.StdoutPipe()
	if err != nil {
		p.Fatal(err)
	}
	if err := process.Start(); err != nil {
		p.Fatal(err)
	}
	p.process = process
	p.Cleanup(func() { stop(process) })
	input.Write(append(config, '\n')) // a failure shows as an output without the ready line
	p.waitReady(output)
}

// waitReady reads the issuer from the ready line.
func (p *panva) waitReady(output io.Reader) {
	p.Helper()
	process := p.process
	giveUp := time.AfterFunc(30*time.Second, func() { process.Process.Kill() })
	defer giveUp.Stop()
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		issuer, ready := strings.CutPrefix(lines.Text(), "ready ")
		if !ready {
			continue
		}
		address, err := url.Parse(issuer)
		if err != nil {
			p.Fatal(err)
		}
		p.issuer = issuer
		p.config.Port = atoi(p.T, address.Port())
		return
	}
	p.Fatalf("the provider ended before it was ready:\n%s", &p.faults)
}

// kill ends the process as a crash would.
func (p *panva) kill() { stop(p.process) }

// asked counts the requests that the running process got for a path.
func (p *panva) asked(path string) int {
	p.Helper()
	response, err := http.Get(p.issuer + "/asked?" + url.Values{"path": {path}}.Encode())
	if err != nil {
		p.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		p.Fatal(err)
	}
	return atoi(p.T, string(text))
}

func (p *panva) wantAsked(path string, n int) {
	p.Helper()
	if got := p.asked(path); got != n {
		p.Errorf("the provider was asked for %s %d times, want %d", path, got, n)
	}
}

// wantLogin checks that a phone is at the login page.
func (p *panva) wantLogin(page *simulator.Page) {
	p.Helper()
	if page.Status != http.StatusOK || !strings.HasPrefix(page.URL.String(), p.issuer+"/login/") {
		p.Fatalf("not at the provider's login page but at %s, status %d:\n%s", page.URL, page.Status, page.Body)
	}
}

// fillIn signs the person in on the login page.
func (p *panva) fillIn(b *testbridge.Bridge, phone *simulator.Phone, login *simulator.Page, person upstreamtest.Person) *simulator.Page {
	p.Helper()
	p.wantLogin(login)
	return b.Submit(phone, login, signInAs(person))
}

// answered presses a button of the login page, and catches the provider's response on its way to the callback.
func (p *panva) answered(b *testbridge.Bridge, phone *simulator.Phone, login *simulator.Page, values url.Values) *url.URL {
	p.Helper()
	p.wantLogin(login)
	phone.Destinations = []string{server.CallbackURI(b.Config.PublicURL, "corp")}
	page := b.Submit(phone, login, values)
	phone.Destinations = nil
	if !page.Arrived {
		p.Fatalf("not on the way to the callback but at %s, status %d:\n%s", page.URL, page.Status, page.Body)
	}
	for _, name := range []string{"code", "state"} {
		if value := page.URL.Query().Get(name); value != "" {
			b.KeepSecret(value)
		}
	}
	return page.URL
}

func atoi(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
