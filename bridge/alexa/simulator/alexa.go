package simulator

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"strings"
)

// Request is the authorization request that the Alexa app sends when a person enables a skill.
type Request struct {
	AuthorizationURI string
	ClientID         string
	ResponseType     string // token or code
	State            string
	Scopes           []string
	RedirectURI      string
	// CodeVerifier is the secret of PKCE (RFC 7636), whose S256 challenge is in the request. Empty: no PKCE.
	CodeVerifier string
}

// NewState returns a random state of the form and the length that Alexa sends: 737 characters, the longest seen.
func NewState() string {
	random := make([]byte, 600)
	rand.Read(random)
	return "A2SAAEAE" + base64.RawURLEncoding.EncodeToString(random)[:729]
}

// URL returns the request as Alexa writes it: the parameters in Alexa's order, and spaces as %20.
func (r Request) URL() string {
	parameters := []string{"client_id=" + escape(r.ClientID), "response_type=" + escape(r.ResponseType),
		"state=" + escape(r.State)}
	if len(r.Scopes) > 0 {
		parameters = append(parameters, "scope="+escape(strings.Join(r.Scopes, " ")))
	}
	parameters = append(parameters, "redirect_uri="+escape(r.RedirectURI))
	if r.CodeVerifier != "" {
		challenge := sha256.Sum256([]byte(r.CodeVerifier))
		parameters = append(parameters, "code_challenge="+base64.RawURLEncoding.EncodeToString(challenge[:]),
			"code_challenge_method=S256")
	}
	separator := "?"
	if strings.Contains(r.AuthorizationURI, "?") {
		separator = "&"
	}
	return r.AuthorizationURI + separator + strings.Join(parameters, "&")
}

// Answer returns the parameters of the redirect that ended a request: those of the fragment for the implicit grant,
// those of the query otherwise.
func (r Request) Answer(redirect *url.URL) (url.Values, error) {
	if r.ResponseType != "token" {
		return url.ParseQuery(redirect.RawQuery)
	}
	_, fragment, _ := strings.Cut(redirect.String(), "#")
	return url.ParseQuery(fragment)
}

func escape(text string) string {
	return strings.ReplaceAll(url.QueryEscape(text), "+", "%20")
}
