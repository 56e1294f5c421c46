// Package bridge holds the nouns of the program and the contract of its [Store]. It does no I/O.
//
// Everything exists twice, once towards Alexa and once towards the identity provider, so names say which side they
// mean:
//
//   - Towards Alexa we are the authorization server. [Skill] is our client, [AuthorizationRequest] is Alexa's request,
//     [Link] is one person's consent that one skill may know them, and tokens are ours: opaque, stored only as a
//     [Hash].
//   - Towards the provider we are a relying party. [Identity] is the person whom the provider identified.
//   - Towards a skill's [Backend] we are an introspection endpoint. It presents a token and learns whose link it is.
//
// Package server mounts the endpoints, which are in bridge/internal. Package sqlstore implements the Store.
package bridge
