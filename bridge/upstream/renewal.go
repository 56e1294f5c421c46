package upstream

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http/httptrace"
	"net/url"
	"regexp"
	"sync/atomic"
)

// Renewal is a provider's answer to one of its refresh tokens: the person may still sign in.
type Renewal struct {
	// RefreshToken replaces the one that was sent, and must be stored before anything else is done. Empty: that one stays
	// good.
	RefreshToken string

	signIn       *signIn
	sub, subject string // of the person
}

// Person is somebody who signed in before.
type Person struct {
	RefreshToken string
	Sub          string // of the ID token; empty: not known
	Subject      string // the value of the configured claim
}

// Renew sends a refresh token (RFC 6749 §6). The error is an [*Error]. Its kind is [Gone] if the provider refuses the
// refresh token: it ended the account or the session, or it does not know the token, as one that it has replaced
// before.
func (p *Provider) Renew(ctx context.Context, person Person) (*Renewal, error) {
	metadata, err := p.discovered(ctx)
	if err != nil {
		return nil, err
	}
	s := &signIn{Provider: p, metadata: metadata}
	s.keepOut(person.RefreshToken)
	err = s.requestTokens(ctx, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {person.RefreshToken}})
	if e, ok := errors.AsType[*Error](err); ok && e.refusedToken {
		e.Kind, e.Hint = Gone, ""
	}
	if err != nil {
		return nil, err
	}
	if s.accessToken == "" && s.idToken == "" && s.refreshToken == "" { // a stranger can say {}, too
		e := misconfigured(StageToken, hintProxy, "the response has no token")
		e.Unanswered = true
		return nil, e
	}
	renewal := &Renewal{signIn: s, sub: person.Sub, subject: person.Subject}
	if s.refreshToken != person.RefreshToken {
		renewal.RefreshToken = s.refreshToken
	}
	return renewal, nil
}

// refusedRefreshToken is how Dex describes, beside invalid_request, a refresh token that it does not know any more.
var refusedRefreshToken = regexp.MustCompile(
	`(?i)\brefresh token( \(ID [^)]*\))? (is invalid or has already been claimed|(is |has )?expired)\b`)

// refusesRefreshToken reports whether the error of a token response is about the code or the refresh token (RFC 6749
// §5.2), and not about us.
func refusesRefreshToken(code, description string) bool {
	return code == "invalid_grant" || code == "invalid_request" && refusedRefreshToken.MatchString(description)
}

// meaningOf returns what an error code of a token response means. Entra ID sends invalid_grant, and says by suberror
// that the person has to do something: a second factor, new consent, a new password, or that a policy blocks the
// request. That says nothing about the account: one that is disabled has no suberror.
func meaningOf(code, suberror string) string {
	switch suberror {
	case "basic_action", "additional_action", "message_only", "consent_required", "user_password_expired":
		if code == "invalid_grant" {
			return "interaction_required"
		}
	}
	return code
}

// traceSent returns a context for one request, and a function that reports whether the request may have reached the
// provider. It has not if there was no connection to it: no address, nobody there, no certificate that is good.
func traceSent(ctx context.Context) (traced context.Context, wasSent func() bool) {
	var connected atomic.Bool
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }}
	return httptrace.WithClientTrace(ctx, trace), connected.Load
}

// ErrOtherPerson means that a provider answered a refresh token of one person with claims about another.
var ErrOtherPerson = errors.New("the provider's answer is about another person")

// ErrSubjectChanged means that the person has another subject than before, though the same sub.
var ErrSubjectChanged = errors.New("the value of subject_claim has changed")

// Identity returns what the provider says about the person now, from the ID token if there is one (OIDC Core §12.2),
// and from userinfo if a claim is missing. Complete is false if one of the two did not answer: then a claim that is
// missing says nothing. The error wraps [ErrOtherPerson] or [ErrSubjectChanged], or is an [*Error].
func (r *Renewal) Identity(ctx context.Context, wish Wish) (identity *Identity, complete bool, err error) {
	var idToken rawClaims
	if r.signIn.idToken != "" {
		if idToken, err = r.signIn.validIDToken(ctx); err != nil {
			return nil, false, err
		}
		if r.sub != "" && idToken.string("sub") != r.sub {
			return nil, false, ErrOtherPerson
		}
		r.sub = idToken.string("sub")
	}
	userinfo, complete, err := r.userinfo(ctx, idToken, wish)
	if err != nil {
		return nil, false, err
	}
	if name := r.signIn.config.SubjectClaim; !complete && idToken[name] == nil && userinfo[name] == nil {
		userinfo = maps.Clone(userinfo)
		if userinfo == nil {
			userinfo = rawClaims{}
		}
		userinfo[name], _ = json.Marshal(r.subject)
	}
	identity, err = r.signIn.identity(idToken, userinfo, wish)
	if err != nil {
		return nil, false, err
	}
	if identity.Subject != r.subject {
		return nil, false, ErrSubjectChanged
	}
	identity.Sub = r.sub
	return identity, complete, nil
}

// userinfo requests userinfo if it may have a claim that is missing. Complete is whether nothing else could have one.
// The error is ErrOtherPerson.
func (r *Renewal) userinfo(ctx context.Context, idToken rawClaims, wish Wish) (
	claims rawClaims, complete bool, err error) {
	s := r.signIn
	missing := append(s.missing(idToken, wish.Needed), s.missing(idToken, wish.Wanted)...)
	if idToken.at([]string{s.config.SubjectClaim}) == nil {
		missing = append(missing, s.config.SubjectClaim)
	}
	switch {
	case len(missing) == 0: // so that there is an ID token
		return nil, true, nil
	case s.metadata.userinfoURL == "":
		return nil, idToken != nil, nil
	case s.accessToken == "", r.sub == "": // without r.sub, nobody could say whom the answer is about
		return nil, false, nil
	}
	claims, err = s.userinfo(ctx, r.sub)
	switch {
	case errors.Is(err, errOtherSub) && idToken == nil:
		return nil, false, ErrOtherPerson
	case err != nil:
		s.unread = append(s.unread, "userinfo: "+err.Error())
		return nil, false, nil
	}
	return claims, idToken != nil, nil
}
