// Package introspect answers backends that ask whom a token belongs to (RFC 7662).
//
// An answer is one of three things, which are never mixed up: this token is active, this token is not, and cannot tell
// now. The last is status 503: to say "not active" during an outage would make Amazon delete links.
package introspect
