package upstream

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// exchange redeems the code (RFC 6749 §4.1.3, OIDC Core §3.1.3.1).
func (s *signIn) exchange(ctx context.Context, code string) error {
	return s.requestTokens(ctx, url.Values{
		"grant_type":    {"authorization_code"},
		"code":          {code},
		"redirect_uri":  {s.config.RedirectURI},
		"code_verifier": {s.login.Verifier},
	})
}

// requestTokens sends a token request. Of the response it reads what is needed, as JSON whatever its content type says:
// the ID token, and the access token and the refresh token if there are any.
func (s *signIn) requestTokens(ctx context.Context, form url.Values) error {
	ctx, wasSent := traceSent(ctx)
	request, err := s.tokenRequest(ctx, form)
	if err != nil {
		return misconfigured(StageToken, "", "token_endpoint is not a URL")
	}
	got, err := s.do(request)
	if err != nil {
		e := s.transportError(StageToken, err, s.secrets...)
		e.Unanswered = wasSent()
		return e
	}
	var body rawClaims
	if err := json.Unmarshal(got.body, &body); err != nil || got.status != http.StatusOK || body.present("error") {
		return s.tokenError(got, body)
	}
	s.accessToken, s.idToken, s.refreshToken = body.string("access_token"), body.string("id_token"),
		body.string("refresh_token")
	for _, token := range []string{s.accessToken, s.idToken, s.refreshToken} {
		s.keepOut(token)
	}
	return nil
}

func (s *signIn) tokenRequest(ctx context.Context, form url.Values) (*http.Request, error) {
	switch s.metadata.authMethod {
	case AuthMethodPost:
		form.Set("client_secret", s.config.ClientSecret)
		fallthrough
	case AuthMethodNone:
		form.Set("client_id", s.config.ClientID)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.metadata.oauth2.Endpoint.TokenURL,
		strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "application/json")
	if s.metadata.authMethod == AuthMethodBasic { // encoded first (RFC 6749 §2.3.1)
		request.SetBasicAuth(url.QueryEscape(s.config.ClientID), url.QueryEscape(s.config.ClientSecret))
	}
	return request, nil
}

// tokenError says what an error response means (RFC 6749 §5.2). Some providers send it with status 200.
func (s *signIn) tokenError(got response, body rawClaims) error {
	code := body.string("error")
	if code == "" || statusKind(got.status) != Misconfigured {
		if got.status == http.StatusOK {
			e := misconfigured(StageToken, hintProxy, "the response is not a JSON object")
			e.Unanswered = true
			return e
		}
		e := statusError(StageToken, got)
		e.Unanswered = e.Kind == OutOfReach
		if e.Kind == Misconfigured {
			e.Hint = "look at what answers at the token_endpoint, " + shownURL(s.metadata.oauth2.Endpoint.TokenURL)
		}
		return e
	}
	meant := meaningOf(code, body.string("suberror"))
	e := errorOfCode(StageToken, meant, fmt.Errorf("status %d, error %q, description %q",
		got.status, s.logText(code), s.logText(body.string("error_description"))))
	e.Unanswered = e.Kind == OutOfReach // as of a status that says so
	if code == "invalid_client" {
		e.Hint = s.clientHint(body.string("error_description"))
	}
	if refusesRefreshToken(meant, body.string("error_description")) {
		e.refusedToken = true
	}
	return e
}

// clientHint says what to do when the provider rejected our client id or secret.
func (s *signIn) clientHint(description string) string {
	if strings.Contains(description, "AADSTS7000222") {
		return "the client secret has expired: create another one at the provider and set client_secret"
	}
	hint := hintClient
	switch s.metadata.authMethod {
	case AuthMethodBasic:
		hint += "; they were sent by client_secret_basic, so try auth_method: client_secret_post if they are right"
	case AuthMethodPost:
		hint += "; they were sent by client_secret_post, so try auth_method: client_secret_basic if they are right"
	}
	return hint
}
