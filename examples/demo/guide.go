package main

import "alexa-oidc-bridge/bridge"

// notice is the message at the top of the Alexa app. Kind is good, bad or later; empty: no message.
type notice struct {
	Kind, Title, Text string
}

func noticeOf(a account) notice {
	switch {
	case a.Problem != "":
		return notice{"bad", "Your account is not linked", a.Problem}
	case a.Unlinked:
		return notice{"bad", "Your account is not linked any more",
			"The bridge issued no new token, so Alexa has forgotten the old ones."}
	case a.Expired():
		return notice{"later", "An hour later", "Alexa’s access token has expired. Alexa will refresh it by itself."}
	case a.Token != "" && a.LastReply == nil && !a.Revoked:
		return notice{"good", "Your account is linked", "Alexa has an access token for " + skillName + "."}
	}
	return notice{}
}

// Stages of the demo. Only the authorization code grant has stageLater.
const (
	stageLink  = "Link"
	stageAsk   = "Ask"
	stageLater = "Ask an hour later"
	stageEnd   = "Revoke the link"
	stageAgain = "Ask again"
)

// action is the path of a form of the page.
type action string

const (
	actionLink   action = "/enable"
	actionAsk    action = "/ask"
	actionLater  action = "/later"
	actionRevoke action = "/revoke"
)

// guide says what to do next.
type guide struct {
	Stage  string
	Action action // empty: any
	Text   string
	Code   bool // by the authorization code grant
}

// guideOf depends on the account alone, so that there is a next step whatever the person did.
func guideOf(a account) guide {
	g := nextOf(a)
	g.Code = a.Grant == bridge.GrantAuthorizationCode
	return g
}

func nextOf(a account) guide {
	switch {
	case a.Problem != "":
		return guide{Stage: stageLink, Action: actionLink,
			Text: "No link was made, and Alexa got the error. The reason is in the bridge’s log, in the terminal of this " +
				"demo. Link again as Ada or Grace."}
	case a.Unlinked:
		return guide{Stage: stageAgain, Action: actionLink,
			Text: "That is all: no link, no token. You can link again by the other grant, or as the guest, who does not meet " +
				"the skill’s “allow”."}
	case a.Token == "" && a.UserID == "":
		return guide{Stage: stageLink, Action: actionLink,
			Text: "Choose a grant and press “Enable to use”. You will sign in at a simulated company, whose page lists who " +
				"can sign in, and then be asked for your consent."}
	case a.Token == "":
		return guide{Stage: stageLink, Action: actionLink, Text: "Press “Link account”, sign in, and give your consent."}
	case a.Revoked || a.refused():
		return nextAfterRevoke(a)
	case a.Expired():
		return guide{Stage: stageLater, Action: actionAsk,
			Text: "Ask the skill again. First, Alexa will get a new access token from the bridge."}
	case a.LastReply == nil:
		return guide{Stage: stageAsk, Action: actionAsk,
			Text: "Ask the skill. Its backend will look up at the bridge who you are."}
	case a.Refresh != "" && !a.Refreshed:
		return guide{Stage: stageLater, Action: actionLater,
			Text: "It knows you. Alexa’s access token is valid for an hour: let the hour pass, and ask again."}
	}
	return guide{Stage: stageEnd, Action: actionRevoke, Text: "It knows you. Now revoke the link as the operator."}
}

// nextAfterRevoke is the next step after a revocation, while Alexa still has tokens.
func nextAfterRevoke(a account) guide {
	switch {
	case a.Expired():
		return guide{Stage: stageAgain, Action: actionAsk,
			Text: "Ask the skill again. Alexa will try to refresh its access token, and fail."}
	case !a.refused():
		return guide{Stage: stageAgain, Action: actionAsk,
			Text: "The link is revoked, but Alexa does not know. Ask the skill again."}
	case a.Refresh != "":
		return guide{Stage: stageAgain, Action: actionLater,
			Text: "The token is not active any more. Let an hour pass and ask again, to see how Alexa learns of it."}
	}
	return guide{Stage: stageAgain, Text: "That is all. You can link again by the code grant, or as the guest, who can " +
		"sign in at the company but does not meet the skill’s “allow”."}
}

// milestone is a stage on the page.
type milestone struct {
	Name          string
	Done, Current bool
}

// Progress returns all stages, first to last.
func (g guide) Progress() []milestone {
	stages := []string{stageLink, stageAsk, stageEnd, stageAgain}
	if g.Code {
		stages = []string{stageLink, stageAsk, stageLater, stageEnd, stageAgain}
	}
	var way []milestone
	done := true
	for _, stage := range stages {
		current := stage == g.Stage
		done = done && !current
		way = append(way, milestone{stage, done, current})
	}
	return way
}

// refused reports whether the skill asked the person to link the account.
func (a account) refused() bool { return a.LastReply != nil && a.LastReply.Card == cardLinkAccount }
