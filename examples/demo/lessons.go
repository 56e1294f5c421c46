package main

import (
	"net/http"
	"strings"

	"alexa-oidc-bridge/bridge"
)

// lesson is what can be learned from a request. Requests without a lesson are not written down: pages' style sheets, the
// provider's keys, and the like.
type lesson struct {
	to        party
	request   string // method and path
	having    string // what stands in its query or body; empty: anything
	from      party
	why       string
	answerWhy string // of an answer that comes after other requests
}

func lessonOf(to party, r *http.Request, body []byte) (lesson, bool) {
	asked, parameters := r.Method+" "+r.URL.Path, r.URL.RawQuery+"&"+string(body)
	for _, lesson := range lessons() {
		if lesson.to == to && lesson.request == asked && strings.Contains(parameters, lesson.having) {
			return lesson, true
		}
	}
	return lesson{}, false
}

func lessons() []lesson {
	return []lesson{
		{to: partyBridge, request: "GET /authorize", having: "response_type=code", from: partyBrowser,
			why: "The Alexa app asks for a code, and adds the hash of a secret that it has just made up (PKCE): without that secret " +
				"nobody can do anything with the code. The bridge sends the browser on to the company’s sign-in, and remembers all this " +
				"sealed in the cookie."},
		{to: partyBridge, request: "GET /authorize", from: partyBrowser,
			why: "The Alexa app opens the skill’s Authorization URI in a browser. The bridge checks who asks and where the answer " +
				"is to go, and sends the browser on to the company’s sign-in. What it must remember travels sealed in the cookie."},
		{to: partyProvider, request: "GET /authorize", from: partyBrowser,
			why: "To the company the bridge is an ordinary client: the code flow with PKCE, a state and a nonce of its own. " +
				"Alexa’s state does not appear here."},
		{to: partyProvider, request: "POST /login/username", from: partyBrowser,
			why: "The password is typed on the company’s own page. Neither Alexa nor the bridge ever sees it."},
		{to: partyProvider, request: "GET /authorize/callback", from: partyBrowser,
			why: "The company sends the browser back to the bridge, with a code that is good once and for the bridge only."},
		{to: partyBridge, request: "GET /callback/" + providerID, from: partyBrowser,
			why: "The bridge looks for the sign-in in this browser’s cookie. Another browser that got hold of this address would " +
				"have no cookie, and get nothing.",
			answerWhy: "Now the bridge knows who it is, and holds that to the skill’s “allow”. Whoever may link is asked first; " +
				"whoever may not is sent back to Alexa with access_denied."},
		{to: partyProvider, request: "POST /oauth/token", from: partyBridge,
			why: "The bridge exchanges the code for an ID token, with its client secret and the PKCE verifier, and checks its " +
				"signature, issuer, audience and nonce. The company’s tokens end here: Amazon never gets one."},
		{to: partyProvider, request: "GET /userinfo", from: partyBridge,
			why: "What the ID token does not tell about the person, the bridge asks for. It keeps only the claims that the skill " +
				"is configured with."},
		{to: partyBridge, request: "POST /consent", from: partyBrowser,
			why: "The person decides. For “Link” the bridge makes what Alexa asked for, writes its hash to the database, and only " +
				"then hands it over: a token in the fragment, which browsers do not send to servers, or a code in the query."},
		{to: partyBridge, request: "POST /token", having: "grant_type=authorization_code", from: partyAlexa,
			why: "Alexa’s service exchanges the code without the browser, with the skill’s secret and the PKCE verifier. It gets an " +
				"access token for an hour, and a refresh token for more of them. Neither was ever in an address."},
		{to: partyBridge, request: "POST /token", having: "grant_type=refresh_token", from: partyAlexa,
			why: "Alexa’s access token has expired, so before it sends anything to the skill it asks the bridge for a new one. While " +
				"the link lives it gets one; when the link has ended, the answer is invalid_grant."},
		{to: partySkill, request: "POST /", from: partyAlexa,
			why:       "Alexa sends what was said to the skill. If it has a token of the bridge’s, that comes along as accessToken.",
			answerWhy: "The skill answers. Alexa speaks the text, and shows the card if there is one."},
		{to: partyBridge, request: "POST /lookup", from: partySkill,
			why: "The skill’s backend asks the bridge whose token this is. The person is upstream_iss and sub together; the claims " +
				"are those that the configuration names."},
	}
}

// fragmentStep is the end of the implicit grant: Alexa's page reads the fragment, which no recorder on a server could see.
func fragmentStep(origin, fragment, outcome string) step {
	return step{
		From: partyBrowser, To: partyAlexa,
		Why:     "Alexa’s page reads the fragment and compares the state with the one that it began with.",
		Request: append([]string{"Opened " + origin + implicitPath}, parameters("#", fragment)...), Answer: []string{outcome},
	}
}

// queryStep is how a code comes to Alexa.
func queryStep(origin, query, outcome string) step {
	return step{
		From: partyBrowser, To: partyAlexa,
		Why: "Alexa compares the state with the one that it began with, and the iss with the bridge that it asked. A code of " +
			"anybody else’s would not be taken.",
		Request: append([]string{"Opened " + origin + codePath}, parameters("?", query)...), Answer: []string{outcome},
	}
}

func hourLaterStep() step {
	return step{
		From: partyBrowser, To: partyAlexa,
		Why: "Alexa’s clock is put forward by what expires_in said. The bridge’s clock is not, and nothing is sent: Alexa gets a " +
			"new token only when it needs one.",
		Request: []string{"The person waits for an hour."}, Answer: []string{"Alexa’s access token has expired."},
	}
}

func lostStep() step {
	return step{
		From: partyAlexa, To: partyBrowser,
		Why: "Alexa takes invalid_grant as final: it forgets its tokens, and the app shows that the account is not linked any more. " +
			"What was said goes to the skill without a token.",
		Answer: []string{"Your account is not linked any more."},
	}
}

func disableStep() step {
	return step{
		From: partyBrowser, To: partyAlexa,
		Why: "When a person disables a skill, Alexa forgets its tokens. Here nobody tells the bridge: the link stays in its " +
			"database, though nobody has its tokens any more, until the operator ends it.",
		Request: []string{"The person disables the skill."}, Answer: []string{"Alexa has forgotten its tokens."},
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
		Why: "The command works on the bridge’s database directly. From now on the link’s tokens read inactive, in every " +
			"process on that database, and no new one is given out. Alexa is not told, and still sends the token.",
		Request: []string{"alexa-oidc-bridge links revoke --skill " + skillClientID}, Answer: lines,
	}
}
