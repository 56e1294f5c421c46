package bridge

// MaxStateBytes is the longest state that is accepted from Alexa, in bytes after decoding. Real ones have 673 to 737.
const MaxStateBytes = 1500

// MaxRequestBytes bounds the sum of the lengths of provider id, client id, redirect URI and scope, so that a request
// fits into a cookie together with the longest state.
const MaxRequestBytes = 480

// AuthorizationRequest is an authorization request of Alexa (RFC 6749 §4.1.1, §4.2.1) whose client and redirect URI
// are valid.
type AuthorizationRequest struct {
	ClientID     string
	RedirectURI  string
	ResponseType string
	Scope        string // the requested scopes that the skill may have, joined by spaces
	ScopeReduced bool   // scopes were requested that the skill may not have
	// CodeChallenge is the S256 challenge of RFC 7636; empty when none was sent.
	CodeChallenge string
	State         string // opaque, returned byte for byte; may hold any bytes; empty when none was sent
}

// Response types (RFC 6749 §3.1.1).
const (
	ResponseTypeToken = "token"
	ResponseTypeCode  = "code"
)
