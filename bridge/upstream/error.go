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
	StageResponse  = "response" // to our authorization request
	StageToken     = "token"
	StageKeys      = "keys"
	StageIDToken   = "id_token"
	StageUserinfo  = "userinfo"
)

// UnavailableError means that the provider could not be asked, or gave no answer that can be understood. Trying again may
// help. Its text is for the log: it holds no token, code, secret or full URL.
type UnavailableError struct {
	Stage string // one of the constants
	Err   error
}

func (e *UnavailableError) Error() string {
	return fmt.Sprintf("provider unavailable at %s: %v", e.Stage, e.Err)
}

// Unwrap returns the cause.
func (e *UnavailableError) Unwrap() error { return e.Err }

// RefusedError means that the provider answered, and that its answer does not vouch for anybody: it refused the code, or
// a check of the ID token failed. Its text is for the log, as that of [UnavailableError].
type RefusedError struct {
	Stage string // one of the constants
	Err   error
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("provider refused at %s: %v", e.Stage, e.Err)
}

// Unwrap returns the cause.
func (e *RefusedError) Unwrap() error { return e.Err }

// EmbeddedBrowserError means that the provider does not let people sign in inside another app's window.
type EmbeddedBrowserError struct {
	Err error
}

func (e *EmbeddedBrowserError) Error() string {
	return fmt.Sprintf("provider refuses an embedded browser: %v", e.Err)
}

// Unwrap returns the cause.
func (e *EmbeddedBrowserError) Unwrap() error { return e.Err }

// ErrGroupsOverage means that the person is in so many groups that the provider sent a pointer in their place, as Entra ID
// does beyond 200. The pointer is not followed: it would send a token to wherever it points.
var ErrGroupsOverage = errors.New("the provider sent a pointer instead of the groups")

// safe rewrites an error of a library so that it can be logged: without the URL that net/http puts in, and without the
// answer's body that x/oauth2 puts in. Whatever is left is cut and freed of control characters and of the secrets given. The
// error itself is not kept, since whoever unwrapped it would find all that again.
func (p *Provider) safe(err error, secrets ...string) error {
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

// LogText makes a stranger's text fit for a log: at most 300 bytes, printable ASCII, and without the secrets given, as they
// are or as they stand in a form.
func LogText(text string, secrets ...string) string {
	var forms []string
	for _, secret := range secrets {
		if secret != "" {
			forms = append(forms, secret, url.QueryEscape(secret))
		}
	}
	// The longest first, or one that another begins with would leave the other's rest.
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
