package main

import (
	"net/http"
	"slices"
	"strings"

	"alexa-oidc-bridge/bridge"
)

// annotation explains a request. Requests without an annotation, such as those for style sheets and for the
// provider's keys, are not in the transcript.
type annotation struct {
	to          party
	request     string // method and path; one that ends with a slash: its beginning
	contains    string // a part of its query or body; empty: any
	from        party
	why         string
	responseWhy string // of a response that comes after other requests
	linksWhy    string // the same if it sends the browser to the page of links; empty: as responseWhy
	section     string // the title of a section that begins with the request, unless the last one has it; empty: none
}

// titleGateway is the title of the section in which the skill's backend tells the bridge that the skill is disabled.
const titleGateway = "The skill’s backend finds the skill disabled"

// Paths of the bridge.
const (
	linksPath    = "/links"
	eventsPath   = "/alexa/events"
	disabledPath = "/alexa/disabled"
	revokePath   = "/api/links/revoke"
)

func findAnnotation(to party, r *http.Request, body []byte) (annotation, bool) {
	asked, parameters := r.Method+" "+r.URL.Path, r.URL.RawQuery+"&"+string(body)
	for _, annotation := range annotations() {
		if annotation.to == to && annotation.matches(asked) && strings.Contains(parameters, annotation.contains) {
			return annotation, true
		}
	}
	return annotation{}, false
}

func (a annotation) matches(asked string) bool {
	return asked == a.request || strings.HasPrefix(asked, a.request) && strings.HasSuffix(a.request, "/")
}

func annotations() []annotation {
	return slices.Concat(linkAnnotations(), accountAnnotations(), endAnnotations())
}

// linkAnnotations are those of requests that make a link or use it.
func linkAnnotations() []annotation {
	return []annotation{
		{to: partyBridge, request: "GET /authorize", contains: "response_type=code", from: partyBrowser,
			why: "The Alexa app requests a code, with the hash of a secret that only it knows (PKCE): without that secret a " +
				"code is useless. The bridge checks the request and redirects the browser to the company’s sign-in. The pending " +
				"request is sealed in the cookie."},
		{to: partyBridge, request: "GET /authorize", from: partyBrowser,
			why: "The Alexa app opens the skill’s Authorization URI in a browser. The bridge checks the client id and the " +
				"redirect URI, and redirects the browser to the company’s sign-in. The pending request is sealed in the cookie."},
		{to: partyProvider, request: "GET /authorize", from: partyBrowser,
			why: "To the company the bridge is an ordinary client: the authorization code flow with PKCE, and with a state " +
				"and a nonce of the bridge. Alexa’s state does not appear here."},
		{to: partyProvider, request: "POST /login/username", from: partyBrowser,
			why: "The password is entered on the company’s own page. Neither Alexa nor the bridge ever sees it."},
		{to: partyProvider, request: "GET /authorize/callback", from: partyBrowser,
			why: "The company redirects the browser back to the bridge, with a code that only the bridge can use, once."},
		{to: partyBridge, request: "GET /callback/" + providerID, from: partyBrowser,
			why: "The bridge finds the sign-in in this browser’s cookie. Another browser with the same URL would have no " +
				"cookie, and get an error.",
			responseWhy: "Now the bridge knows who the person is, and checks the skill’s “allow”. A person who may link is " +
				"asked for consent; one who may not is sent back to Alexa with access_denied.",
			linksWhy: "Now the bridge knows who the person is. For 10 minutes this browser can see the links of the person, " +
				"and end them."},
		{to: partyProvider, request: "POST /oauth/token", contains: "grant_type=authorization_code", from: partyBridge,
			why: "The bridge exchanges the code for an ID token, with its client secret and the PKCE verifier, and checks the " +
				"signature, issuer, audience and nonce. The company’s tokens stay here: Amazon never gets one."},
		{to: partyProvider, request: "GET /userinfo", from: partyBridge,
			why: "The bridge requests the claims that are not in the ID token. It keeps only those that are configured for " +
				"the skill."},
		{to: partyBridge, request: "POST /consent", from: partyBrowser,
			why: "The person decides. After “Link” the bridge creates what Alexa requested, writes its hash to the database, " +
				"and only then sends it: a token in the fragment, which browsers do not send to servers, or a code in the " +
				"query."},
		{to: partyBridge, request: "POST /token", contains: "grant_type=authorization_code", from: partyAlexa,
			why: "Alexa exchanges the code from server to server, with the skill’s secret and the PKCE verifier. It gets an " +
				"access token for an hour and a refresh token. Neither was ever in a URL."},
		{to: partyBridge, request: "POST /token", contains: "grant_type=refresh_token", from: partyAlexa,
			why: "Alexa’s access token has expired, so Alexa requests a new one before it sends anything to the skill. It " +
				"gets one until the link is revoked; then the response is invalid_grant."},
		{to: partySkill, request: "POST /", from: partyAlexa,
			why: "Alexa sends what was said to the skill. If it has an access token of the bridge, the request " +
				"contains it.",
			responseWhy: "The skill responds. Alexa speaks the text, and shows the card if there is one."},
		{to: partyBridge, request: "POST /lookup", from: partySkill,
			why: "The skill’s backend asks the bridge whose token this is. upstream_iss and sub together identify the " +
				"person; the claims are those that are configured."},
	}
}

