package templates

// Fault names a page that says what went wrong.
type Fault string

// Faults.
const (
	FaultUnknownSkill     Fault = "unknown_skill"
	FaultRedirectURI      Fault = "redirect_uri"
	FaultNoCookie         Fault = "no_cookie"
	FaultDecided          Fault = "decided"
	FaultForeignPost      Fault = "foreign_post"
	FaultProviderDown     Fault = "provider_down"
	FaultEmbeddedBrowser  Fault = "embedded_browser"
	FaultStoreUnavailable Fault = "store_unavailable"
	FaultPrefetch         Fault = "prefetch"
	FaultMethod           Fault = "method"
	FaultNotFound         Fault = "not_found"
	FaultInternal         Fault = "internal"
)

// faultText is what a person reads: what it is, what happened, and what to do.
type faultText struct {
	title, sentence, cure string
}

const startAgain = "Open the Alexa app, go to the skill, and choose “Enable to use” or “Link account” again."

// faultTexts never repeat what a request said: a stranger may have written it.
func faultTexts() map[Fault]faultText {
	return map[Fault]faultText{
		FaultUnknownSkill: {
			"This skill is not known here",
			"The link that brought you here does not name a skill that this server serves, so nothing was linked.",
			"If you came from the Alexa app, tell the maker of the skill: the Client ID in its account linking settings is not the one configured here.",
		},
		FaultRedirectURI: {
			"This skill asked for a wrong address",
			"After linking, the skill wants you to be sent to an address that is not its own, so nothing was linked.",
			"If you came from the Alexa app, tell whoever runs this server: the skill’s “Alexa Redirect URLs” are not the ones configured here.",
		},
		FaultNoCookie: {
			"Please start again in the Alexa app",
			"This sign-in cannot go on here: it is more than 10 minutes old, or it was begun in another browser, or this browser does not accept cookies.",
			startAgain + " Finish within 10 minutes, in the same window, with cookies allowed.",
		},
		FaultDecided: {
			"You have answered this already",
			"This sign-in has come to its end, and its answer cannot be changed.",
			"If the skill is not linked, start again. " + startAgain,
		},
		FaultForeignPost: {
			"This answer did not come from our page",
			"Your browser says that the answer was sent by another site, so it was not taken.",
			startAgain,
		},
		FaultProviderDown: {
			"Your company’s sign‑in does not answer",
			"We could not reach the sign-in service just now. Nothing was linked.",
			"Wait a moment and try again. Skills that are linked already go on working.",
		},
		FaultEmbeddedBrowser: {
			"Please open this in your browser",
			"Your company’s sign-in does not work inside another app’s window, and this looks like one.",
			"Use this window’s menu to open the page in your browser, or link the skill at alexa.amazon.com on a computer.",
		},
		FaultStoreUnavailable: {
			"We cannot save this right now",
			"Something on our side is not reachable. Nothing was linked.",
			"Wait a moment, go back, and try again.",
		},
		FaultPrefetch: {
			"This page was fetched ahead",
			"Your browser asked for this page before you opened it, so nothing was begun.",
			"Open the page to go on.",
		},
		FaultMethod: {
			"This address is not used in this way",
			"A program sent this request in a form that this address does not take.",
			"If you came from the Alexa app, tell whoever runs this server.",
		},
		FaultNotFound: {
			"There is nothing here",
			"This address does not exist on this server.",
			"To link a skill, open the Alexa app and choose the skill.",
		},
		FaultInternal: {
			"Something went wrong on our side",
			"The request could not be finished.",
			startAgain,
		},
	}
}
