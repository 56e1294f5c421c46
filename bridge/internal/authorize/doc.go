// Package authorize leads a person from Alexa through the company's sign-in to a link:
//
//	GET  /authorize            Alexa's request is checked; the browser gets a cookie and goes to the provider
//	GET  /callback/{provider}  the provider's answer is checked; who it is waits in the store; the person is asked
//	POST /consent              the person decides; a link is made or not; the browser goes back to Alexa
//
// There are two kinds of refusal. While the skill and its redirect URI are not known to be good, a page says so and nobody
// is redirected anywhere. After that every answer goes back to Alexa with its state, in the fragment for the implicit
// grant and in the query otherwise (RFC 6749 §4.1.2.1, §4.2.2.1). Where trying again can help, a page offers it.
//
// The browser that opened /authorize must be the one that finishes. So the flow is in that browser's cookie, sealed, and
// is never looked for by the state alone: a state that somebody else began finds no cookie. The cookie holds one random
// seed, and everything secret of the flow is derived from it (see [flow]); so nothing but hashes and sealed text has to be
// stored, an answer that was lost can be given again word for word, and any replica can do it.
package authorize
