package upstream

import (
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"time"
)

// maxBody bounds what is read of any answer of a provider.
const maxBody = 1 << 20

// maxConns bounds how many requests to a provider are under way at once: sign-ins are free to begin.
const maxConns = 64

// errTooLarge is what reading an answer beyond maxBody gives.
var errTooLarge = errors.New("the answer is larger than 1 MiB")

// newHTTPClient returns how this program speaks to one provider: with time limits, bounded answers and no redirects, which
// would carry a code or a secret to where nobody configured.
func newHTTPClient(config Config) *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone() // keeps HTTPS_PROXY and NO_PROXY
	transport.TLSClientConfig = &tls.Config{RootCAs: config.CAs, MinVersion: tls.VersionTLS12}
	transport.TLSHandshakeTimeout = config.Timeout
	transport.ResponseHeaderTimeout = config.Timeout
	transport.MaxResponseHeaderBytes = 64 << 10
	transport.IdleConnTimeout = time.Minute
	transport.MaxConnsPerHost = maxConns
	return &http.Client{
		Transport: boundedTransport{transport},
		Timeout:   config.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return errors.New("the provider answered with a redirect, which is not followed")
		},
	}
}

// boundedTransport bounds the body of every answer.
type boundedTransport struct {
	http.RoundTripper
}

func (t boundedTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := t.RoundTripper.RoundTrip(request)
	if err == nil {
		response.Body = &boundedBody{ReadCloser: response.Body, left: maxBody}
	}
	return response, err
}

type boundedBody struct {
	io.ReadCloser
	left int
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, errTooLarge
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left+1)])
	if b.left -= n; b.left < 0 {
		return 0, errTooLarge
	}
	return n, err
}
