package templates

// ErrorPage names an error page. Its text is also the reason in logs and metrics.
type ErrorPage string

// Error pages.
const (
	PageUnknownSkill     ErrorPage = "unknown_skill"
	PageRedirectURI      ErrorPage = "redirect_uri"
	PageNoCookie         ErrorPage = "no_cookie"
	PageDecided          ErrorPage = "decided"
	PageSignInOutdated   ErrorPage = "sign_in_outdated"
	PageFormReload       ErrorPage = "form_reload"
	PageForeignPost      ErrorPage = "foreign_post"
	PageProviderDown     ErrorPage = "provider_down"
	PageProviderBusy     ErrorPage = "provider_busy"
	PageEmbeddedBrowser  ErrorPage = "embedded_browser"
	PageStoreUnavailable ErrorPage = "store_unavailable"
	PageNoTicket         ErrorPage = "no_ticket"
	PagePrefetch         ErrorPage = "prefetch"
	PageMethod           ErrorPage = "method"
	PageNotFound         ErrorPage = "not_found"
	PageTooMany          ErrorPage = "too_many"
	PageInternal         ErrorPage = "internal"

	// Of the page of a person's links.
	PageLinksNotSignedIn ErrorPage = "links_not_signed_in"
	PageLinksSetup       ErrorPage = "links_setup"
	PageLinksRejected    ErrorPage = "links_rejected"
	PageLinksUnavailable ErrorPage = "links_unavailable"
)

// errorText is what a person reads: what it is, what happened, and what to do.
type errorText struct {
	title, sentence, hint string
}

const startAgain = "Open the Alexa app, go to the skill, and choose “Enable to use” or “Link account” again."

// errorTexts returns the texts of all error pages. They never repeat what a request said, since a stranger may have
// sent it.
func errorTexts() map[ErrorPage]errorText {
	return map[ErrorPage]errorText{
		PageUnknownSkill: {
			"This skill is not known here",
			"The link that brought you here does not name a skill that this server serves, so nothing was linked.",
			"If you came from the Alexa app, tell the maker of the skill: " +
				"the Client ID in its account linking settings is not the one configured here.",
		},
		PageRedirectURI: {
			"This skill asked for a wrong address",
			"After linking, the skill wants you to be sent to an address that is not its own, so nothing was linked.",
			"If you came from the Alexa app, tell whoever runs this server: " +
				"the skill’s “Alexa Redirect URLs” are not the ones configured here.",
		},
		PageNoCookie: {
			"Please start again in the Alexa app",
			"This sign-in cannot go on here: it is more than 10 minutes old, or it was started in another browser, " +
				"or this browser does not accept cookies.",
			startAgain + " Finish within 10 minutes, in the same window, with cookies allowed.",
		},
		PageDecided: {
			"You have answered this already",
			"This sign-in has come to its end, and its answer cannot be changed.",
			"If the skill is not linked, start again. " + startAgain,
		},
		PageSignInOutdated: {
			"Please sign in once more",
			"The sign-in took too long, or it was finished before, so it cannot be used again.",
			"Start again, and sign in without a long pause. If nothing happens, begin in the Alexa app.",
		},
		PageFormReload: {
			"This page cannot be loaded again",
			"It takes the answer that you give on the page before, and nothing else. Loading it did nothing.",
			"Go back to the page before and answer there. If it is gone: " + startAgain,
		},
		PageForeignPost: {
			"This answer did not come from our page",
			"Your browser says that the answer was sent by another site, so it was not taken.",
			startAgain,
		},
		PageProviderDown: {
			"Your company’s sign‑in does not answer",
			"We could not reach the sign-in service just now. Nothing was changed.",
			"Wait a moment and try again. Skills that are linked already go on working.",
		},
		PageProviderBusy: {
			"Your company’s sign‑in is busy",
			"Many people are signing in just now. Nothing was changed.",
			"Wait a moment and try again. Skills that are linked already go on working.",
		},
		PageEmbeddedBrowser: {
			"Please open this in your browser",
			"Your company’s sign-in does not work inside another app’s window, and this looks like one.",
			"Use this window’s menu to open the page in your browser, or link the skill at alexa.amazon.com on a computer.",
		},
		PageStoreUnavailable: {
			"We cannot save this right now",
			"Something on our side is not reachable. Nothing was linked.",
			"Wait a moment, go back, and try again.",
		},
		PageNoTicket: {
			"This test sign-in has ended",
			"Its address is unknown, more than 10 minutes old, or in use in another browser.",
			"Run “alexa-oidc-bridge try” again for another address.",
		},
		PagePrefetch: {
			"This page was fetched ahead",
			"Your browser asked for this page before you opened it, so nothing was begun.",
			"Open the page to go on.",
		},
		PageMethod: {
			"This address is not used in this way",
			"A program sent this request in a form that this address does not take.",
			"If you came from the Alexa app, tell whoever runs this server.",
		},
		PageNotFound: {
			"There is nothing here",
			"This address does not exist on this server.",
			"To link a skill, open the Alexa app and choose the skill.",
		},
		PageTooMany: {
			"Please wait a minute",
			"Too many requests have come from your network in a short time, so this one was not taken.",
			"Wait a minute and try again. Skills that are linked already go on working.",
		},
		PageInternal: {
			"Something went wrong on our side",
			"The request could not be finished.",
			startAgain,
		},
		PageLinksNotSignedIn: {
			"You could not be signed in",
			"The sign-in was cancelled or took too long, or your company’s sign-in did not say for certain who you are. " +
				"Your links are as they were.",
			"Sign in again, or with another account. If it fails again, ask whoever runs this server.",
		},
		PageLinksSetup: {
			"This sign‑in is not set up correctly",
			"This server and your company’s sign-in are not set up for each other, so your links cannot be shown. " +
				"It is nothing that you did.",
			"Only whoever runs this server can correct it. Tell them, and give them the reference below.",
		},
		PageLinksRejected: {
			"Nothing was changed",
			"Your browser sent what is not on the page of your links as it is now: that page is old, " +
				"you have signed in again since, or another site sent it.",
			"Open the page of your links again, and choose there.",
		},
		PageLinksUnavailable: {
			"We cannot reach your links right now",
			"Something on our side does not answer, so we do not know whether anything was changed.",
			"Wait a moment, open the page of your links again, and look whether the link is still there.",
		},
	}
}
