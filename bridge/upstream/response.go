package upstream

import (
	"errors"
	"fmt"
	"slices"
)

// Response is the authorization response: what the provider sent to our callback.
type Response struct {
	Code                    string
	ISS                     string // RFC 9207; empty if absent
	Error, ErrorDescription string // instead of a code (RFC 6749 §4.1.2.1); the description is for the log only
}

// checkResponse checks the iss of a response (RFC 9207 §2.4), also of an error, and that there is a code.
func (s *signIn) checkResponse(response Response) error {
	reject := func(text string) error { return &RefusedError{Stage: StageResponse, Err: errors.New(text)} }
	switch {
	case response.ISS == "" && s.metadata.requireISS:
		return reject("iss is missing, though the provider announces it (RFC 9207)")
	case response.ISS != "" && response.ISS != s.config.Issuer:
		return reject("iss is not the issuer (RFC 9207)")
	case response.Error != "":
		return s.errorResponse(response)
	case response.Code == "":
		return reject("neither a code nor an error")
	}
	return nil
}

// errorResponse returns the error for an error response of the provider.
func (s *signIn) errorResponse(response Response) error {
	secrets := slices.Concat(s.secrets, []string{s.config.ClientSecret})
	err := fmt.Errorf("error %q, description %q",
		LogText(response.Error, secrets...), LogText(response.ErrorDescription, secrets...))
	switch response.Error {
	case "temporarily_unavailable", "server_error":
		return &UnavailableError{Stage: StageResponse, Err: err}
	case "disallowed_useragent":
		return &EmbeddedBrowserError{Err: err}
	}
	return &RefusedError{Stage: StageResponse, Err: err}
}
