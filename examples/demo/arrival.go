package main

import (
	"context"
	"errors"
	"net/url"
	"strings"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/simulator"
)

// Alexa's own paths: to the one, implicit answers come, to the other, codes.
const (
	implicitPath = "/spa/skill/account-linking-status.html"
	codePath     = "/api/skill/link/" + vendorID
)

func (o origins) implicitRedirectURI() string {
	return o.Alexa + implicitPath + "?vendorId=" + vendorID
}

func (o origins) codeRedirectURI() string { return o.Alexa + codePath }

// destinations are where the bridge sends browsers in the end, without their queries.
func (a *pretendAlexa) destinations() []string {
	return []string{a.origins.Alexa + implicitPath, a.origins.Alexa + codePath}
}

// Answers that Alexa takes nothing from. One with another state than ours belongs to another linking than this one; somebody
// may have sent it to give us their account (RFC 6749 §10.12). One with another iss comes from another server than the one
// that we asked, and its code must not be shown to ours (RFC 9207 §2.4).
var (
	errNotOurs       = errors.New("the state is not the one that this app began with, so nothing was taken")
	errForeignIssuer = errors.New("the iss is not the bridge that this app asked, so nothing was taken")
)

// arrive takes the fragment of the redirect URI, the end of the implicit grant.
func (a *pretendAlexa) arrive(fragment string) error {
	begun, answer, err := a.take(bridge.ResponseTypeToken, fragment)
	if err != nil {
		a.story.tell(fragmentStep(a.origins.Alexa, fragment, err.Error()))
		return err
	}
	token, fault, outcome := answer.Get("access_token"), "", "The state is ours. The account is linked; Alexa keeps the token."
	if token == "" {
		fault = describeFault(answer)
		outcome = "The state is ours. No token came: " + fault
	}
	a.change(begun, func(now *account) { now.Token, now.Fault = token, fault })
	a.story.tell(fragmentStep(a.origins.Alexa, fragment, outcome))
	return nil
}

// arriveWithCode takes the query of the redirect URI, and exchanges the code in it: the end of the code grant.
func (a *pretendAlexa) arriveWithCode(ctx context.Context, query string) error {
	begun, answer, err := a.take(bridge.ResponseTypeCode, query)
	if err != nil {
		a.story.tell(queryStep(a.origins.Alexa, query, err.Error()))
		return err
	}
	code := answer.Get("code")
	if code == "" {
		fault := describeFault(answer)
		a.story.tell(queryStep(a.origins.Alexa, query, "The state and the iss are right. No code came: "+fault))
		a.change(begun, func(now *account) { now.Fault = fault })
		return nil
	}
	a.story.tell(queryStep(a.origins.Alexa, query, "The state and the iss are right. Alexa will exchange the code."))
	return a.redeem(ctx, begun, code)
}

// take reads an answer to what was asked, which is over by that, and returns the account as it was before. An answer to
// something else leaves all as it is.
func (a *pretendAlexa) take(responseType, raw string) (account, url.Values, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	answer, err := url.ParseQuery(raw)
	if err != nil {
		return account{}, nil, errNotOurs
	}
	if err := checkAnswer(a.account.Asked, responseType, a.origins.Bridge, answer); err != nil {
		return account{}, nil, err
	}
	begun := a.account
	a.account.Asked, a.account.Verifier = nil, ""
	return begun, answer, nil
}

// checkAnswer holds an answer to what was asked. Only what comes in a query names its issuer.
func checkAnswer(asked *simulator.Request, responseType, issuer string, answer url.Values) error {
	switch {
	case asked == nil, asked.ResponseType != responseType, answer.Get("state") != asked.State:
		return errNotOurs
	case responseType == bridge.ResponseTypeCode && answer.Get("iss") != issuer:
		return errForeignIssuer
	}
	return nil
}

func describeFault(answer url.Values) string {
	fault := answer.Get("error")
	if fault == "" {
		return "the answer has neither what was asked for nor an error"
	}
	return strings.TrimSuffix(fault+": "+answer.Get("error_description"), ": ")
}
