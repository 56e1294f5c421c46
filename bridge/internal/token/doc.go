// Package token serves the token endpoint and its neighbors:
//
//	POST /token                                     a code or a refresh token for an access token (RFC 6749 §4.1.3, §6)
//	POST /revoke                                    revokes a link by any of its live tokens (RFC 7009)
//	GET  /.well-known/oauth-authorization-server    the metadata of the server (RFC 8414)
//
// Alexa waits 4.5 seconds for /token and takes invalid_grant as final. So no provider is asked here, and an
// unavailable store is 503 and never invalid_grant.
//
// A refresh token stays the same until its link is revoked: Alexa is a confidential client, responses get lost, and a
// fleet of servers refreshes at the same time. A skill may be configured for rotation instead. Then each presented
// refresh token gets a child and stays valid until one of its children is presented, which confirms that the response
// arrived. A token that was superseded in this way and is presented again is held by two parties, and its link is
// revoked.
package token
