// Package lookup is for the backend of a skill that is written in Go: it asks the bridge whose access token an Alexa
// request contains (RFC 7662). It imports only the standard library.
//
// There are three outcomes of [Client.Lookup], which a skill must not confuse:
//
//   - An error: nothing is known about the token. Say that the skill is not available. Do not say that the link is
//     broken: Alexa deletes the link of a smart-home skill that does.
//   - Active is false: there is no such link, or it was revoked. Respond with a LinkAccount card.
//   - Active is true: UpstreamISS and Subject together identify the person.
package lookup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Response is the response of the lookup endpoint (RFC 7662 §2.2). If Active is false, all other fields are empty.
type Response struct {
	Active      bool   `json:"active"`
	Issuer      string `json:"iss"`           // the public URL of the bridge
	Subject     string `json:"sub"`           // the person at the provider; unique only together with UpstreamISS
	ClientID    string `json:"client_id"`     // the skill
	Scope       string `json:"scope"`         // separated by spaces
	TokenType   string `json:"token_type"`    // Bearer
	IssuedAt    int64  `json:"iat"`           // seconds since 1970
	ExpiresAt   int64  `json:"exp,omitempty"` // seconds since 1970; 0: never
	LinkID      string `json:"link_id"`
	Provider    string `json:"provider"`     // its id in the bridge's configuration
	UpstreamISS string `json:"upstream_iss"` // the issuer of the provider
	// Claims are those that the skill is configured with and that the provider sent.
	Claims map[string]any `json:"claims"`
}

// maxResponse is the largest response that is read, in bytes.
const maxResponse = 1 << 20

// ErrUnavailable means that the bridge could not be reached or did not respond as a bridge. It is in the chain of
// every error of [Client.Lookup] that may be temporary. Other errors mean that the client is configured wrongly.
var ErrUnavailable = errors.New("lookup: the bridge is unavailable")

// Client looks up tokens. It is safe for concurrent use.
type Client struct {
	Endpoint string // the URL of /lookup
	ID       string // the id of the backend
	Secret   string
	// HTTPClient sends the requests, but never follows a redirect, which would send the token to another server. If
	// it is nil, a client with a timeout of 3 seconds is used, because Alexa waits at most 8 seconds for a skill.
	HTTPClient *http.Client
}

// Lookup returns whether the token is active, and whose it is. After an error nothing is known about the token.
func (c *Client) Lookup(ctx context.Context, token string) (*Response, error) {
	form := strings.NewReader(url.Values{"token": {token}}.Encode())
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.Endpoint, form)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	// Makes net/http repeat the request if the bridge closed an idle connection. The header itself is not sent.
	request.Header["Idempotency-Key"] = nil
	request.SetBasicAuth(url.QueryEscape(c.ID), url.QueryEscape(c.Secret)) // RFC 6749 §2.3.1
	response, err := c.httpClient().Do(request)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxResponse))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, statusError(response.StatusCode, body)
	}
	return parse(body)
}

// statusError returns the error for a response with another status than 200.
func statusError(status int, body []byte) error {
	if status >= 500 || status == http.StatusTooManyRequests || status/100 == 3 {
		return fmt.Errorf("%w: status %d", ErrUnavailable, status)
	}
	var problem struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	_ = json.Unmarshal(body, &problem)
	return fmt.Errorf("lookup: status %d: %s: %s", status, problem.Error, problem.Description)
}

// parse returns an error unless active is in the body: a page of a proxy must not count as inactive.
func parse(body []byte) (*Response, error) {
	var parsed struct {
		Response
		Active *bool `json:"active"`
	}
	if err := json.Unmarshal(body, &parsed); err != nil || parsed.Active == nil {
		return nil, fmt.Errorf("%w: the response is not that of a bridge", ErrUnavailable)
	}
	parsed.Response.Active = *parsed.Active
	return &parsed.Response, nil
}

func (c *Client) httpClient() *http.Client {
	client := http.Client{Timeout: 3 * time.Second}
	if c.HTTPClient != nil {
		client = *c.HTTPClient
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &client
}
