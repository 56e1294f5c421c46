package upstream

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/oauth2"
)

// Stages of a sign-in, in which it may fail.
const (
	StageDiscovery = "discovery"
	StageResponse  = "response" // the authorization response
	StageToken     = "token"
	StageKeys      = "keys"
	StageIDToken   = "id_token"
	StageUserinfo  = "userinfo"
)

// UnavailableError means that the provider could not be reached, or that its response cannot be understood. Trying
// again may help. Its text is for the log: it contains no token, code, secret or full URL.
type UnavailableError struct {
	Stage string // one of the constants
	Err   error
}

func (e *UnavailableError) Error() string {
	return fmt.Sprintf("provider unavailable at %s: %v", e.Stage, e.Err)
}
func (e *UnavailableError) Unwrap() error { return e.Err }

// RefusedError means that the provider responded, but did not authenticate a person: it refused the sign-in or the
// code, or its response failed a check. Its text is for the log, as that of [UnavailableError].
type RefusedError struct {
	Stage string // one of the constants
	Err   error
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("sign-in refused at %s: %v", e.Stage, e.Err)
}
func (e *RefusedError) Unwrap() error { return e.Err }

// EmbeddedBrowserError means that the provider refuses sign-ins in an embedded browser (a web view).
type EmbeddedBrowserError struct{ Err error }

func (e *EmbeddedBrowserError) Error() string {
	return fmt.Sprintf("provider refuses an embedded browser: %v", e.Err)
}
func (e *EmbeddedBrowserError) Unwrap() error { return e.Err }

// ErrGroupsOverage means that the person is in so many groups that the provider sent a reference instead, as Entra ID
// does for more than 200. The reference is not followed: that would send a token to whatever URL it contains.
var ErrGroupsOverage = errors.New("the provider sent a reference instead of the groups")

// redact makes an error of a library fit for a log. It removes the URL that net/http adds and the response body that
// x/oauth2 adds, and applies [LogText]. The original error is not wrapped, because it still contains all that.
func (p *Provider) redact(err error, secrets ...string) error {
	basic := url.QueryEscape(p.config.ClientID) + ":" + url.QueryEscape(p.config.ClientSecret)
	secrets = append(slices.Clone(secrets), p.config.ClientSecret, base64.StdEncoding.EncodeToString([]byte(basic)))
	if retrieve, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		return fmt.Errorf("status %d, error %q, description %q", retrieve.Response.StatusCode,
			LogText(retrieve.ErrorCode, secrets...), LogText(retrieve.ErrorDescription, secrets...))
	}
	if urlError, ok := errors.AsType[*url.Error](err); ok {
		err = fmt.Errorf("%s: %w", urlError.Op, urlError.Err)
	}
	return errors.New(LogText(err.Error(), secrets...))
}

// LogText makes untrusted text fit for a log: at most 300 bytes, printable ASCII only, and without the given secrets,
// in plain or form-encoded.
func LogText(text string, secrets ...string) string {
	var forms []string
	for _, secret := range secrets {
		if secret != "" {
			forms = append(forms, secret, url.QueryEscape(secret))
		}
	}
	// The longest first, because one secret may be the beginning of another.
	slices.SortFunc(forms, func(a, b string) int { return len(b) - len(a) })
	for _, form := range forms {
		text = strings.ReplaceAll(text, form, "[removed]")
	}
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '.'
		}
		return r
	}, text)
	return text[:min(len(text), 300)]
}
