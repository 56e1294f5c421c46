// Package authorize takes a person from Alexa through the provider's sign-in to a link:
//
//	GET  /authorize            checks Alexa's request, sets a cookie, and redirects to the provider
//	GET  /callback/{provider}  checks the provider's response, stores the result, and shows the consent page
//	GET, POST /try/{ticket}    is a test sign-in for an operator: the same way to the provider, but no link
//	POST /consent              takes the person's decision, makes a link or not, and redirects to Alexa
//
// A person who wants to see their links signs in the same way, too: see [Handler.SignIn].
//
// There are two kinds of errors. As long as the skill and its redirect URI are not known to be valid, a page is shown
// and nobody is redirected. After that, errors go back to Alexa with its state: in the fragment for the implicit
// grant, in the query otherwise (RFC 6749 §4.1.2.1, §4.2.2.1). Where another try can help, a page offers it.
// errors.go has the whole mapping.
//
// The browser that opened /authorize must be the one that finishes (RFC 9700 §4.7). So the flow is in a sealed cookie
// of that browser and is never looked up by the state alone: a state that somebody else started finds no cookie. The
// cookie holds one random seed from which every secret of the flow is derived (see [flow]). So the store needs only
// hashes and encrypted text, a response that was lost can be sent again, and any replica can do that.
package authorize
