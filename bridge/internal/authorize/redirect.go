package authorize

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/internal/oauth"
)

// parameter is one name and value of an answer. Answers are lists and not maps because Alexa's documentation has them in
// this order.
type parameter struct{ name, value string }

// tokenAnswer is the end of a flow that made a link by the implicit grant (RFC 6749 §4.2.2).
func tokenAnswer(request *bridge.AuthorizationRequest, token string, lifetime time.Duration) string {
	parameters := []parameter{{"state", request.State}, {"access_token", token}, {"token_type", "Bearer"}}
	if lifetime > 0 {
		parameters = append(parameters, parameter{"expires_in", strconv.FormatInt(int64(lifetime.Seconds()), 10)})
	}
	return inFragment(request.RedirectURI, parameters)
}

// codeAnswer is the end of a flow that made a link by the code grant (RFC 6749 §4.1.2, RFC 9207 §2).
func codeAnswer(request *bridge.AuthorizationRequest, code, issuer string) string {
	return inQuery(request.RedirectURI, []parameter{{"code", code}, {"state", request.State}, {"iss", issuer}})
}

// errorAnswer tells Alexa that there is no link (RFC 6749 §4.1.2.1, §4.2.2.1). Only what is in the query names us by iss
// (RFC 9207 §2).
func errorAnswer(request *bridge.AuthorizationRequest, issuer string, err *oauth.Error) string {
	parameters := []parameter{{"state", request.State}, {"error", err.Code}, {"error_description", err.Description}}
	if request.ResponseType == bridge.ResponseTypeToken {
		return inFragment(request.RedirectURI, parameters)
	}
	return inQuery(request.RedirectURI, append(parameters, parameter{"iss", issuer}))
}

// inFragment puts parameters into the fragment of a redirect URI, which has none.
func inFragment(redirectURI string, parameters []parameter) string {
	return redirectURI + "#" + encode(parameters)
}

// inQuery puts parameters into the query of a redirect URI, behind what is there.
func inQuery(redirectURI string, parameters []parameter) string {
	separator := "?"
	if strings.Contains(redirectURI, "?") {
		separator = "&"
	}
	return redirectURI + separator + encode(parameters)
}

// encode writes parameters, without those that are empty.
func encode(parameters []parameter) string {
	var pairs []string
	for _, p := range parameters {
		if p.value != "" {
			pairs = append(pairs, p.name+"="+escape(p.value))
		}
	}
	return strings.Join(pairs, "&")
}

// escape writes every byte but the unreserved ones (RFC 3986 §2.3) as %XX, also the space: some read a + as it stands.
func escape(text string) string {
	return strings.ReplaceAll(url.QueryEscape(text), "+", "%20")
}

// redirect sends the browser on, with 303, so that a form that was posted to us is posted nowhere else (RFC 9700 §4.12).
// Unlike http.Redirect it writes no body, which would repeat the token.
func redirect(w http.ResponseWriter, location string) {
	header := w.Header()
	header.Set("Location", location)
	header.Set("Cache-Control", "no-store")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Content-Length", "0")
	w.WriteHeader(http.StatusSeeOther)
}
