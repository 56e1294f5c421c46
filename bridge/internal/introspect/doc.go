// Package introspect serves the endpoints that say whom an access token belongs to:
//
//	POST /lookup          for backends (token introspection, RFC 7662)
//	GET, POST /userinfo   for whoever has the token (OIDC Core §5.3)
//
// There are three outcomes that are never confused: the token is active, it is inactive, and the server cannot tell
// now. The last is status 503: answering "inactive" during an outage would make Amazon delete links.
//
// Answers come from a cache as long as the feed of revocations is read; see [feedReader].
package introspect
