package main

// notice is what the Alexa app says on top. Kind is good, bad or empty, when there is nothing to say.
type notice struct {
	Kind, Title, Text string
}

func noticeOf(a account) notice {
	switch {
	case a.Fault != "":
		return notice{"bad", "Your account is not linked", a.Fault}
	case a.Token != "" && a.Heard == nil && !a.Ended:
		return notice{"good", "Your account is linked", "Alexa has a token of the bridge’s for " + skillName + "."}
	}
	return notice{}
}

// guide tells a newcomer what to do next. Stage is how far they are: 1 to 4.
type guide struct {
	Stage int
	Text  string
}

// guideOf reads from the account alone how far a newcomer is, so that any way through the demo has a next step.
func guideOf(a account) guide {
	switch {
	case a.Fault != "":
		return guide{1, "No link was made, and Alexa was told so. Why somebody is refused stands in the bridge’s log, in the terminal of this demo. Link again as Ada or Grace."}
	case a.Token == "" && a.UserID == "":
		return guide{1, "Press “Enable to use”. You will sign in at a pretend company, whose page shows who can, and then be asked for your consent."}
	case a.Token == "":
		return guide{1, "Press “Link account”, sign in, and give your consent."}
	case a.refused():
		return guide{4, "That is all. If you like, link again as the guest: he can sign in at the company, but the skill’s “allow” does not hold for him."}
	case a.Ended:
		return guide{4, "The link has ended, which Alexa does not know. Ask the skill once more."}
	case a.Heard == nil:
		return guide{2, "Ask the skill. Its backend will look up at the bridge who is speaking."}
	}
	return guide{3, "It knows you. Now be the operator, and end the link."}
}

// refused says whether the skill asked for linking.
func (a account) refused() bool { return a.Heard != nil && a.Heard.Card == cardLinkAccount }
