package simulator

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
)

// Request is what the Alexa app asks for when a person enables a skill.
type Request struct {
	AuthorizationURI string
	ClientID         string
	ResponseType     string
	State            string
	Scopes           []string
	RedirectURI      string
}

// NewState returns a state of the form and length that Alexa sends: 737 characters, the longest seen.
func NewState() string {
	random := make([]byte, 600)
	rand.Read(random)
	return "A2SAAEAE" + base64.RawURLEncoding.EncodeToString(random)[:729]
}

// URL writes the request as Alexa does, with its parameters in Alexa's order and a space of the scope as %20.
func (r Request) URL() string {
	var b strings.Builder
	b.WriteString(r.AuthorizationURI)
	separator := "?"
	if strings.Contains(r.AuthorizationURI, "?") {
		separator = "&"
	}
	add := func(name, value string) {
		fmt.Fprintf(&b, "%s%s=%s", separator, name, escape(value))
		separator = "&"
	}
	add("client_id", r.ClientID)
	add("response_type", r.ResponseType)
	add("state", r.State)
	if len(r.Scopes) > 0 {
		add("scope", strings.Join(r.Scopes, " "))
	}
	add("redirect_uri", r.RedirectURI)
	return b.String()
}

// Answer takes the parameters out of the redirect that ended a request: those of the fragment for the implicit grant,
// those of the query otherwise.
func (r Request) Answer(at *url.URL) (url.Values, error) {
	if r.ResponseType != "token" {
		return url.ParseQuery(at.RawQuery)
	}
	_, fragment, _ := strings.Cut(at.String(), "#")
	return url.ParseQuery(fragment)
}

func escape(text string) string {
	return strings.ReplaceAll(url.QueryEscape(text), "+", "%20")
}
