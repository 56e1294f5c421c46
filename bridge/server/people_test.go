package server_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/alexa/simulator"
	"alexa-oidc-bridge/bridge/server"
	"alexa-oidc-bridge/bridge/upstream"
	"alexa-oidc-bridge/bridge/upstreamtest"
	"alexa-oidc-bridge/internal/testbridge"
)

// LinksSignedIn signs a person in at the provider "corp" to see their links, and returns the page of links.
func (b *testBridge) LinksSignedIn(phone *simulator.Phone, person upstreamtest.Person) *simulator.Page {
	b.Helper()
	page := b.SubmitLogin(phone, b.Open(phone, b.Origin+"/links?provider=corp"), person)
	b.WantPage(page, http.StatusOK, "<h1>Your links</h1>")
	if page.URL.RequestURI() != "/links" {
		b.Fatalf("the page of links is at %s", page.URL)
	}
	return page
}

// Unlink presses the button for one link on the page of links.
func (b *testBridge) Unlink(phone *simulator.Phone, page *simulator.Page, id string) *simulator.Page {
	b.Helper()
	return b.Submit(phone, page, url.Values{"link_id": {id}})
}

// LinkSkill links a skill by the implicit grant, and returns the access token and the id of the link.
func (b *testBridge) LinkSkill(clientID string, person upstreamtest.Person) (token, id string) {
	b.Helper()
	phone, request := simulator.NewPhone(), b.Request()
	request.ClientID, request.Scopes = clientID, nil
	token = b.WantToken(request, b.Decide(phone, b.SignIn(phone, request, person), "link"))
	for _, link := range b.Links() {
		id = link.ID // the newest
	}
	b.Clock.Advance(time.Second)
	return token, id
}

// wantShown checks which links are on a page of links, by their ids, the first one first.
func wantShown(b *testBridge, page *simulator.Page, ids ...string) {
	b.Helper()
	rest := page.Body
	for _, id := range ids {
		var found bool
		if _, rest, found = strings.Cut(rest, `name="link_id" value="`+id+`"`); !found {
			b.Errorf("the link %s is missing, or out of order:\n%s", id, page.Body)
		}
	}
	if got := strings.Count(page.Body, `name="link_id"`); got != len(ids) {
		b.Errorf("%d links are shown, want %d:\n%s", got, len(ids), page.Body)
	}
}

