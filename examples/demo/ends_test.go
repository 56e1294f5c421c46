package main

import (
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/lookup"
)

const pleaseLink = "please link your account in the Alexa app"

// unlink signs in on the bridge's page of links and ends the only link.
func (v *visit) unlink(login string) {
	v.Helper()
	begin, err := v.phone.Open(v.demo.origins.Bridge + "/links?provider=" + providerID)
	if err != nil {
		v.Fatal(err)
	}
	for _, person := range v.demo.people {
		if person.Login == login {
			begin = v.submit(begin, signIn(person))
		}
	}
	id := regexp.MustCompile(`name="link_id" value="([^"]+)"`).FindStringSubmatch(begin.Body)
	if id == nil {
		v.Fatalf("no link is on the page:\n%s", begin.Body)
	}
	if end := v.submit(begin, url.Values{"link_id": {id[1]}}); !strings.Contains(end.Body, "Contoso Pizza is unlinked") {
		v.Fatalf("the link has not ended:\n%s", end.Body)
	}
}

// home opens the page of the demo.
func (v *visit) home() string {
	v.Helper()
	page, err := v.phone.Open(v.demo.origins.Alexa)
	if err != nil {
		v.Fatal(err)
	}
	v.want(page, http.StatusOK)
	return page.Body
}

// TestEnds ends links in the ways that are not the company's, by either grant, and links again.
func TestEnds(t *testing.T) {
	disabled := []string{`"type": "AlexaSkillEvent.SkillDisabled"`, "Signature-256: ", "Alexa has forgotten its tokens.",
		"the link has ended at the bridge"}
	for _, test := range []struct {
		name   string
		end    func(v *visit)
		reason bridge.Reason
		actor  bridge.Actor
		shows  []string // the page and the transcript, after the end
		knows  bool     // Alexa knows
	}{
		{"unlinked", func(v *visit) { v.unlink("ada") }, bridge.ReasonUnlinked, bridge.ActorPerson,
			[]string{"The page of the person’s links", "/links/unlink", "For 10 minutes this browser can see the links",
				"but Alexa does not know"}, false},
		{"command", func(v *visit) { v.press("/revoke", nil) }, bridge.ReasonOperator, "command:demo",
			[]string{"revoked lnk_", "but Alexa does not know"}, false},
		{"admin API", func(v *visit) { v.press("/revoke/api", nil) }, bridge.ReasonOperator, bridge.ActorAPI("demo"),
			[]string{"/api/links/revoke", "Authorization: Bearer ", `"revoked": 1`, "but Alexa does not know"}, false},
		{"event", func(v *visit) { v.press("/disable", nil) }, bridge.ReasonSkillDisabled, bridge.ActorAlexa, disabled, true},
		{"event gateway", func(v *visit) { v.press("/gateway", nil) }, bridge.ReasonSkillDisabled,
			bridge.ActorBackend(backendID), []string{"SKILL_DISABLED_EXCEPTION", "/alexa/disabled", "Authorization: Basic ",
				"the link has ended at the bridge"}, true},
	} {
		for _, grant := range []bridge.Grant{bridge.GrantImplicit, bridge.GrantAuthorizationCode} {
			t.Run(test.name+", "+string(grant), func(t *testing.T) {
				v := newCodeVisit(t)
				v.grant = grant
				v.want(v.link("ada"), http.StatusOK, "Your account is linked", "AlexaSkillEvent.SkillAccountLinked")
				v.want(v.ask(), http.StatusOK, "Hello Ada")
				was := v.note()

				test.end(v)
				page := v.home()
				for _, text := range append(test.shows, "ended with the reason <code>"+string(test.reason)+
					"</code>, by <code>"+string(test.actor)+"</code>") {
					if !strings.Contains(strings.ReplaceAll(page, "&#34;", `"`), text) {
						t.Errorf("no %q on the page:\n%s", text, page)
					}
				}
				_, err := v.demo.backend.Lookup(t.Context(), &lookup.Request{Token: was.Token})
				if !errors.Is(err, lookup.ErrNotLinked) {
					t.Errorf("a lookup of the token says %v", err)
				}
				v.wantMasked()
				v.want(v.ask(), http.StatusOK, pleaseLink, "Link account")
				now := v.note()
				if got := now.UserID != was.UserID; got != test.knows {
					t.Errorf("another user id: %t, want %t", got, test.knows)
				}
				if got := now.Token == ""; got != test.knows {
					t.Errorf("Alexa has no token: %t, want %t", got, test.knows)
				}

				v.want(v.link("ada"), http.StatusOK, "Your account is linked")
				if v.note().UserID != now.UserID {
					t.Error("to link has changed the user id")
				}
				v.want(v.ask(), http.StatusOK, "Hello Ada")
				v.wantMasked()
			})
		}
	}
}

// TestDisableAgain disables the skill twice: the event of the first user ends no link of the second.
func TestDisableAgain(t *testing.T) {
	v := newVisit(t)
	for range 2 {
		v.link("ada")
		v.want(v.ask(), http.StatusOK, "Hello Ada")
		v.want(v.press("/disable", nil), http.StatusOK, "SkillDisabled", "by <code>alexa</code>")
		v.want(v.ask(), http.StatusOK, pleaseLink, "by another user id than before")
	}
}

// TestDisableNotLinked disables the skill while nobody has linked it.
func TestDisableNotLinked(t *testing.T) {
	v := newVisit(t)
	v.want(v.press("/disable", nil), http.StatusOK, "Enable to use")
	if page := v.home(); strings.Contains(page, "AlexaSkillEvent") || strings.Contains(page, "who I am”") {
		t.Errorf("an event was sent, or the skill can be asked:\n%s", page)
	}
	v.arrive(v.submit(v.signIn("ada"), url.Values{"decision": {"cancel"}}))
	v.want(v.press("/disable", nil), http.StatusOK, "AlexaSkillEvent.SkillDisabled", "Choose a grant")
	v.want(v.press("/gateway", nil), http.StatusBadGateway, "there is no link")
}

// TestCommands checks that the page shows what to run in another terminal, without a secret.
func TestCommands(t *testing.T) {
	v := newCodeVisit(t)
	page := v.link("ada")
	link, err := v.demo.lastLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	v.want(page, http.StatusOK, "links list --config '"+v.demo.folder, "links revoke --config '"+v.demo.folder,
		"curl -H '@"+v.demo.folder, v.demo.origins.Admin+"/api/links/revoke", "-d link_id="+link.ID+" "+
			v.demo.origins.Bridge+"/alexa/disabled", v.demo.origins.Bridge+"/links")
	if strings.Contains(v.press("/revoke", nil).Body, "link_id="+link.ID) {
		t.Error("the command about a link is shown when that has ended")
	}
}

func TestQuote(t *testing.T) {
	if got, want := quote(`/tmp/it's here/$HOME`), `'/tmp/it'\''s here/$HOME'`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
