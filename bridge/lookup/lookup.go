// Package lookup is what the backend of a skill written in Go imports to learn who an access token of an Alexa request
// belongs to. It uses the standard library only.
//
//	client := &lookup.Client{Endpoint: "https://link.example.com/lookup", ID: "pizza-backend", Secret: secret}
//	answer, err := client.Lookup(ctx, request.Context.System.User.AccessToken)
//	switch {
//	case err != nil:
//		// The bridge cannot tell now. Say that the skill is not available; do not say that the link is broken, since Alexa
//		// deletes the link of a smart-home skill that does.
//	case !answer.Active:
//		// There is no such link, or it has ended: answer with a LinkAccount card.
//	default:
//		// answer.UpstreamISS and answer.Subject together are the person.
//	}
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

// Answer is what the lookup endpoint says of a token (RFC 7662 §2.2). Of a token that is not active it says nothing else.
type Answer struct {
	Active      bool   `json:"active"`
	Issuer      string `json:"iss"`        // the bridge's public URL
	Subject     string `json:"sub"`        // the person at the provider; unique together with UpstreamISS only
	ClientID    string `json:"client_id"`  // the skill
	Scope       string `json:"scope"`      // joined by spaces
	TokenType   string `json:"token_type"` // Bearer
	IssuedAt    int64  `json:"iat"`        // seconds since 1970
	ExpiresAt   int64  `json:"exp,omitempty"`
	LinkID      string `json:"link_id"`
	Provider    string `json:"provider"`
	UpstreamISS string `json:"upstream_iss"` // the provider's issuer
	// Claims are those that the skill is configured with and that the provider gave.
	Claims map[string]any `json:"claims"`
}

// maxAnswer bounds what is read of an answer.
const maxAnswer = 1 << 20

// ErrUnavailable means that the bridge cannot tell now. It is in the chain of every error of [Client.Lookup] that says
// nothing about the token and may be over soon.
var ErrUnavailable = errors.New("lookup: the bridge cannot tell now")

// Client looks tokens up. It is safe for concurrent use.
type Client struct {
	Endpoint string // the URL of /lookup
	ID       string // the backend's id
	Secret   string
	// HTTPClient is used for requests, except that it follows no redirect: that would carry the token elsewhere. nil: one
	// that gives up after 3 seconds, since Alexa gives a skill no more than 8.
	HTTPClient *http.Client
}

// Lookup asks whose link the token belongs to. An error says nothing about the token.
func (c *Client) Lookup(ctx context.Context, token string) (*Answer, error) {
	body := strings.NewReader(url.Values{"token": {token}}.Encode())
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.Endpoint, body)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	// Not sent: it tells net/http that asking again does no harm, as when a restarted bridge has closed the connection.
	request.Header["Idempotency-Key"] = nil
	request.SetBasicAuth(url.QueryEscape(c.ID), url.QueryEscape(c.Secret)) // RFC 6749 §2.3.1
	response, err := c.httpClient().Do(request)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return read(response.StatusCode, text)
}

func read(status int, text []byte) (*Answer, error) {
	switch {
	case status >= 500 || status == http.StatusTooManyRequests || status/100 == 3:
		return nil, fmt.Errorf("%w: status %d", ErrUnavailable, status)
	case status != http.StatusOK:
		var fault struct {
			Error       string `json:"error"`
			Description string `json:"error_description"`
		}
		_ = json.Unmarshal(text, &fault)
		return nil, fmt.Errorf("lookup: refused with status %d: %s: %s", status, fault.Error, fault.Description)
	}
	// Only a bridge says active or not. A page of something in between must not pass for "not active".
	var answer struct {
		Answer
		Active *bool `json:"active"`
	}
	if err := json.Unmarshal(text, &answer); err != nil || answer.Active == nil {
		return nil, fmt.Errorf("%w: the answer is not one of a bridge", ErrUnavailable)
	}
	answer.Answer.Active = *answer.Active
	return &answer.Answer, nil
}

func (c *Client) httpClient() *http.Client {
	client := http.Client{Timeout: 3 * time.Second}
	if c.HTTPClient != nil {
		client = *c.HTTPClient
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &client
}