// withSecondProvider adds the provider "labs", at which other people have Ada's subject and Hedy's.
func withSecondProvider(b *testBridge) *upstreamtest.Provider {
	b.Helper()
	stranger, other := testbridge.Ada(), testbridge.Hedy()
	stranger.GivenName, stranger.FamilyName, stranger.Email = "Mallory", "Stranger", "mallory@labs.example"
	provider, err := upstreamtest.Start(upstreamtest.Config{
		Name: "Labs", People: []upstreamtest.Person{stranger, other},
		Clients: []upstreamtest.Client{{ID: testbridge.ClientID, Secret: testbridge.ClientSecret,
			RedirectURI: server.CallbackURI(b.Config.PublicURL, "labs")}},
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { provider.Close() })
	b.Config.Providers = append(b.Config.Providers, upstream.Config{
		ID: "labs", Issuer: provider.Issuer(), ClientID: testbridge.ClientID, ClientSecret: testbridge.ClientSecret,
		Scopes: []string{"openid", "profile", "email"}, Timeout: 5 * time.Second,
	})
	return provider
}

// TestLinksPage shows people their own links.
func TestLinksPage(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withTestTokens)
	phone := simulator.NewPhone()
	begin := b.Open(phone, b.Origin+"/links")
	b.WantPage(begin, http.StatusOK, `href="/links?provider=corp">Sign in<`)
	b.WantPage(begin, http.StatusOK, mustParse(b.Provider.Issuer()).Host)
	if len(phone.Client.Jar.Cookies(mustParse(b.Origin))) != 0 {
		t.Error("the page sets cookies before anybody signs in")
	}
	_, pizza := b.LinkSkill("pizza", testbridge.Ada())
	_, lights := b.LinkSkill("lights", testbridge.Ada())
	ended, _ := b.LinkSkill("pizza", testbridge.Ada())
	b.LinkSkill("pizza", testbridge.Hedy())
	mint(b, bridge.Claims{"name": "Ada"})
	b.Do(b.revokeRequest(ended))
	used := b.Clock.Now().Add(-72 * time.Hour)
	if err := b.Store.TouchLinks(t.Context(), []bridge.Use{{LinkID: pizza, At: used}}); err != nil {
		t.Fatal(err)
	}
	b.Config.Skills = b.Config.Skills[:1] // without the skill "lights"
	b.Restart()

	page := b.LinksSignedIn(phone, testbridge.Ada())
	wantShown(b, page, lights, pizza)
	for _, text := range []string{
		"<strong>Ada Lovelace</strong>", "<span>ada@contoso.com</span>",
		"<strong>Contoso Pizza</strong>", "<strong>lights</strong>",
		"Linked " + b.Clock.Now().UTC().Format("2 January 2006"), "Last used " + used.UTC().Format("2 January 2006"),
		"Never used yet", "Unlink all 2",
	} {
		b.WantPage(page, http.StatusOK, text)
	}
	for name, want := range map[string]string{"Cache-Control": "no-store", "Referrer-Policy": "same-origin"} {
		if got := page.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if policy := page.Header.Get("Content-Security-Policy"); !strings.HasSuffix(policy, "; form-action 'self'") {
		t.Errorf("policy %q", policy)
	}
	b.WantLogged(map[string]any{"msg": "sign-in for links started", "purpose": "links", "provider": "corp"})
	b.WantLogged(map[string]any{"msg": "signed in for links", "purpose": "links", "provider": "corp"})
	b.WantMetric(`bridge_sign_ins_started_total{client_id="pizza",provider="corp"} 0`) // since the restart
}

// revokeRequest is a revocation by the backend of the skill "pizza".
func (b *testBridge) revokeRequest(token string) *http.Request {
	b.Helper()
	request := b.NewRequest(http.MethodPost, "/revoke", url.Values{"token": {token}})
	request.SetBasicAuth(testbridge.BackendID, testbridge.BackendSecret)
	return request
}

func TestLinksPageWithoutLinks(t *testing.T) {
	t.Parallel()
	b := startBridge(t)
	page := b.LinksSignedIn(simulator.NewPhone(), testbridge.Hedy())
	b.WantPage(page, http.StatusOK, "No skill is linked to this account.")
	b.WantPage(page, http.StatusOK, "open the Alexa app")
	wantShown(b, page)
	if strings.Contains(page.Body, "Unlink") {
		t.Errorf("the page offers to unlink:\n%s", page.Body)
	}
}

// TestManyLinks shows some of many links, and ends all of them.
func TestManyLinks(t *testing.T) {
	t.Parallel()
	b := startBridge(t, func(b *testBridge) { b.Skill.MaxLinksPerPerson = 0 })
	b.Link()
	link := b.Links()[0]
	for i := range 120 {
		link.ID, link.CreatedAt = bridge.NewLinkID(), link.CreatedAt.Add(time.Second)
		handle := bridge.HashOf(fmt.Sprint("pending ", i))
		pending := bridge.PendingConsent{Handle: handle, ExpiresAt: link.CreatedAt.Add(time.Hour)}
		if err := b.Store.CreatePendingConsent(t.Context(), pending); err != nil {
			t.Fatal(err)
		}
		made := bridge.NewLink{Link: link, SignedInAt: link.CreatedAt, Token: bridge.HashOf(link.ID)}
		if err := b.Store.Link(t.Context(), handle, made); err != nil {
			t.Fatal(err)
		}
	}
	phone := simulator.NewPhone()
	page := b.LinksSignedIn(phone, testbridge.Ada())
	if got := strings.Count(page.Body, `name="link_id"`); got != 100 || !strings.Contains(page.Body, "And 21 more.") {
		t.Errorf("%d links are shown", got)
	}
	page = b.Submit(phone, page, url.Values{"decision": {"all"}})
	b.WantPage(page, http.StatusOK, "All your links have ended.")
	wantShown(b, page)
	for _, link := range b.Links() {
		if link.Reason != bridge.ReasonUnlinked {
			t.Fatalf("a link is left: %+v", link)
		}
	}
}

// TestUnlink ends one link. It is inactive at once, and the others are as before.
func TestUnlink(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withProxy(600, 30))
	store := watchStore(b)
	pizza, id := b.LinkSkill("pizza", testbridge.Ada())
	lights, _ := b.LinkSkill("lights", testbridge.Ada())
	b.WantActive(pizza) // in the cache of lookups
	phone := forwardedPhone(honest)
	page := b.LinksSignedIn(phone, testbridge.Ada())

	first := b.Unlink(phone, page, id)
	b.WantPage(first, http.StatusOK, "<strong>Contoso Pizza is unlinked.</strong>")
	if first.URL.RequestURI() != "/links" {
		t.Errorf("at %s", first.URL)
	}
	b.WantInactive(pizza)
	if !b.LookupAs(testbridge.LightsBackendID, testbridge.LightsSecret, lights).Active {
		t.Error("another link is inactive")
	}
	if again := b.Open(phone, first.URL.String()); strings.Contains(again.Body, "unlinked") {
		t.Error("the page says it again when it is loaded again")
	}
	b.WantPage(b.Unlink(phone, page, id), http.StatusOK, "<strong>Nothing was changed.</strong>") // a second tap
	link := b.Links()[0]
	if link.Reason != bridge.ReasonUnlinked || link.Actor != bridge.ActorPerson {
		t.Errorf("revoked for %q by %q", link.Reason, link.Actor)
	}
	store.wantFeedRead(t)
	wantEventLine(b, "link revoked", b.WantRecorded(bridge.AuditRecord{
		Event: bridge.AuditUnlinked, Reason: bridge.ReasonUnlinked, Actor: bridge.ActorPerson, ClientID: "pizza",
		Provider: "corp", LinkID: id, Subject: testbridge.Ada().Subject, Origin: bridge.Origin{Address: honest},
	}))
}

