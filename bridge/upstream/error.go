package upstream

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Kind says what a failed sign-in means, and so who can do something about it.
type Kind string

// Kinds of errors.
const (
	// OutOfReach means that the provider does not answer, or says itself that it fails now. Trying again may help.
	OutOfReach Kind = "out of reach"
	// RateLimited means that the provider answers that we send too many requests. Trying again later helps.
	RateLimited Kind = "rate limited"
	// Misconfigured means that the bridge and the provider are not set up for each other. Only the operator can help.
	Misconfigured Kind = "misconfigured"
	// Refused means that the person cancelled at the provider, or that the provider did not let the person in.
	Refused Kind = "refused"
	// Outdated means that the sign-in took too long, or was finished before. Starting again helps.
	Outdated Kind = "outdated"
	// Gone means that the provider does not renew the sign-in any more; see [Provider.Renew].
	Gone Kind = "gone"
	// EmbeddedBrowser means that the provider refuses sign-ins in an embedded browser (a web view).
	EmbeddedBrowser Kind = "embedded browser"
)

// Stages of a sign-in, in which it may fail.
const (
	StageDiscovery = "discovery"
	StageKeys      = "keys"
	StageResponse  = "response" // the authorization response, which only the browser brought
	StageToken     = "token"
	StageIDToken   = "id_token"
	StageUserinfo  = "userinfo"
)

// Error is a sign-in that failed. Its text is for the log: it contains no token, code or secret.
type Error struct {
	Kind  Kind
	Stage string // one of the constants
	Err   error
	Hint  string // what the operator can do; empty: nothing that is known
	// Unanswered means that the provider may have acted on a token request whose answer did not arrive, or could not be
	// read.
	Unanswered bool

	refusedToken bool // the provider refused the code or the refresh token itself
}

func (e *Error) Error() string { return fmt.Sprintf("provider %s at %s: %v", e.Kind, e.Stage, e.Err) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// ErrGroupsOverage means that the person is in so many groups that the provider sent a reference instead, as Entra ID
// does for more than 200. The reference is not followed: that would send a token to whatever URL it contains.
var ErrGroupsOverage = errors.New("the provider sent a reference instead of the groups")

func misconfigured(stage, hint, format string, args ...any) *Error {
	return &Error{Kind: Misconfigured, Stage: stage, Hint: hint, Err: fmt.Errorf(format, args...)}
}

// statusKind says what a status that is not a success means.
func statusKind(status int) Kind {
	switch {
	case status == http.StatusTooManyRequests:
		return RateLimited
	case status >= 500, status == http.StatusRequestTimeout:
		return OutOfReach
	}
	return Misconfigured
}

const (
	hintClient = "compare client_id and client_secret with those at the provider"
	hintScopes = "request only scopes that the provider knows, and grant them to this client there"
	hintProxy  = "look for a proxy between here and the provider that answers in its place"
	hintRights = "let this client sign in these people by the authorization code grant, at the provider"
)

// errorOfCode returns the error for an OAuth error code of the provider (RFC 6749 §4.1.2.1, §5.2, OIDC Core §3.1.2.6).
func errorOfCode(stage, code string, err error) *Error {
	e := &Error{Kind: Misconfigured, Stage: stage, Err: err}
	switch code {
	case "temporarily_unavailable", "server_error":
		e.Kind = OutOfReach
	case "slow_down":
		e.Kind = RateLimited
	case "access_denied", "login_required", "interaction_required", "account_selection_required":
		e.Kind = Refused
	case "invalid_grant":
		e.Kind = Outdated
	case "disallowed_useragent":
		e.Kind = EmbeddedBrowser
	case "invalid_client":
		e.Hint = hintClient
	case "invalid_scope", "consent_required":
		e.Hint = hintScopes
	case "unauthorized_client", "unsupported_grant_type", "unsupported_response_type":
		e.Hint = hintRights
	}
	return e
}

// redact makes an error of a library fit for a log. It removes the URL that net/http adds, and applies [LogText]. The
// original error is not wrapped, because it still contains all that.
func (p *Provider) redact(err error, secrets ...string) error {
	if urlError, ok := errors.AsType[*url.Error](err); ok {
		err = fmt.Errorf("%s: %w", urlError.Op, urlError.Err)
	}
	return errors.New(LogText(err.Error(), p.withOwn(secrets)...))
}

// withOwn adds our own secret, in the forms in which it is sent, to secrets.
func (p *Provider) withOwn(secrets []string) []string {
	basic := url.QueryEscape(p.config.ClientID) + ":" + url.QueryEscape(p.config.ClientSecret)
	return append(slices.Clone(secrets), p.config.ClientSecret, base64.StdEncoding.EncodeToString([]byte(basic)))
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
