package main

import (
	"context"
	"errors"
	"net/url"
	"strings"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/alexa/simulator"
)

// Paths of Alexa's redirect URIs, for the implicit and for the authorization code grant.
const (
	implicitPath = "/spa/skill/account-linking-status.html"
	codePath     = "/api/skill/link/" + vendorID
)

func (o origins) implicitRedirectURI() string {
	return o.Alexa + implicitPath + "?vendorId=" + vendorID
}

func (o origins) codeRedirectURI() string { return o.Alexa + codePath }

// destinations returns the redirect URIs without query.
func (a *fakeAlexa) destinations() []string {
	return []string{a.origins.Alexa + implicitPath, a.origins.Alexa + codePath}
}

// Errors of a rejected authorization response. A wrong state may be an attempt to link the attacker's account (RFC
// 6749 §10.12). A wrong iss means that the code is of another server, to which it must not be revealed (RFC 9207
// §2.4).
var (
	errWrongState  = errors.New("the state is not that of the request, so the response is rejected")
	errWrongIssuer = errors.New("the iss is not the bridge, so the response is rejected")
)

// arrive accepts the fragment of the redirect URI, the end of the implicit grant.
func (a *fakeAlexa) arrive(fragment string) error {
	begun, response, err := a.acceptResponse(bridge.ResponseTypeToken, fragment)
	if err != nil {
		a.transcript.add(fragmentStep(a.origins.Alexa, fragment, err.Error()))
		return err
	}
	token, problem := response.Get("access_token"), ""
	outcome := "The state matches. The account is linked; Alexa stores the token."
	if token == "" {
		problem = describeError(response)
		outcome = "The state matches. There is no token: " + problem
	}
	a.update(begun, func(now *account) { now.Token, now.Problem = token, problem })
	a.transcript.add(fragmentStep(a.origins.Alexa, fragment, outcome))
	return nil
}

// arriveWithCode accepts the query of the redirect URI and exchanges its code, the end of the authorization code
// grant.
func (a *fakeAlexa) arriveWithCode(ctx context.Context, query string) error {
	begun, response, err := a.acceptResponse(bridge.ResponseTypeCode, query)
	if err != nil {
		a.transcript.add(queryStep(a.origins.Alexa, query, err.Error()))
		return err
	}
	code := response.Get("code")
	if code == "" {
		problem := describeError(response)
		a.transcript.add(queryStep(a.origins.Alexa, query, "State and iss match. There is no code: "+problem))
		a.update(begun, func(now *account) { now.Problem = problem })
		return nil
	}
	a.transcript.add(queryStep(a.origins.Alexa, query, "State and iss match. Alexa will exchange the code."))
	a.redeem(ctx, begun, code)
	return nil
}

// acceptResponse parses the authorization response to the pending request, which it completes, and returns the
// account as it was before. A rejected response changes nothing.
func (a *fakeAlexa) acceptResponse(responseType, raw string) (account, url.Values, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	response, err := url.ParseQuery(raw)
	if err != nil {
		return account{}, nil, errWrongState
	}
	if err := checkResponse(a.account.Pending, responseType, a.origins.Bridge, response); err != nil {
		return account{}, nil, err
	}
	begun := a.account
	a.account.Pending = nil
	return begun, response, nil
}

// checkResponse compares a response with the request. Only a response in the query has an iss.
func checkResponse(asked *simulator.Request, responseType, issuer string, response url.Values) error {
	switch {
	case asked == nil, asked.ResponseType != responseType, response.Get("state") != asked.State:
		return errWrongState
	case responseType == bridge.ResponseTypeCode && response.Get("iss") != issuer:
		return errWrongIssuer
	}
	return nil
}

func describeError(response url.Values) string {
	problem := response.Get("error")
	if problem == "" {
		return "the response contains neither what was requested nor an error"
	}
	return strings.TrimSuffix(problem+": "+response.Get("error_description"), ": ")
}