// TestUnlinkAll ends all links of one person.
func TestUnlinkAll(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withTestTokens)
	pizza, _ := b.LinkSkill("pizza", testbridge.Ada())
	lights, _ := b.LinkSkill("lights", testbridge.Ada())
	hedy, _ := b.LinkSkill("pizza", testbridge.Hedy())
	test := mint(b, nil)
	phone := simulator.NewPhone()
	page := b.LinksSignedIn(phone, testbridge.Ada())
	ended := b.Submit(phone, page, url.Values{"decision": {"all"}})
	b.WantPage(ended, http.StatusOK, "All your links have ended.")
	wantShown(b, ended)
	b.WantInactive(pizza)
	if b.LookupAs(testbridge.LightsBackendID, testbridge.LightsSecret, lights).Active {
		t.Error("the link with the skill lights is active")
	}
	b.WantActive(hedy)
	if body := lookUp(b, test); !strings.Contains(body, `"active":true`) {
		t.Errorf("a test link: %s", body)
	}
	if records := b.Audit(bridge.AuditFilter{Event: bridge.AuditUnlinked}); len(records) != 2 {
		t.Errorf("%d audit records, want 2", len(records))
	}
	b.WantPage(b.Submit(phone, page, url.Values{"decision": {"all"}}), http.StatusOK, "Nothing was changed.")
}

// TestUnlinkKeepsSignIn ends an old link while the consent page for a new one is open in another tab.
func TestUnlinkKeepsSignIn(t *testing.T) {
	t.Parallel()
	b := startBridge(t)
	_, old := b.LinkSkill("pizza", testbridge.Ada())
	phone, request := simulator.NewPhone(), b.Request()
	consent := b.SignIn(phone, request, testbridge.Ada())
	b.Unlink(phone, b.LinksSignedIn(phone, testbridge.Ada()), old)
	b.WantActive(b.WantToken(request, b.Decide(phone, consent, "link")))
}

// TestLinkAgain links again and again: a code that nobody redeems replaces nothing and keeps nobody from the next try.
func TestLinkAgain(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withCodeGrant, func(b *testBridge) { b.Skill.MaxLinksPerPerson = 1 })
	first := b.LinkByCode()
	b.Clock.Advance(time.Second)
	b.SignIn(simulator.NewPhone(), b.Request(), testbridge.Ada()) // without an answer
	b.Code("")                                                    // which nobody redeems
	b.Clock.Advance(time.Second)
	code := b.Code("")
	b.WantActive(first.AccessToken)
	second := b.WantTokens(b.Exchange(code))
	b.WantInactive(first.AccessToken)
	b.WantActive(second.AccessToken)
	if reason := b.Links()[0].Reason; reason != bridge.ReasonReplaced {
		t.Errorf("the first link ended for %q", reason)
	}
	phone := simulator.NewPhone()
	page := b.LinksSignedIn(phone, testbridge.Ada())
	b.WantPage(b.Submit(phone, page, url.Values{"decision": {"all"}}), http.StatusOK, "All your links have ended.")
	b.WantActive(b.LinkByCode().AccessToken)
}
