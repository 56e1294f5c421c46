package authorize

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/internal/oauth"
)

// parameter is a parameter of an authorization response. Responses are lists, to have the order of Alexa's
// documentation.
type parameter struct{ name, value string }

// tokenResponse returns the redirect URL of a new link by the implicit grant (RFC 6749 §4.2.2). It names the scope only
// if that is not the requested one, since nobody knows how Alexa reads a fourth parameter.
func tokenResponse(request *bridge.AuthorizationRequest, token string, lifetime time.Duration) string {
	parameters := []parameter{{"state", request.State}, {"access_token", token}, {"token_type", "Bearer"}}
	if lifetime > 0 {
		parameters = append(parameters, parameter{"expires_in", strconv.FormatInt(int64(lifetime.Seconds()), 10)})
	}
	if request.ScopeReduced {
		parameters = append(parameters, parameter{"scope", request.Scope})
	}
	return inFragment(request.RedirectURI, parameters)
}

// codeResponse returns the redirect URL of a new link by the code grant (RFC 6749 §4.1.2, RFC 9207 §2).
func codeResponse(request *bridge.AuthorizationRequest, code, issuer string) string {
	return inQuery(request.RedirectURI, []parameter{{"code", code}, {"state", request.State}, {"iss", issuer}})
}

// errorResponse returns the redirect URL of an error (RFC 6749 §4.1.2.1, §4.2.2.1). Only a response in the query has
// our iss (RFC 9207 §2).
func errorResponse(request *bridge.AuthorizationRequest, issuer string, err *oauth.Error) string {
	parameters := []parameter{{"state", request.State}, {"error", err.Code}, {"error_description", err.Description}}
	if request.ResponseType == bridge.ResponseTypeToken {
		return inFragment(request.RedirectURI, parameters)
	}
	// With an empty fragment: else browsers would keep that of the URL by which a stranger sent the person here, which
	// could be the response of another grant (RFC 9700 §4.1.3).
	return inQuery(request.RedirectURI, append(parameters, parameter{"iss", issuer})) + "#"
}

// inFragment puts parameters into the fragment of a redirect URI, which has none.
func inFragment(redirectURI string, parameters []parameter) string {
	return redirectURI + "#" + encode(parameters)
}

// inQuery appends parameters to the query of a redirect URI.
func inQuery(redirectURI string, parameters []parameter) string {
	if strings.Contains(redirectURI, "?") {
		return redirectURI + "&" + encode(parameters)
	}
	return redirectURI + "?" + encode(parameters)
}

// encode encodes parameters without those that are empty.
func encode(parameters []parameter) string {
	var pairs []string
	for _, p := range parameters {
		if p.value != "" {
			pairs = append(pairs, p.name+"="+escape(p.value))
		}
	}
	return strings.Join(pairs, "&")
}

// escape percent-encodes every byte that is not unreserved (RFC 3986 §2.3). A space becomes %20, since scripts do not
// decode +.
func escape(text string) string {
	return strings.ReplaceAll(url.QueryEscape(text), "+", "%20")
}
