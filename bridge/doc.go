// Package bridge holds the nouns of the program and the contract of its store. It does no I/O but to read a form that was
// posted and to write an answer for a program.
//
// Everything exists twice here, once towards Alexa and once towards the identity provider, so a name always says which
// side is meant:
//
//   - towards Alexa we are the authorization server: [Skill] is our client, [AuthorizationRequest] is what Alexa asked,
//     [Link] is one person's consent that one skill may know them, and a token is ours, opaque, kept only as a [Hash];
//   - towards the provider we are a relying party: [Identity] is whom the provider vouched for;
//   - towards a skill's [Backend] we are an introspection endpoint: it presents a token and learns whose link it is.
//
// The rooms around this package each do one part: authorize leads a person from Alexa through the provider to a link,
// introspect answers backends, sqlstore keeps links, and server puts them together.
package bridge