// accountAnnotations are those of requests that are about the company account.
func accountAnnotations() []annotation {
	return []annotation{
		{to: partyProvider, request: "POST /oauth/token", contains: "grant_type=refresh_token", from: partyBridge,
			why: "The bridge asks in the background whether the account still lives, by the refresh token that it keeps " +
				"encrypted. New tokens: it lives, and the old refresh token is replaced. invalid_grant: it does not, and " +
				"the bridge ends the link."},
		{to: partyBridge, request: "POST /backchannel-logout/" + providerID, from: partyProvider,
			why: "The company tells the bridge by a signed logout token that the person is signed out. It is not a " +
				"dismissal, so the bridge asks about the account before it ends anything (on_logout: recheck)."},
		{to: partyBridge, request: "GET " + scimPath + "/Users", from: partyDirectory,
			why: "The directory authenticates by the token of the configuration, and asks whether the bridge knows the user."},
		{to: partyBridge, request: "POST " + scimPath + "/Users", from: partyDirectory,
			why: "The bridge does not, so the directory creates the user. A real directory does this as soon as the " +
				"person is assigned to the bridge. It permits nothing: who may link is decided at the sign-in."},
		{to: partyBridge, request: "PATCH " + scimPath + "/Users/", contains: `"value":false`, from: partyDirectory,
			why: "The directory deactivates the user. The bridge ends every link whose sub is this user’s externalId, " +
				"before it responds."},
		{to: partyBridge, request: "PATCH " + scimPath + "/Users/", from: partyDirectory,
			why: "The directory activates the user. No link comes back: the person has to link again."},
	}
}

// endAnnotations are those of requests that are about the end of a link, and not about the company account.
func endAnnotations() []annotation {
	const page, program = "The page of the person’s links", "A program of the operator ends links"
	return []annotation{
		{to: partyBridge, request: "GET " + linksPath, contains: "provider=", from: partyBrowser, section: page,
			why: "Only the person can see their links, so the bridge redirects the browser to the company’s sign-in."},
		{to: partyBridge, request: "GET " + linksPath, from: partyBrowser, section: page,
			why: "The page lists the links of the person who has signed in with this browser. There is nobody yet, or it was " +
				"more than 10 minutes ago: then it asks to sign in."},
		{to: partyBridge, request: "POST " + linksPath + "/unlink", from: partyBrowser, section: page,
			why: "The person ends a link. The token of the form shows that it comes from this page: no other website can send " +
				"it. The link ends before the bridge responds, and Alexa is not notified."},
		{to: partyBridge, request: "POST " + eventsPath, contains: "SkillAccountLinked", from: partyAlexa,
			why: "The skill has subscribed to Alexa’s events. Alexa signs each by its certificate. This one says that the " +
				"user speaks by this access token from now on; the bridge keeps a hash of the user id with the link."},
		{to: partyBridge, request: "POST " + eventsPath, contains: "SkillDisabled", from: partyAlexa,
			why: "A signed event again: this user has disabled the skill. It has no token, so the bridge ends the links that " +
				"it knows to be of this user."},
		{to: partyBridge, request: "POST " + disabledPath, from: partySkill, section: titleGateway,
			why: "The skill’s backend tells the bridge, by the id of the link that each lookup returns. The link ends."},
		{to: partyBridge, request: "POST " + revokePath, from: partyOperator, section: program,
			why: "A program sends this to the admin API, which is not on the public address, with a token that may do no more " +
				"than what “may” says. The links end before the bridge responds. Alexa is not notified, and still " +
				"sends its token."},
		{to: partyBridge, request: "POST /api/links/", from: partyOperator, section: program,
			why: "The same for one link, by its id."},
	}
}

