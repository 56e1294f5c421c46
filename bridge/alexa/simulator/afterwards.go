package simulator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// Userinfo returns the claims of the person whom an access token belongs to (OIDC Core §5.3).
func (l Linking) Userinfo(ctx context.Context, accessToken string) (claims map[string]any, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, l.UserinfoURI, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+accessToken)
	response, body, err := l.do(request)
	switch {
	case err != nil:
		return nil, err
	case response.StatusCode == http.StatusUnauthorized:
		return nil, errors.New("the access token is not active")
	case response.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("status %d", response.StatusCode)
	case json.Unmarshal(body, &claims) != nil:
		return nil, errors.New("the response is not a JSON object")
	}
	return claims, nil
}

// Revoke ends the link of a token (RFC 7009). Alexa does not; it is for cleaning up.
func (l Linking) Revoke(ctx context.Context, token string) error {
	form := url.Values{"token": {token}, "client_id": {l.ClientID}}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, l.RevocationURI, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if l.ClientSecret != "" {
		request.SetBasicAuth(l.ClientID, l.ClientSecret)
	}
	response, _, err := l.do(request)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("the revocation endpoint answers with status %d", response.StatusCode)
	}
	return err
}
