package alexa_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge/alexa"
)

const publicURL = "https://link.example.com"

// codeSkill uses the authorization code grant, and implicitSkill does not.
func codeSkill() alexa.Skill {
	skill := implicitSkill()
	skill.CodeGrant = true
	return skill
}

func implicitSkill() alexa.Skill {
	return alexa.Skill{
		PublicURL: publicURL, ClientID: "pizza", AccessLifetime: time.Hour,
		RedirectURIs: append(alexa.RedirectURIs("M2AAAAAAAAAAAA"), "https://app.contoso.com/api/skill/link/M2"),
		Scopes:       []string{"orders", "menu"}, Hosts: []string{"login.example.com", "LINK.example.com"},
	}
}

func TestAccountLinking(t *testing.T) {
	tests := []struct {
		skill alexa.Skill
		want  string
	}{
		{codeSkill(), `{"type":"AUTH_CODE","authorizationUrl":"https://link.example.com/authorize",` +
			`"accessTokenUrl":"https://link.example.com/token","accessTokenScheme":"HTTP_BASIC","clientId":"pizza",` +
			`"scopes":["orders","menu"],"domains":["link.example.com","login.example.com"],` +
			`"defaultTokenExpirationInSeconds":3600}`},
		{implicitSkill(), `{"type":"IMPLICIT","authorizationUrl":"https://link.example.com/authorize","clientId":"pizza",` +
			`"scopes":["orders","menu"],"domains":["link.example.com","login.example.com"]}`},
		{alexa.Skill{PublicURL: "https://link.example.com:8443", ClientID: "x"},
			`{"type":"IMPLICIT","authorizationUrl":"https://link.example.com:8443/authorize","clientId":"x",` +
				`"domains":["link.example.com"]}`},
	}
	for _, tt := range tests {
		got, err := json.Marshal(tt.skill.AccountLinking())
		if err != nil || string(got) != tt.want {
			t.Errorf("%v\n got %s\nwant %s", err, got, tt.want)
		}
	}
}

func TestConsole(t *testing.T) {
	withPKCE := codeSkill()
	withPKCE.RequirePKCE = true
	tests := []struct {
		skill alexa.Skill
		names string
	}{
		{implicitSkill(), "Authorization grant type, Your Web Authorization URI, Your Client ID, Scope, " +
			"Domain List, Alexa Redirect URLs"},
		{codeSkill(), "Authorization grant type, Your Web Authorization URI, Access Token URI, Your Client ID, " +
			"Your Secret, Your Authentication Scheme, Scope, Domain List, " +
			"Default Access Token Expiration Time, Alexa Redirect URLs"},
		{withPKCE, "Authorization grant type, Your Web Authorization URI, Access Token URI, Your Client ID, " +
			"Your Secret, Your Authentication Scheme, PKCE, Scope, Domain List, " +
			"Default Access Token Expiration Time, Alexa Redirect URLs"},
	}
	for _, tt := range tests {
		var names []string
		for _, field := range tt.skill.Console("a secret") {
			names = append(names, field.Name)
		}
		if got := strings.Join(names, ", "); got != tt.names {
			t.Errorf("got %s\nwant %s", got, tt.names)
		}
	}
}

// TestConsoleRedirectURLs verifies that the three URLs that the page shows for the grant come first, and that those
// elsewhere are left out.
func TestConsoleRedirectURLs(t *testing.T) {
	for grant, skill := range map[string]alexa.Skill{"/api/skill/link/": codeSkill(), "/spa/skill/": implicitSkill()} {
		fields := skill.Console("")
		uris := fields[len(fields)-1].Values
		other := func(uri string) bool { return !strings.Contains(uri, grant) }
		if len(uris) != 6 || slices.ContainsFunc(uris[:3], other) ||
			slices.ContainsFunc(uris, func(uri string) bool { return strings.Contains(uri, "contoso") }) {
			t.Errorf("%s: %q", grant, uris)
		}
	}
}
