package logout

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"unicode/utf8"

	"alexa-oidc-bridge/bridge/internal/oauth"
)

// subject is whom a revocation request is about: an e-mail address, or issuer and sub.
type subject struct{ email, issuer, sub string }

// maxBody is the largest body of a revocation request in bytes.
const maxBody = 8 << 10

// readSubject reads the body of a revocation request. Every fault of it has status 400.
func readSubject(r *http.Request) (subject, error) {
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || mediaType != "application/json" {
		return subject{}, oauth.Errorf(oauth.InvalidRequest, "The content type must be application/json.")
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxBody))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return subject{}, oauth.Errorf(oauth.InvalidRequest, "The body must not be larger than 8 KiB.")
	}
	if err != nil {
		return subject{}, oauth.Errorf(oauth.InvalidRequest, "The body could not be read.")
	}
	return parseSubject(body)
}

// object is a JSON object. Unlike a struct it keeps apart members whose names differ in case only.
type object map[string]json.RawMessage

// parseSubject parses {"sub_id": …}, which older drafts and Okta's first version call subject. Other members beside it
// are ignored.
func parseSubject(body []byte) (subject, error) {
	var members object
	if !utf8.Valid(body) || json.Unmarshal(body, &members) != nil || members == nil {
		return subject{}, oauth.Errorf(oauth.InvalidRequest, "The body must be a JSON object.")
	}
	if err := checkUnique(json.NewDecoder(bytes.NewReader(body))); err != nil {
		return subject{}, oauth.Errorf(oauth.InvalidRequest, "The body has a member twice.")
	}
	id, hasID := members["sub_id"]
	older, hasOlder := members["subject"]
	if hasID == hasOlder {
		return subject{}, oauth.Errorf(oauth.InvalidRequest, "The body must have either sub_id or subject.")
	}
	if hasOlder {
		id = older
	}
	return parseIdentifier(id)
}

// parseIdentifier parses a subject identifier (RFC 9493 §3), which has the members of its format and no others.
func parseIdentifier(id json.RawMessage) (subject, error) {
	var texts map[string]string
	if json.Unmarshal(id, &texts) != nil {
		return subject{}, oauth.Errorf(oauth.InvalidRequest, "The subject identifier must be an object of texts.")
	}
	found := subject{email: texts["email"], issuer: texts["iss"], sub: texts["sub"]}
	switch texts["format"] {
	case "iss_sub":
		if len(texts) == 3 && found.issuer != "" && found.sub != "" {
			return found, nil
		}
		return subject{}, oauth.Errorf(oauth.InvalidRequest, "The format iss_sub has exactly the members iss and sub.")
	case "email":
		if len(texts) == 2 && found.email != "" {
			return found, nil
		}
		return subject{}, oauth.Errorf(oauth.InvalidRequest, "The format email has exactly the member email.")
	}
	return subject{}, oauth.Errorf(oauth.InvalidRequest, "The format of the subject identifier must be iss_sub or email.")
}

// checkUnique reads a value, and returns an error if one of its objects has a member twice: who reads the first would
// not see the same person as who reads the last.
func checkUnique(decoder *json.Decoder) error {
	token, err := decoder.Token()
	delimiter, isDelimiter := token.(json.Delim)
	if err != nil || !isDelimiter {
		return err
	}
	seen := map[string]bool{}
	for decoder.More() {
		if delimiter == '{' {
			name, err := decoder.Token()
			if err != nil {
				return err
			}
			if text, _ := name.(string); seen[text] {
				return errors.New("a member is repeated")
			} else {
				seen[text] = true
			}
		}
		if err := checkUnique(decoder); err != nil {
			return err
		}
	}
	_, err = decoder.Token() // the end of the object or list
	return err
}
