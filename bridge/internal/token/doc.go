// Package token is the token endpoint and what belongs to it:
//
//	POST /token     a code or a refresh token for an access token (RFC 6749 §4.1.3, §6)
//	POST /revoke    the end of a link, by any of its live tokens (RFC 7009)
//	GET  /.well-known/oauth-authorization-server    what there is (RFC 8414)
//
// Alexa gives up on /token after 4.5 seconds and takes invalid_grant as final, so nothing upstream is asked here, and an
// outage of ours is always 503 and never invalid_grant.
//
// A refresh token stays the same until its link ends: Alexa is a confidential client, answers get lost, and a fleet
// refreshes at once. A skill may ask for rotation instead. Then each refresh token that is presented gets a child, and stays
// good until one of its children is presented, which confirms that the answer arrived. A token that was superseded in this
// way and comes again is held by two, and its link ends.
package token
