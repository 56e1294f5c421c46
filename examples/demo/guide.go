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
	case a.Token != "" && a.LastReply == nil && a.Ending == "":
		return notice{"good", "Your account is linked", "Alexa has an access token for " + skillName + "."}
	}
	return notice{}
}

// Stages of the demo. Only the authorization code grant has stageLater.
const (
	stageLink  = "Link"
	stageAsk   = "Ask"
	stageLater = "Ask an hour later"
	stageEnd   = "End the link"
	stageAgain = "Ask again"
)

// action is the path of a form of the page.
type action string

const (
	actionLink   action = "/enable"
	actionAsk    action = "/ask"
	actionLater  action = "/later"
	actionRevoke action = "/revoke"
	actionAPI    action = "/revoke/api"

	actionDisableSkill action = "/disable"
	actionGateway      action = "/gateway"

	actionDisable    action = "/company/disable"
	actionSignOut    action = "/company/sign-out"
	actionDeactivate action = "/company/deactivate"
	actionEnable     action = "/company/enable"
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
	case a.Unlinked && a.Ending.locked():
		return guide{Stage: stageAgain, Action: actionEnable, Text: "That is all: no link, no token. " + enableFirst}
	case a.Unlinked:
		return guide{Stage: stageAgain, Action: actionLink,
			Text: "That is all: no link, no token. You can link again by the other grant, or as the guest, who does not meet " +
				"the skill’s “allow”."}
	case a.Disabled && a.UserID == "":
		return guide{Stage: stageAgain, Action: actionAsk,
			Text: "The skill is disabled, Alexa has forgotten its tokens, and the link has ended at the bridge. Ask the " +
				"skill: to speak its name enables it again, without a link."}
	case a.Disabled:
		return guide{Stage: stageAgain, Action: actionLink,
			Text: "That is all: no link, no token. You can link again: the skill is enabled, and Alexa calls you by another " +
				"user id than before."}
	case a.Token == "" && a.UserID == "":
		return guide{Stage: stageLink, Action: actionLink,
			Text: "Choose a grant and press “Enable to use”. You will sign in at a simulated company, whose page lists who " +
				"can sign in, and then be asked for your consent."}
	case a.Token == "":
		return guide{Stage: stageLink, Action: actionLink, Text: "Press “Link account”, sign in, and give your consent."}
	case a.Ending != "" || a.refused():
		return nextAfterEnd(a)
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
	return guide{Stage: stageEnd, Action: actionRevoke,
		Text: "It knows you. Now end the link in one of the ways on this page: as the person, as the operator, or by the " +
			"company account."}
}

const refreshFails = "Ask the skill again. Alexa will try to refresh its access token, and fail."

// enableFirst says how to link again after the account was disabled.
const enableFirst = "To link again as the same person, enable the account: that brings no link back, but the person " +
	"can sign in again."

// nextAfterEnd is the next step after something ended the link, while Alexa still has tokens.
func nextAfterEnd(a account) guide {
	g := guide{Stage: stageAgain, Action: actionAsk}
	switch {
	case a.refused():
		return nextAfterRefusal(a)
	case a.Refused && a.Expired():
		g.Text = refreshFails
	case a.LastReply != nil:
		g.Text = "It still knows you, since no lookup waits for the company. But the bridge asks the company in the " +
			"background, if its last answer is older than 2 seconds. Wait 2 seconds, and ask again."
	case a.Ending == endingDisabled:
		g.Text = "The account is disabled, and nobody has told the bridge. Ask the skill: because the link is used, the " +
			"bridge will ask the company in the background."
	case a.Ending == endingSignedOut:
		g.Text = "The company has told the bridge, which asks at once, in the background. Here the sign-out has ended the " +
			"bridge’s refresh token as well, so the link ends. Ask the skill."
	case a.Expired():
		g.Text = refreshFails
	case a.Ending == endingDeactivated:
		g.Text = "The directory has told the bridge, which ended the link at once. Alexa does not know. Ask the skill."
	default:
		g.Text = "The link has ended, but Alexa does not know. Ask the skill again."
	}
	return g
}

// nextAfterRefusal is the next step after the skill asked the person to link the account.
func nextAfterRefusal(a account) guide {
	switch {
	case a.Refresh != "" && a.Expired():
		return guide{Stage: stageAgain, Action: actionAsk,
			Text: refreshFails}
	case a.Refresh != "":
		return guide{Stage: stageAgain, Action: actionLater,
			Text: "The token is not active any more. Let an hour pass and ask again, to see how Alexa learns of it."}
	case a.Ending == endingDisabled:
		return guide{Stage: stageAgain, Action: actionEnable,
			Text: "That is all: no link, no reply. The earlier “Ask the skill” shows how the bridge asked the company. " +
				enableFirst}
	case a.Ending.locked():
		return guide{Stage: stageAgain, Action: actionEnable, Text: "That is all: no link, no reply. " + enableFirst}
	}
	return guide{Stage: stageAgain, Text: "That is all. You can link again by the code grant and end the link in " +
		"another way, or link as the guest, who can sign in at the company but does not meet the skill’s “allow”."}
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
