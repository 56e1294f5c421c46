package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"alexa-oidc-bridge/bridge/keys"
)

// consoleConfig writes a configuration with the skills pizza, of the authorization code grant, and radio, of the
// implicit grant.
func consoleConfig(t *testing.T) (path, secret string) {
	t.Helper()
	secret = keys.Generate()
	t.Setenv("PIZZA_CLIENT_SECRET", secret)
	t.Setenv("RADIO_CLIENT_SECRET", keys.Generate())
	t.Setenv("BRIDGE_KEY", keys.Generate())
	t.Setenv("CORP_SCIM_TOKEN", keys.Generate())
	path = filepath.Join(t.TempDir(), "config.yaml")
	mustWriteFile(t, path, `
public_url: https://link.example.com
keys: ["${BRIDGE_KEY}"]
providers: [{id: corp, issuer: "https://login.example.com/realms/corp", client_id: alexa-bridge,
   scim: {token: "${CORP_SCIM_TOKEN}"}, universal_logout: true}]
skills:
  - {client_id: pizza, name: Contoso Pizza, grants: [authorization_code], client_secret: "${PIZZA_CLIENT_SECRET}",
     vendor_ids: [M2AAAAAAAAAAAA], scopes: [orders], tokens: {access_lifetime: 30m}, require_pkce: true,
     skill_ids: [amzn1.ask.skill.1]}
  - {client_id: radio, name: Contoso Radio, grants: [implicit], client_secret: "${RADIO_CLIENT_SECRET}",
     vendor_ids: [M2AAAAAAAAAAAA]}
`)
	return path, secret
}

func TestCheckPrintsConsole(t *testing.T) {
	path, secret := consoleConfig(t)
	code, stdout, _ := runCommand("check", "--config", path)
	want := strings.ReplaceAll(`provider corp, enter in the settings of its client alexa-bridge:
  Redirect URI                      https://link.example.com/callback/corp
  Back-channel logout URI           https://link.example.com/backchannel-logout/corp
  Global token revocation endpoint  https://link.example.com/global-token-revocation/corp
provider corp, enter in the settings of its directory:
  SCIM base URL  https://link.example.com/scim/corp/v2
  Bearer token   scim.token of the configuration
skill pizza (Contoso Pizza), enter in the developer console under Build, Tools, Account Linking:
  Authorization grant type              Auth Code Grant
  Your Web Authorization URI            https://link.example.com/authorize
  Access Token URI                      https://link.example.com/token
  Your Client ID                        pizza
  Your Secret                           from ${PIZZA_CLIENT_SECRET}; 'skill show pizza --with-secret' prints it
  Your Authentication Scheme            HTTP Basic
  PKCE                                  enabled
  Scope                                 orders
  Domain List                           link.example.com
                                        login.example.com
                                        (and every other host that the provider's sign-in loads from)
  Default Access Token Expiration Time  1800
  Alexa Redirect URLs                   https://pitangui.amazon.com/api/skill/link/M2AAAAAAAAAAAA
                                        https://layla.amazon.com/api/skill/link/M2AAAAAAAAAAAA
                                        https://alexa.amazon.co.jp/api/skill/link/M2AAAAAAAAAAAA
                                        https://pitangui.amazon.com{spa}M2AAAAAAAAAAAA
                                        https://layla.amazon.com{spa}M2AAAAAAAAAAAA
                                        https://alexa.amazon.co.jp{spa}M2AAAAAAAAAAAA
                                        (not entered: the page shows three, each of which must be one of these)
skill pizza, events, in its manifest ('skill show pizza --manifest'):
  events.endpoint.uri                 https://link.example.com/alexa/events
  events.endpoint.sslCertificateType  Trusted
  events.subscriptions                SKILL_ACCOUNT_LINKED
                                      SKILL_DISABLED
skill radio (Contoso Radio), enter in the developer console under Build, Tools, Account Linking:
  Authorization grant type    Implicit Grant
  Your Web Authorization URI  https://link.example.com/authorize
  Your Client ID              radio
  Scope                       (none)
`, "{spa}", "/spa/skill/account-linking-status.html?vendorId=")
	want = strings.ReplaceAll(want, "'skill show pizza --with-secret'", "`skill show pizza --with-secret`")
	want = strings.ReplaceAll(want, "'skill show pizza --manifest'", "`skill show pizza --manifest`")
	if code != 0 || !strings.HasPrefix(stdout, want) {
		t.Errorf("exit code %d, got\n%s\nwant\n%s", code, stdout, want)
	}
	if strings.Contains(stdout, secret) {
		t.Error("check prints the client secret")
	}
	if !strings.Contains(stdout, "\nskill radio, events: refused, since skill_ids is empty\n") {
		t.Errorf("nothing is said of the events of radio:\n%s", stdout)
	}
	_, show, _ := runCommand("skill", "show", "pizza", "--config", path)
	if show == "" || !strings.Contains(stdout, show) {
		t.Errorf("skill show prints something else than check:\n%s", show)
	}
}

