package introspect

import (
	"encoding/json"
	"strconv"

	"alexa-oidc-bridge/bridge"
)

// appendAnswer appends what a lookup says of an active token: an Answer of package lookup, as encoding/json would write it. By
// hand it is a sixth of the work, and lookups that memory has no answer for are 6 % cheaper for it.
func (h *Handler) appendAnswer(to []byte, token *bridge.AccessToken, skill *bridge.Skill) []byte {
	link := &token.Link
	to = appendText(append(to, `{"active":true,"iss":`...), h.config.PublicURL)
	to = appendText(append(to, `,"sub":`...), link.Subject)
	to = appendText(append(to, `,"client_id":`...), link.ClientID)
	to = appendText(append(to, `,"scope":`...), link.Scope)
	to = append(to, `,"token_type":"Bearer","iat":`...)
	to = strconv.AppendInt(to, token.IssuedAt.Unix(), 10)
	if !token.ExpiresAt.IsZero() {
		to = strconv.AppendInt(append(to, `,"exp":`...), token.ExpiresAt.Unix(), 10)
	}
	to = appendText(append(to, `,"link_id":`...), link.ID)
	to = appendText(append(to, `,"provider":`...), link.Provider.ID)
	to = appendText(append(to, `,"upstream_iss":`...), link.Issuer)
	to = appendClaims(append(to, `,"claims":`...), link.Claims, skill.Claims)
	return append(to, '}')
}

// appendClaims appends the claims of these names that there are.
func appendClaims(to []byte, claims bridge.Claims, names []string) []byte {
	to = append(to, '{')
	comma := ""
	for _, name := range names {
		value := claims[name]
		if value == nil {
			continue
		}
		to = appendText(append(to, comma...), name)
		to = appendValue(append(to, ':'), value)
		comma = ","
	}
	return append(to, '}')
}

func appendValue(to []byte, value any) []byte {
	if text, ok := value.(string); ok {
		return appendText(to, text)
	}
	return appendEncoded(to, value)
}

// appendText appends a text. Few have anything in them that JSON writes differently.
func appendText(to []byte, text string) []byte {
	if !plain(text) {
		return appendEncoded(to, text)
	}
	to = append(to, '"')
	to = append(to, text...)
	return append(to, '"')
}

func appendEncoded(to []byte, value any) []byte {
	encoded, err := json.Marshal(value)
	if err != nil {
		panic(err) // never: it is a text, or came out of JSON
	}
	return append(to, encoded...)
}

// plain says whether a text stands in JSON as it is.
func plain(text string) bool {
	for i := range len(text) {
		switch c := text[i]; {
		case c < ' ' || c > '~', c == '"', c == '\\', c == '<', c == '>', c == '&':
			return false
		}
	}
	return true
}
