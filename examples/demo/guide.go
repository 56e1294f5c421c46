package main

import "alexa-oidc-bridge/bridge"

// notice is what the Alexa app says on top. Kind is good, bad, later, or empty, when there is nothing to say.
type notice struct {
	Kind, Title, Text string
}

func noticeOf(a account) notice {
	switch {
	case a.Fault != "":
		return notice{"bad", "Your account is not linked", a.Fault}
	case a.Lost:
		return notice{"bad", "Your account is not linked any more", "The bridge gave no new token, so Alexa has forgotten the old ones."}
	case a.Expired():
		return notice{"later", "An hour later", "Alexa’s access token has expired. Nobody has to do anything about it."}
	case a.Token != "" && a.Heard == nil && !a.Ended:
		return notice{"good", "Your account is linked", "Alexa has a token of the bridge’s for " + skillName + "."}
	}
	return notice{}
}

// Stages of a newcomer's way. Only the code grant has one an hour later.
const (
	stageLink  = "Link"
	stageAsk   = "Ask"
	stageLater = "Ask an hour later"
	stageEnd   = "End the link"
	stageAgain = "Ask again"
)

// deed is a form of the page, by its path.
type deed string

const (
	deedLink  deed = "/enable"
	deedAsk   deed = "/ask"
	deedLater deed = "/later"
	deedEnd   deed = "/revoke"
)

// guide tells a newcomer what to do next.
type guide struct {
	Stage string
	Deed  deed // empty: whatever they like
	Text  string
	Code  bool // whether they go the way of the code grant
}

// guideOf reads from the account alone how far a newcomer is, so that any way through the demo has a next step.
func guideOf(a account) guide {
	g := nextOf(a)
	g.Code = a.Grant == bridge.GrantAuthorizationCode
	return g
}

func nextOf(a account) guide {
	switch {
	case a.Fault != "":
		return guide{Stage: stageLink, Deed: deedLink, Text: "No link was made, and Alexa was told so. Why somebody is refused stands in the bridge’s log, in the terminal of this demo. Link again as Ada or Grace."}
	case a.Lost:
		return guide{Stage: stageAgain, Deed: deedLink, Text: "That is all: no link, no token. If you like, link again by the other grant, or as the guest, whom the skill’s “allow” refuses."}
	case a.Token == "" && a.UserID == "":
		return guide{Stage: stageLink, Deed: deedLink, Text: "Choose a grant and press “Enable to use”. You will sign in at a pretend company, whose page shows who can, and then be asked for your consent."}
	case a.Token == "":
		return guide{Stage: stageLink, Deed: deedLink, Text: "Press “Link account”, sign in, and give your consent."}
	case a.Ended || a.refused():
		return nextAfterEnd(a)
	case a.Expired():
		return guide{Stage: stageLater, Deed: deedAsk, Text: "Ask the skill again. First, Alexa will get a new access token from the bridge."}
	case a.Heard == nil:
		return guide{Stage: stageAsk, Deed: deedAsk, Text: "Ask the skill. Its backend will look up at the bridge who is speaking."}
	case a.Refresh != "" && !a.Refreshed:
		return guide{Stage: stageLater, Deed: deedLater, Text: "It knows you. Alexa’s access token is good for an hour: let that pass, and ask again."}
	}
	return guide{Stage: stageEnd, Deed: deedEnd, Text: "It knows you. Now be the operator, and end the link."}
}

// nextAfterEnd is what there is to see of a link that has ended, while Alexa still has its tokens.
func nextAfterEnd(a account) guide {
	switch {
	case a.Expired():
		return guide{Stage: stageAgain, Deed: deedAsk, Text: "Ask the skill again. Alexa will want a new access token, and not get it."}
	case !a.refused():
		return guide{Stage: stageAgain, Deed: deedAsk, Text: "The link has ended, which Alexa does not know. Ask the skill once more."}
	case a.Refresh != "":
		return guide{Stage: stageAgain, Deed: deedLater, Text: "The skill knows nobody by this token any more. Let an hour pass and ask again, to see how Alexa learns of it."}
	}
	return guide{Stage: stageAgain, Text: "That is all. If you like, link again by the code grant, or as the guest: he can sign in at the company, but the skill’s “allow” does not hold for him."}
}

// milestone is a stage as the page shows it.
type milestone struct {
	Name          string
	Done, Current bool
}

// Way is all stages, from first to last.
func (g guide) Way() []milestone {
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

// refused says whether the skill asked for linking.
func (a account) refused() bool { return a.Heard != nil && a.Heard.Card == cardLinkAccount }
