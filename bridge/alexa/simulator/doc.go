// Package simulator plays Alexa, for tests of an authorization server or of a skill without Amazon.
//
// A [Phone] is the person with the Alexa app: it opens an authorization [Request], follows redirects, submits forms,
// and stops at Alexa's redirect URI. [Linking] is Alexa's servers on the other side: they exchange the code and refresh
// the tokens, and its checks do so as it happens on worse days, with lost responses and several refreshes at once.
// [Skill] sends the request by which a person opens a skill, or the events [AccountLinked] and [SkillDisabled], and a
// [Signer] signs them as Alexa does, by an authority that only a test trusts.
//
// The command `alexa-oidc-bridge simulate` does all of it from a command line. Nothing in this package is for
// production.
package simulator