func TestSkillShow(t *testing.T) {
	path, secret := consoleConfig(t)
	type object = map[string]any
	pizza := object{"type": "AUTH_CODE", "authorizationUrl": "https://link.example.com/authorize",
		"accessTokenUrl": "https://link.example.com/token", "accessTokenScheme": "HTTP_BASIC", "clientId": "pizza",
		"scopes": []any{"orders"}, "domains": []any{"link.example.com", "login.example.com"},
		"defaultTokenExpirationInSeconds": 1800.0}
	radio := object{"type": "IMPLICIT", "authorizationUrl": "https://link.example.com/authorize", "clientId": "radio",
		"domains": []any{"link.example.com", "login.example.com"}}
	tests := []struct {
		args       string
		want       object
		withSecret bool
	}{
		{"pizza --json", pizza, false},
		{"pizza --json --with-secret", pizza, true},
		{"radio --json --with-secret", radio, false},
	}
	for _, tt := range tests {
		args := append([]string{"skill", "show", "--config", path}, strings.Fields(tt.args)...)
		code, stdout, stderr := runCommand(args...)
		var got object
		if err := json.Unmarshal([]byte(stdout), &got); code != 0 || err != nil {
			t.Fatalf("%s: exit code %d, %v, %s%s", tt.args, code, err, stdout, stderr)
		}
		want := object{"accountLinkingRequest": tt.want}
		if tt.withSecret {
			tt.want["clientSecret"] = secret
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: got %v, want %v", tt.args, got, want)
		}
		delete(tt.want, "clientSecret")
		if strings.Contains(stderr, secret) {
			t.Errorf("%s: the secret is on standard error", tt.args)
		}
	}
	_, stdout, _ := runCommand("skill", "show", "pizza", "--with-secret", "--config", path)
	if !strings.Contains(stdout, "Your Secret                           "+secret+"\n") {
		t.Errorf("--with-secret does not print the secret: %s", stdout)
	}
	code, _, stderr := runCommand("skill", "show", "pasta", "--config", path)
	if code != 2 || !strings.Contains(stderr, "use one of: pizza, radio") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
}

// TestSkillManifest prints what a manifest needs, in the form of the ASK CLI.
func TestSkillManifest(t *testing.T) {
	path, _ := consoleConfig(t)
	want := `{
  "manifest": {
    "events": {
      "endpoint": {
        "uri": "https://link.example.com/alexa/events",
        "sslCertificateType": "Trusted"
      },
      "subscriptions": [
        {
          "eventName": "SKILL_ACCOUNT_LINKED"
        },
        {
          "eventName": "SKILL_DISABLED"
        }
      ]
    }
  }
}
`
	for id, hint := range map[string]string{"pizza": "", "radio": "skill_ids of the skill is empty"} {
		code, stdout, stderr := runCommand("skill", "show", id, "--manifest", "--config", path)
		if code != 0 || stdout != want || !strings.Contains(stderr, hint) || (stderr == "") != (hint == "") {
			t.Errorf("%s: exit code %d, %s%s", id, code, stdout, stderr)
		}
	}
	if code, _, stderr := runCommand("skill", "show", "pizza", "--manifest", "--json", "--config", path); code != 2 {
		t.Errorf("both: exit code %d, %s", code, stderr)
	}
}

func TestSkillDiff(t *testing.T) {
	path, secret := consoleConfig(t)
	_, mine, _ := runCommand("skill", "show", "pizza", "--json", "--with-secret", "--config", path)
	tests := []struct {
		old, replacement string // in what skill show prints
		code             int
		want             string // on standard output or standard error
	}{
		{"accountLinkingRequest", "accountLinkingResponse", 0, "authorizationUrl"},
		{`"clientId": "pizza"`, `"clientId": "pizza\u001b[31m"`, 1, "pizza.[31m"},
		{"https://link.example.com/token", "https://old.example.com/token", 1, "https://old.example.com/token"},
		{"HTTP_BASIC", "REQUEST_BODY_CREDENTIALS", 1, "differ: 1, of these matter: 0"},
		{secret, strings.Repeat("x", 43), 1, "clientSecret"},
		{`"scopes"`, `"skipOnEnablement": true, "scopes"`, 0, "not compared: skipOnEnablement"},
		{"{", "", 2, "get-account-linking-info"},
	}
	for _, tt := range tests {
		file := filepath.Join(t.TempDir(), "linking.json")
		mustWriteFile(t, file, strings.Replace(mine, tt.old, tt.replacement, 1))
		code, stdout, stderr := runCommand("skill", "diff", "pizza", file, "--config", path)
		if code != tt.code || !strings.Contains(stdout+stderr, tt.want) {
			t.Errorf("%s: exit code %d, want %d and %q\n%s%s", tt.replacement, code, tt.code, tt.want, stdout, stderr)
		}
		if strings.Contains(stdout+stderr, secret) || strings.Contains(stdout, "\x1b") {
			t.Errorf("%s: a secret or a control character is printed: %q", tt.replacement, stdout+stderr)
		}
	}
	if code, stdout, stderr := runWithInput(mine, "skill", "diff", "pizza", "-", "--config", path); code != 0 {
		t.Errorf("from standard input: exit code %d, %s%s", code, stdout, stderr)
	}
	if code, _, stderr := runCommand("skill", "diff", "pizza", "none.json", "--config", path); code != 2 {
		t.Errorf("a missing file: exit code %d, %s", code, stderr)
	}
}
