package simulator

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/html"
)

// alexaTimeout is how long Alexa waits for a token endpoint.
const alexaTimeout = 4500 * time.Millisecond

// maxBody is how much of a response is read.
const maxBody = 1 << 20

// Linking are the account linking settings of a skill, as the developer console has them, of any authorization server.
// Its methods do what Alexa does with them.
type Linking struct {
	AuthorizationURI string
	TokenURI         string // for the code grant
	ClientID         string
	ClientSecret     string // for the code grant
	InBody           bool   // the credentials are sent in the request body, and not by HTTP Basic
	PKCE             bool
	Scopes           []string
	UserinfoURI      string       // for Userinfo; Alexa itself has none
	RevocationURI    string       // for Revoke; Alexa itself has none
	Client           *http.Client // whose redirects are not followed; nil: http.DefaultClient
}

// NewRequest returns the authorization request that Alexa makes for a response type, token or code, and one of its
// redirect URIs.
func (l Linking) NewRequest(responseType, redirectURI string) Request {
	request := Request{
		AuthorizationURI: l.AuthorizationURI, ClientID: l.ClientID, ResponseType: responseType, State: NewState(),
		Scopes: l.Scopes, RedirectURI: redirectURI,
	}
	if l.PKCE && responseType == "code" {
		verifier := make([]byte, 32)
		rand.Read(verifier)
		request.CodeVerifier = base64.RawURLEncoding.EncodeToString(verifier)
	}
	return request
}

// CheckStart opens an authorization request without a browser, and returns an error unless the server begins a sign-in
// for it: by a page, or by a redirect to anywhere but the redirect URI. Nobody signs in.
func (l Linking) CheckStart(ctx context.Context, request Request) error {
	asked, err := http.NewRequestWithContext(ctx, http.MethodGet, request.URL(), nil)
	if err != nil {
		return err
	}
	response, body, err := l.do(asked)
	if err != nil {
		return err
	}
	target, err := response.Location()
	switch {
	case response.StatusCode/100 == 3 && err != nil:
		return fmt.Errorf("status %d without a Location", response.StatusCode)
	case response.StatusCode/100 == 3 && isAt(target, request.RedirectURI):
		answer, _ := request.Answer(target)
		return fmt.Errorf("it redirects to Alexa with the error %s: %s", answer.Get("error"), answer.Get("error_description"))
	case response.StatusCode/100 == 3, response.StatusCode == http.StatusOK:
		return nil
	}
	return fmt.Errorf("it shows an error page (status %d): %s", response.StatusCode, titleOf(body))
}

// isAt reports whether a redirect leads to a redirect URI. Query and fragment are not compared.
func isAt(target *url.URL, redirectURI string) bool {
	want, err := url.Parse(redirectURI)
	return err == nil && target.Scheme == want.Scheme && target.Host == want.Host && target.Path == want.Path
}

// titleOf returns the title of a page, or "no title".
func titleOf(page []byte) string {
	document, err := html.Parse(strings.NewReader(string(page)))
	if err != nil {
		return "no title"
	}
	for node := range document.Descendants() {
		if node.Type == html.ElementNode && node.Data == "title" && node.FirstChild != nil {
			return strings.TrimSpace(node.FirstChild.Data)
		}
	}
	return "no title"
}

// Response returns the parameters with which a browser came to the redirect URI of a request. It returns an error if
// they are not those of a link: the code, or the access token.
func (r Request) Response(arrived *url.URL) (url.Values, error) {
	answer, err := r.Answer(arrived)
	switch {
	case err != nil:
		return nil, errors.New("the parameters of the redirect cannot be read")
	case answer.Get("state") != r.State:
		return nil, errors.New("the redirect has another state than the request")
	case answer.Has("error"):
		return nil, fmt.Errorf("the redirect has the error %s: %s", answer.Get("error"), answer.Get("error_description"))
	case r.ResponseType == "code" && answer.Get("code") == "":
		return nil, errors.New("the redirect has no code in its query")
	case r.ResponseType == "token" && answer.Get("access_token") == "":
		return nil, errors.New("the redirect has no access_token in its fragment")
	}
	return answer, nil
}

// do sends a request as Alexa's servers do: they follow no redirect, and give up after 4.5 seconds.
func (l Linking) do(request *http.Request) (response *http.Response, body []byte, err error) {
	client := http.Client{}
	if l.Client != nil {
		client = *l.Client
	}
	client.Timeout = alexaTimeout
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	response, err = client.Do(request)
	if err == nil {
		defer response.Body.Close()
		body, err = io.ReadAll(io.LimitReader(response.Body, maxBody))
	}
	if urlError, ok := errors.AsType[*url.Error](err); ok && urlError.Timeout() {
		return nil, nil, fmt.Errorf("%s did not answer within 4.5 seconds, when Alexa gives up", request.URL.Host)
	} else if ok { // without the URL, which may hold a state
		return nil, nil, fmt.Errorf("%s: %w", request.URL.Host, urlError.Err)
	}
	return response, body, err
}
