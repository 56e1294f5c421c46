package oauth

import (
	"net/http"
	"net/url"
	"strings"
)

// Credentials are the client credentials of a request (RFC 6749 §2.3.1).
type Credentials struct {
	ID     string
	Secret string
	Header bool // sent by HTTP Basic
	Body   bool // a client_secret was sent in the body
	// DecodedID and DecodedSecret are the values of the header after form decoding. RFC 6749 §2.3.1 asks clients to
	// encode both before they build the header, but many do not, so either reading may be the right one.
	DecodedID, DecodedSecret string
}

// ReadCredentials reads the client credentials of a request from HTTP Basic, or from client_id and client_secret in
// its form. Credentials that were sent twice and differ are an InvalidRequest. A header of another scheme counts as
// empty credentials.
func ReadCredentials(r *http.Request, form url.Values) (Credentials, error) {
	if err := CheckRepeated(form, "client_id", "client_secret"); err != nil {
		return Credentials{}, err
	}
	id, secret := form.Get("client_id"), form.Get("client_secret")
	authorization := r.Header.Values("Authorization")
	switch len(authorization) {
	case 0:
		return Credentials{ID: id, Secret: secret, DecodedID: id, DecodedSecret: secret, Body: secret != ""}, nil
	case 1:
	default:
		return Credentials{}, Errorf(InvalidRequest, "The Authorization header is repeated.")
	}
	basicID, basicSecret, _ := r.BasicAuth()
	c := Credentials{ID: basicID, Secret: basicSecret, Header: true, Body: secret != "",
		DecodedID: formDecoded(basicID), DecodedSecret: formDecoded(basicSecret)}
	if id != "" && id != c.ID && id != c.DecodedID {
		return Credentials{}, Errorf(InvalidRequest, "The client_id differs from the one in the Authorization header.")
	}
	if secret != "" && secret != c.Secret && secret != c.DecodedSecret {
		return Credentials{}, Errorf(InvalidRequest, "The client_secret differs from the one in the Authorization header.")
	}
	return c, nil
}

func formDecoded(text string) string {
	decoded, err := url.QueryUnescape(text)
	if err != nil {
		return text
	}
	return decoded
}

// BearerToken returns the token of the Authorization header (RFC 6750 §2.1). A token anywhere else is not read.
func BearerToken(r *http.Request) (string, bool) {
	authorization := r.Header.Values("Authorization")
	if len(authorization) != 1 {
		return "", false
	}
	scheme, token, _ := strings.Cut(authorization[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", false
	}
	return token, token != ""
}
