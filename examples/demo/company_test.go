package main

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/alexa/simulator"
)

// until repeats what a person does until the page has a text.
func (v *visit) until(text string, do func() *simulator.Page) *simulator.Page {
	v.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		page := do()
		if strings.Contains(html.UnescapeString(page.Body), text) {
			return page
		}
		if time.Now().After(deadline) {
			v.Fatalf("no %q on the page:\n%s", text, page.Body)
		}
	}
}

func (v *visit) ask() *simulator.Page {
	v.Helper()
	return v.press("/ask", nil)
}

// linkAgain links by new sign-ins until one is later than the end of the last link, which counts in seconds.
func (v *visit) linkAgain(login string) *simulator.Page {
	v.Helper()
	return v.until("Your account is linked", func() *simulator.Page {
		end := v.submit(v.signIn(login), url.Values{"decision": {"link"}})
		if !end.Arrived {
			return end
		}
		return v.arrive(end)
	})
}

// masked matches a secret as the transcript shows it.
var masked = regexp.MustCompile(`^\S{0,10}…\(\d+ characters\)$`)

// secretLine matches a line of the transcript with a secret of the company.
var secretLine = regexp.MustCompile(
	`^(?:refresh_token=|logout_token=|Authorization: Bearer |\s*"refresh_token": ")([^",]*)`)

// wantMasked checks all steps, also those that the page does not show any more, and returns how many secrets of the
// company there are.
func (v *visit) wantMasked() int {
	v.Helper()
	secrets := 0
	for _, section := range v.demo.transcript.snapshot() {
		for _, step := range section.Steps {
			for _, line := range append(step.Request, step.Response...) {
				if found := secretRun.FindString(line); found != "" {
					v.Errorf("a secret is in the transcript: %s", found)
				}
				if found := secretLine.FindStringSubmatch(line); found != nil {
					secrets++
					if !masked.MatchString(found[1]) {
						v.Errorf("a secret is in the transcript: %s", line)
					}
				}
			}
		}
	}
	return secrets
}

// TestCompanyAccount ends links by the company account, and links again.
func TestCompanyAccount(t *testing.T) {
	const refused, enable = "please link your account in the Alexa app", `action="/company/enable"`
	for _, test := range []struct {
		name, path string
		guide      string // after the change
		reason     bridge.Reason
		shows      []string
		disabled   bool
	}{
		{"disabled", "/company/disable", "nobody has told the bridge", bridge.ReasonAccountGone,
			[]string{"grant_type=refresh_token", `"error": "invalid_grant"`}, true},
		{"signed out", "/company/sign-out", "The company has told the bridge", bridge.ReasonAccountGone,
			[]string{"/backchannel-logout/contoso", "logout_token=", "grant_type=refresh_token",
				`"error": "invalid_grant"`}, false},
		{"deactivated", "/company/deactivate", "ended the link at once", bridge.ReasonDeprovisioned,
			[]string{"/scim/contoso/v2/Users", `?filter=externalId eq "248289761001"`, "201 Created", `"value": false`}, true},
	} {
		for _, grant := range []bridge.Grant{bridge.GrantImplicit, bridge.GrantAuthorizationCode} {
			t.Run(test.name+", "+string(grant), func(t *testing.T) {
				v := newCodeVisit(t)
				v.grant = grant
				v.link("ada")
				v.want(v.ask(), http.StatusOK, "Hello Ada", `action="`+test.path+`"`)
				changed := v.press(test.path, url.Values{"login": {"ada"}})
				v.want(changed, http.StatusOK, test.guide)
				v.note()

				seen, secrets := changed.Body, v.wantMasked() // the transcript forgets old sections
				end := v.until(refused, func() *simulator.Page {
					page := v.ask()
					seen, secrets = seen+page.Body, secrets+v.wantMasked()
					return page
				})
				v.want(end, http.StatusOK, "Link account", "ended with the reason <code>"+string(test.reason)+
					"</code>, by <code>provider:contoso</code>")
				for _, text := range test.shows {
					if !strings.Contains(html.UnescapeString(seen), text) {
						t.Errorf("no %q in the transcript", text)
					}
				}
				if secrets == 0 {
					t.Error("no secret of the company was seen, so nothing is proved")
				}
				if grant == bridge.GrantAuthorizationCode {
					v.want(v.press("/later", nil), http.StatusOK, "and fail.")
					v.want(v.ask(), http.StatusOK, "Your account is not linked any more")
				}
				if got := strings.Contains(end.Body, enable); got != test.disabled {
					t.Errorf("the account can be enabled: %t", got)
				}
				if test.disabled {
					if page := v.signIn("ada"); !strings.Contains(page.Body, "This account is disabled.") {
						t.Errorf("the sign-in shows %s", page.Body)
					}
					v.want(v.press("/company/enable", url.Values{"login": {"ada"}}), http.StatusOK,
						"Enable the account of Ada Lovelace.")
				}
				v.linkAgain("ada")
				v.want(v.ask(), http.StatusOK, "Hello Ada")
				v.wantMasked()
			})
		}
	}
}

// TestCompanyEnablesInTime enables an account before the bridge has asked: the link lives on.
func TestCompanyEnablesInTime(t *testing.T) {
	v := newVisit(t)
	v.link("ada")
	ada := url.Values{"login": {"ada"}}
	v.want(v.press("/company/disable", ada), http.StatusOK, "Ask the skill", "Enable the account of Ada again")
	v.want(v.press("/company/enable", ada), http.StatusOK, "Your account is linked", "Its backend will look up")
	v.want(v.ask(), http.StatusOK, "Hello Ada", "Now end the link")
}

// TestDirectoryActivates deactivates a user twice: the directory creates the user once, and tells of the activation.
func TestDirectoryActivates(t *testing.T) {
	v := newVisit(t)
	v.link("ada")
	ada := url.Values{"login": {"ada"}}
	v.want(v.press("/company/deactivate", ada), http.StatusOK, "201 Created")
	v.want(v.press("/company/enable", ada), http.StatusOK, `"value": true`, "The link has ended")
	v.linkAgain("ada")
	v.press("/company/deactivate", ada)
	sections := v.demo.transcript.snapshot()
	var methods []string
	for _, step := range sections[len(sections)-1].Steps {
		if step.From == partyDirectory {
			method, _, _ := strings.Cut(step.Request[0], " ")
			methods = append(methods, method)
		}
	}
	if want := []string{"GET", "PATCH"}; !slices.Equal(methods, want) {
		t.Errorf("the directory sent %v, want %v", methods, want)
	}
	v.want(v.ask(), http.StatusOK, "please link your account in the Alexa app")
}

func TestCompanyUnknownPerson(t *testing.T) {
	v := newVisit(t)
	for _, path := range []string{"/company/disable", "/company/sign-out", "/company/deactivate", "/company/enable"} {
		v.want(v.press(path, url.Values{"login": {"nobody"}}), http.StatusBadRequest, `the user name "nobody"`)
	}
}