// fragmentStep is the end of the implicit grant. It is not recorded, because browsers do not send the fragment to
// servers.
func fragmentStep(origin, fragment, outcome string) step {
	return step{
		From: partyBrowser, To: partyAlexa,
		Why: "Alexa’s page reads the fragment and compares the state with that of its request.",
		Request: append([]string{"Opened " + origin + implicitPath},
			parameters("#", fragment)...), Response: []string{outcome},
	}
}

// queryStep is the redirect of the authorization code grant.
func queryStep(origin, query, outcome string) step {
	return step{
		From: partyBrowser, To: partyAlexa,
		Why: "Alexa compares the state with that of its request, and the iss with the bridge. It rejects a code of " +
			"any other server.",
		Request: append([]string{"Opened " + origin + codePath}, parameters("?", query)...), Response: []string{outcome},
	}
}

func hourLaterStep() step {
	return step{
		From: partyBrowser, To: partyAlexa,
		Why: "Alexa’s clock is advanced by expires_in; the bridge’s clock is not. Nothing is sent: Alexa refreshes its " +
			"token only when it needs one.",
		Request: []string{"The person waits for an hour."}, Response: []string{"Alexa’s access token has expired."},
	}
}

func unlinkedStep() step {
	return step{
		From: partyAlexa, To: partyBrowser,
		Why: "invalid_grant is final: Alexa forgets its tokens, and the app shows that the account is not linked any " +
			"more. The request to the skill contains no token.",
		Response: []string{"Your account is not linked any more."},
	}
}

func disableStep() step {
	return step{
		From: partyBrowser, To: partyAlexa,
		Why: "When a person disables a skill, Alexa forgets its tokens. The link itself is in the bridge’s database, and " +
			"ends when somebody tells the bridge.",
		Request: []string{"The person disables the skill."}, Response: []string{"Alexa has forgotten its tokens."},
	}
}

func enableByVoiceStep() step {
	return step{
		From: partyBrowser, To: partyAlexa,
		Why: "The skill was not enabled. To speak its name enables it, and Alexa calls the person by another user id than " +
			"before. There is no link, so the request to the skill contains no token.",
		Request:  []string{"The person speaks the name of the skill."},
		Response: []string{"The skill is enabled, not linked."},
	}
}

func gatewayStep() step {
	return step{
		From: partySkill, To: partyAlexa,
		Why: "Some skills send something to Alexa by themselves, such as that an order is on its way. Alexa’s event " +
			"gateway answers that the person has disabled the skill.",
		Request:  []string{"POST https://api.amazonalexa.com/v3/events (not really sent)"},
		Response: []string{"403 Forbidden", "SKILL_DISABLED_EXCEPTION"},
	}
}

func revokeStep(ended []bridge.Link) step {
	lines := make([]string, 0, len(ended))
	for _, link := range ended {
		lines = append(lines, "revoked "+link.ID)
	}
	if len(ended) == 0 {
		lines = append(lines, "links revoked: 0")
	}
	return step{
		From: partyOperator, To: partyBridge,
		Why: "The command works on the bridge’s database directly. From now on the link’s tokens are inactive in every " +
			"server on that database, and no new one is issued. Alexa is not notified, and still sends the token.",
		Request: []string{"alexa-oidc-bridge links revoke --skill " + skillClientID}, Response: lines,
	}
}
