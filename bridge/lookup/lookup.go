// Package lookup is for the backend of a skill that is written in Go. It finds the access token in a request of Alexa,
// asks the bridge whose it is (RFC 7662), and builds the response for those who are not linked. It imports only the
// standard library.
//
// A lookup has three outcomes, which a skill must not confuse:
//
//   - A [Person]: UpstreamISS and Subject together say who it is.
//   - [ErrNotLinked]: there is no token, or the link has ended. Ask for the account to be linked.
//   - Any other error: nothing is known about the link. Say that the skill is not available. Do not say that the link
//     is broken: Amazon deletes the link of a smart home skill that does.
//
// [Client.Middleware] does all of it for a skill that is served over HTTP. A skill on AWS Lambda calls [ParseRequest],
// [Client.Lookup] and [Client.ErrorResponse]. The signature of requests is verified by package alexa.
package lookup

import (
	"cmp"
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

// Errors of [Client.Lookup].
var (
	// ErrNotLinked means that the person must link the account. It is certain: the request has no token, or the bridge
	// said that the token is not active.
	ErrNotLinked = errors.New("lookup: the account is not linked")
	// ErrUnavailable means that the bridge could not be reached or did not respond as a bridge. It is in the chain of
	// every error that may be temporary. Other errors mean that the client is configured wrongly.
	ErrUnavailable = errors.New("lookup: the bridge is unavailable")
)

const (
	// defaultTimeout leaves time to respond within the 8 seconds that Alexa waits for a skill.
	defaultTimeout = 3 * time.Second
	// maxResponse is the largest response of the bridge that is read, in bytes.
	maxResponse = 1 << 20
)

// Client asks a bridge whose a token is. It is safe for concurrent use, and must not be copied after the first use.
type Client struct {
	Endpoint string // the URL of /lookup
	ID       string // the id of the backend
	Secret   string

	// CacheFor is how long a person is remembered, but never beyond the end of the token. For so long a link may go on
	// after it was revoked. 0: every request is looked up. Nothing else than a person is ever remembered.
	CacheFor time.Duration
	// CacheSize is how many persons are remembered, those looked up last. 0: 10,000.
	CacheSize int

	// AllowTest takes test links, made by `links mint`, for links. Otherwise they are not linked.
	AllowTest bool
	// SendAlexaUserID sends the id of the Alexa user with the token, which the bridge stores as a hash.
	SendAlexaUserID bool

	// Texts returns what the skill says to those who are not linked, and when nothing is known, in the language of a
	// locale such as de-DE. Nil: English.
	Texts func(locale string) Texts

	// HTTPClient sends the requests, but never follows a redirect, which would send the token to another server. Nil:
	// [http.DefaultTransport] is used. Without a timeout it gets one of 3 seconds, because Alexa waits at most 8
	// seconds for a skill.
	HTTPClient *http.Client

	cache cache
	calls calls
}

// Lookup returns who sent a request, or [ErrNotLinked]. After any other error nothing is known about the link. Equal
// lookups at the same time are sent once.
func (c *Client) Lookup(ctx context.Context, request *Request) (*Person, error) {
	if request.Token == "" {
		return nil, ErrNotLinked
	}
	q, now := query{token: request.Token}, time.Now()
	if c.SendAlexaUserID {
		q.alexaUserID = request.AlexaUserID
	}
	if person := c.cache.get(q, now); person != nil {
		return person, nil
	}
	return c.calls.do(ctx, q, func(ctx context.Context) (*Person, error) {
		person, err := c.ask(ctx, q)
		if err == nil && person.Test && !c.AllowTest {
			return nil, fmt.Errorf("%w: it is a test link, and AllowTest is not set", ErrNotLinked)
		}
		if err == nil && c.CacheFor > 0 { // since the request: the link may have ended before the response came
			c.cache.add(q, person, now, c.CacheFor, c.CacheSize)
		}
		return person, err
	})
}

// query is what the bridge is asked.
type query struct{ token, alexaUserID string }

// ask sends a query to the bridge.
func (c *Client) ask(ctx context.Context, q query) (*Person, error) {
	form := url.Values{"token": {q.token}}
	if q.alexaUserID != "" {
		form.Set("alexa_user_id", q.alexaUserID)
	}
	request, err := c.newRequest(ctx, c.Endpoint, formType, form.Encode())
	if err != nil {
		return nil, err
	}
	response, err := c.httpClient().Do(request)
	if err != nil {
		return nil, q.unavailable(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxResponse+1))
	switch {
	case err != nil:
		return nil, q.unavailable(err)
	case len(body) > maxResponse:
		return nil, fmt.Errorf("%w: the response is too large", ErrUnavailable)
	case response.StatusCode != http.StatusOK:
		return nil, q.statusError(response.StatusCode, body)
	}
	return parseResponse(body)
}

const formType = "application/x-www-form-urlencoded"

// newRequest returns a request to an endpoint of the bridge.
func (c *Client) newRequest(ctx context.Context, endpoint, contentType, body string) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(body))
	if err != nil || request.URL.Host == "" || request.URL.Scheme != "https" && request.URL.Scheme != "http" {
		return nil, errors.New("lookup: Endpoint is not an http or https URL; set that of /lookup")
	}
	request.Header.Set("Content-Type", contentType)
	// Makes net/http repeat the request if the bridge closed an idle connection. The header itself is not sent.
	request.Header["Idempotency-Key"] = nil
	request.SetBasicAuth(url.QueryEscape(c.ID), url.QueryEscape(c.Secret)) // RFC 6749 §2.3.1
	return request, nil
}

// mayPass reports whether what a status says may be otherwise soon.
func mayPass(status int) bool {
	return status >= 500 || status < 400 || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout
}

// statusError returns the error for a response with another status than 200.
func (q query) statusError(status int, body []byte) error {
	if mayPass(status) {
		return fmt.Errorf("%w: status %d", ErrUnavailable, status)
	}
	var problem struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	_ = json.Unmarshal(body, &problem)
	return fmt.Errorf("lookup: status %d: %q: %q", status, q.clean(problem.Error), q.clean(problem.Description))
}

// unavailable returns the error for a response that did not come. It has no URL, which may have a secret.
func (q query) unavailable(err error) error {
	if urlError, ok := errors.AsType[*url.Error](err); ok {
		err = urlError.Err
	}
	return fmt.Errorf("%w: %s", ErrUnavailable, q.clean(err.Error()))
}

// clean makes a text that a server may have written fit for a log: not long, and without the token, which some servers
// send back.
func (q query) clean(text string) string {
	text = strings.NewReplacer(q.token, "[removed]", url.QueryEscape(q.token), "[removed]").Replace(text)
	return strings.ToValidUTF8(text[:min(len(text), 200)], "")
}

func (c *Client) httpClient() *http.Client {
	var client http.Client
	if c.HTTPClient != nil {
		client = *c.HTTPClient
	}
	client.Timeout = cmp.Or(client.Timeout, defaultTimeout)
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &client
}
