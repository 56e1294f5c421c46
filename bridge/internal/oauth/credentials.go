package oauth

import (
	"net/http"
	"net/url"
)

// Credentials are what a client or backend authenticates with (RFC 6749 §2.3.1).
type Credentials struct {
	ID     string
	Secret string
	Header bool // they came by HTTP Basic, at least
	Body   bool // a secret came in the body
	// DecodedID and DecodedSecret are those of the header after form decoding. Clients should encode both before they build
	// the header; many do not, so either reading may be right.
	DecodedID, DecodedSecret string
}

// ReadCredentials reads credentials from HTTP Basic or from client_id and client_secret in a form. What is wrong with how
// they are sent is an InvalidRequest; what another kind of header says counts as empty.
func ReadCredentials(r *http.Request, form url.Values) (Credentials, *Error) {
	for _, name := range []string{"client_id", "client_secret"} {
		if _, once := Single(form, name); !once {
			return Credentials{}, Errorf(InvalidRequest, "The parameter %s is repeated.", name)
		}
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
		return Credentials{}, Errorf(InvalidRequest, "The client_id is not the one that authenticates.")
	}
	if secret != "" && secret != c.Secret && secret != c.DecodedSecret {
		return Credentials{}, Errorf(InvalidRequest, "The client_secret is not the one that authenticates.")
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
