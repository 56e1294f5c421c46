package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// describeRequest formats a request for a reader: one parameter per line, secrets shortened, and only the headers
// that matter.
func describeRequest(to party, r *http.Request, body []byte) []string {
	lines := []string{r.Method + " http://" + r.Host + r.URL.Path}
	lines = append(lines, parameters("?", r.URL.RawQuery)...)
	if kind, credentials, found := strings.Cut(r.Header.Get("Authorization"), " "); found {
		lines = append(lines, "Authorization: "+kind+" "+shorten(credentials))
	}
	if signature := r.Header.Get("Signature-256"); signature != "" {
		lines = append(lines, "Signature-256: "+shorten(signature))
	}
	if to == partyBridge {
		lines = append(lines, describeCookies(r, body)...)
	}
	return append(lines, describeBody(r.Header.Get("Content-Type"), body)...)
}

// describeCookies formats the cookie of the sign-in that the request is about. There may be others: of earlier
// sign-ins, and, since cookies are shared by all ports, of other programs on this computer.
func describeCookies(r *http.Request, body []byte) []string {
	var lines []string
	for _, cookie := range r.Cookies() {
		id, found := strings.CutPrefix(cookie.Name, loginCookie)
		if found && strings.Contains(r.URL.RawQuery+string(body), "="+id) {
			lines = append(lines, "Cookie: "+shortenCookie(cookie.Name)+"="+shorten(cookie.Value))
		}
	}
	return lines
}

// describeResponse formats a response in the same way.
func describeResponse(status int, header http.Header, body []byte) []string {
	lines := []string{fmt.Sprintf("%d %s", status, http.StatusText(status))}
	if location := header.Get("Location"); location != "" {
		lines = append(lines, describeLocation(location)...)
	}
	for _, line := range header.Values("Set-Cookie") {
		if strings.HasPrefix(line, loginCookie) {
			lines = append(lines, describeSetCookie(line))
		}
	}
	if status/100 != 3 { // the body of a redirect repeats its location
		lines = append(lines, describeBody(header.Get("Content-Type"), body)...)
	}
	return lines
}

func describeLocation(location string) []string {
	location, fragment, _ := strings.Cut(location, "#")
	location, query, _ := strings.Cut(location, "?")
	lines := append([]string{"Location: " + location}, parameters("?", query)...)
	return append(lines, parameters("#", fragment)...)
}

var pageTitle = regexp.MustCompile(`(?s)<title>(.*?)</title>`)

func describeBody(contentType string, body []byte) []string {
	switch {
	case len(body) == 0:
		return nil
	case strings.HasPrefix(contentType, "application/x-www-form-urlencoded"):
		return parameters("", string(body))
	case strings.HasPrefix(contentType, "application/json"), strings.HasPrefix(contentType, "application/scim+json"):
		return describeJSON(body)
	}
	if title := pageTitle.FindSubmatch(body); title != nil {
		return []string{"A page: " + html.UnescapeString(string(title[1]))}
	}
	return nil
}

// jsonText matches a line of indented JSON whose value is a string.
var jsonText = regexp.MustCompile(`^(\s*"(\w+)": ")(.*)(",?)$`)

func describeJSON(body []byte) []string {
	var indented bytes.Buffer
	if json.Indent(&indented, bytes.TrimSpace(body), "", "  ") != nil {
		return nil
	}
	lines := strings.Split(indented.String(), "\n")
	for i, line := range lines {
		if found := jsonText.FindStringSubmatch(line); found != nil {
			lines[i] = found[1] + mask(found[2], found[3]) + found[4]
		}
	}
	return lines
}

// parameters formats each parameter on a line. Those of a URL begin with ? or #, which is the sign, or with &; those
// of a body, without a sign, are not indented.
func parameters(sign, raw string) []string {
	if raw == "" {
		return nil
	}
	var lines []string
	for pair := range strings.SplitSeq(raw, "&") {
		name, value, _ := strings.Cut(pair, "=")
		if decoded, err := url.QueryUnescape(value); err == nil {
			value = decoded
		}
		if sign != "" {
			lines = append(lines, "  "+sign+name+"="+mask(name, value))
			sign = "&"
			continue
		}
		lines = append(lines, name+"="+mask(name, value))
	}
	return lines
}

// secretNames returns the parameters and JSON members that are never shown in full.
func secretNames() []string {
	return []string{
		"state", "code", "nonce", "code_challenge", "code_verifier", "access_token", "accessToken", "refresh_token",
		"id_token", "token", "logout_token", "client_secret", "flow", "id", "authRequestID", "userId", "sessionId",
		"requestId",
	}
}

// longToken matches what is probably a secret, whatever its name is.
var longToken = regexp.MustCompile(`[A-Za-z0-9_-]{40,}`)

// mask returns the value of a parameter as it may be shown.
func mask(name, value string) string {
	switch {
	case name == "password":
		return "•••"
	case slices.Contains(secretNames(), name):
		return shorten(value)
	}
	return longToken.ReplaceAllStringFunc(value, shorten)
}

// shorten keeps the first characters of a secret, so that a reader can tell it from another.
func shorten(secret string) string {
	keep := 4
	for _, prefix := range []string{"aob_at_", "aob_rt_", "aob_ac_", "A2SAA", "amzn1.ask.account."} {
		if strings.HasPrefix(secret, prefix) {
			keep = len(prefix) + 3
		}
	}
	if len(secret) < 2*keep {
		keep = 0
	}
	return fmt.Sprintf("%s…(%d characters)", secret[:keep], len(secret))
}

// loginCookie is the prefix of the names of the bridge's cookies.
const loginCookie = "login-"

func shortenCookie(name string) string {
	id := strings.TrimPrefix(name, loginCookie)
	return loginCookie + id[:min(4, len(id))] + "…"
}

func describeSetCookie(line string) string {
	pair, attributes, _ := strings.Cut(line, ";")
	name, value, _ := strings.Cut(pair, "=")
	if value == "" {
		return "Set-Cookie: " + shortenCookie(name) + "= (deleted)"
	}
	line = "Set-Cookie: " + shortenCookie(name) + "=" + shorten(value)
	for attribute := range strings.SplitSeq(attributes, ";") {
		if !strings.HasPrefix(attribute, " Expires=") { // Max-Age says the same
			line += ";" + attribute
		}
	}
	return line
}
