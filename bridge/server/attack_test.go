//go:build strict

package server_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"

	"alexa-oidc-bridge/bridge/alexa/simulator"
	"alexa-oidc-bridge/internal/testbridge"
)

// attack is one attempt. It reports what got through, or "" if nothing did.
type attack struct {
	class, name string
	try         func(*target) (got string)
}

// target is the bridge that is attacked, and what an attacker may have beforehand.
type target struct {
	*testBridge
	live    tokenResponse // of Ada's link with the skill pizza
	foreign string        // an access token of the skill lights
	links   int           // that are live
}

// TestAttacks makes every attempt on one bridge, and prints how many there were of each class. What got through fails
// the test, and so does a link that appears or ends, or an internal error.
func TestAttacks(t *testing.T) {
	t.Parallel()
	b := startBridge(t, withCodeGrant, withLightsCodeGrant)
	lights := b.CodeRequest()
	lights.ClientID = "lights"
	code := b.AuthorizationResponse(lights, b.LinkRequest(lights)).Get("code")
	request := b.NewRequest(http.MethodPost, "/token", form("grant_type", "authorization_code", "code", code))
	request.SetBasicAuth("lights", testbridge.LightsSecret)
	victim := &target{testBridge: b, live: b.LinkByCode(), foreign: b.WantTokens(b.Do(request)).AccessToken}
	victim.links = len(b.Links())

	attempts, through := map[string]int{}, map[string]int{}
	for _, a := range attacks(b) {
		attempts[a.class]++
		t.Run(a.class+"/"+a.name, func(t *testing.T) {
			b.Within(t)
			if got := a.try(victim); got != "" {
				through[a.class]++
				t.Errorf("got through: %s", got)
			}
		})
	}
	b.WantActive(victim.live.AccessToken)
	b.WantTokens(b.Refresh(victim.live.RefreshToken))
	for _, link := range b.Links() {
		if link.Revoked() {
			t.Errorf("an attack ended a link: %+v", link)
		}
	}
	if n := len(b.Links()); n != victim.links {
		t.Errorf("%d links, want %d", n, victim.links)
	}
	if strings.Contains(b.Logs.String(), "internal error") {
		t.Errorf("an attack caused an internal error:\n%s", b.Logs)
	}
	printAttacks(t, attempts, through)
}

func attacks(b *testBridge) []attack {
	return slices.Concat(redirectAttacks(b), requestAttacks(), callbackAttacks(), cookieAttacks(), consentAttacks(),
		tokenAttacks(), lookupAttacks(), pathAttacks(), pageAttacks(), accountAttacks(), smugglingAttacks(), linksAttacks())
}

func printAttacks(t *testing.T, attempts, through map[string]int) {
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "CLASS\tATTEMPTS\tGOT THROUGH")
	total := 0
	for _, class := range classes(attempts) {
		fmt.Fprintf(table, "%s\t%d\t%d\n", class, attempts[class], through[class])
		total += attempts[class]
	}
	fmt.Fprintf(table, "all\t%d\t\n", total)
	table.Flush()
	fmt.Fprint(os.Stdout, text.String())
	if total < 150 {
		t.Errorf("%d attacks, want 150 at least", total)
	}
}

func classes(attempts map[string]int) []string {
	var list []string
	for class := range attempts {
		list = append(list, class)
	}
	slices.Sort(list)
	return list
}

// form returns a form of names and values.
func form(pairs ...string) (values map[string][]string) {
	values = map[string][]string{}
	for i := 0; i < len(pairs); i += 2 {
		values[pairs[i]] = append(values[pairs[i]], pairs[i+1])
	}
	return values
}

// refused sends a request, and reports a success, a redirect, or a cookie.
func (v *target) refused(request *http.Request) string {
	v.Helper()
	response, body := v.Do(request)
	switch {
	case response.StatusCode < 400:
		return fmt.Sprintf("status %d, Location %q, %.200s", response.StatusCode, response.Header.Get("Location"), body)
	case response.Header.Get("Location") != "", len(response.Cookies()) > 0:
		return fmt.Sprintf("status %d with %v", response.StatusCode, response.Header)
	case response.StatusCode >= 500:
		return fmt.Sprintf("status %d: %.200s", response.StatusCode, body)
	}
	return ""
}

// direct sends a request to the handler, past what a Go client would refuse to send.
func (v *target) direct(request *http.Request) *httptest.ResponseRecorder {
	recorder := httptest.NewRecorder()
	v.Server.Public.ServeHTTP(recorder, request)
	return recorder
}

// consentOf signs Ada in on a new phone, up to the consent page.
func (v *target) consentOf() (*simulator.Phone, *simulator.Page) {
	v.Helper()
	phone := simulator.NewPhone()
	page := v.SignIn(phone, v.Request(), testbridge.Ada())
	v.WantPage(page, http.StatusOK, "Ada Lovelace")
	return phone, page
}
