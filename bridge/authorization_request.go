package bridge

// MaxStateBytes is the longest state that is accepted from Alexa, in bytes after decoding. Real ones have 673 to 737.
const MaxStateBytes = 1500

// MaxRequestBytes is how long provider id, client id, redirect URI and scope of a request may be together, so that they fit
// into a cookie beside the longest state.
const MaxRequestBytes = 480

// AuthorizationRequest is what Alexa asked for (RFC 6749 §4.1.1, §4.2.1), once its client and redirect URI are known to
// be good.
type AuthorizationRequest struct {
	ClientID     string
	RedirectURI  string
	ResponseType string
	Scope        string // the scopes the skill may have, joined by spaces
	// CodeChallenge is the S256 challenge of RFC 7636; empty when none was sent.
	CodeChallenge string
	State         string // opaque, returned byte for byte; may hold any bytes; empty when none was sent
}

// Response types (RFC 6749 §3.1.1).
const (
	ResponseTypeToken = "token"
	ResponseTypeCode  = "code"
)
