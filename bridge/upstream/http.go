package upstream

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

const (
	maxBody  = 1 << 20 // bytes of a response body
	maxConns = 64      // concurrent requests to a provider, since anybody can start a sign-in
)

var errTooLarge = errors.New("the response is larger than 1 MiB")

// newHTTPClient returns a client for one provider: with timeouts and without redirects, which could carry a code or a
// secret to another server.
func newHTTPClient(config Config) *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone() // keeps HTTPS_PROXY and NO_PROXY
	transport.TLSClientConfig = &tls.Config{RootCAs: config.CAs, MinVersion: tls.VersionTLS12}
	transport.TLSHandshakeTimeout = config.Timeout
	transport.ResponseHeaderTimeout = config.Timeout
	transport.MaxResponseHeaderBytes = 64 << 10
	transport.IdleConnTimeout = time.Minute
	transport.MaxConnsPerHost = maxConns
	return &http.Client{
		Transport:     transport,
		Timeout:       config.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// response is a response of the provider.
type response struct {
	status      int
	contentType string // as sent; providers often send a wrong one
	body        []byte
}

// do sends a request. A response with any status is not an error.
func (p *Provider) do(request *http.Request) (response, error) {
	got, err := p.client.Do(request)
	if err != nil {
		return response{}, err
	}
	defer got.Body.Close()
	body, err := io.ReadAll(io.LimitReader(got.Body, maxBody+1))
	if err == nil && len(body) > maxBody {
		err = errTooLarge
	}
	return response{got.StatusCode, got.Header.Get("Content-Type"), body}, err
}

// transportError returns the error for a request without a response that can be read.
func (p *Provider) transportError(stage string, err error, secrets ...string) *Error {
	e := &Error{Kind: OutOfReach, Stage: stage, Err: p.redact(err, secrets...),
		Hint: "check host and port of issuer, the network and HTTPS_PROXY"}
	var (
		authority   x509.UnknownAuthorityError
		hostname    x509.HostnameError
		certificate x509.CertificateInvalidError
		plain       tls.RecordHeaderError
	)
	switch {
	case errors.Is(err, errTooLarge):
		e.Kind = Misconfigured
	case errors.As(err, &authority):
		e.Kind, e.Hint = Misconfigured, "set ca_file to the certificate authority of the provider"
	case errors.As(err, &plain), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		e.Kind, e.Hint = Misconfigured, "correct the scheme or the port: what listens there speaks plain HTTP"
	case errors.As(err, &hostname), errors.As(err, &certificate):
		e.Kind, e.Hint = Misconfigured, "correct the provider's certificate, or the host name in issuer"
	}
	return e
}

// statusError returns the error for a response whose status is not the expected one.
func statusError(stage string, got response) *Error {
	text := "status %d"
	if got.status/100 == 3 {
		text += ": a redirect, which is not followed"
	}
	return &Error{Kind: statusKind(got.status), Stage: stage, Err: fmt.Errorf(text, got.status)}
}

// shownURL returns a URL for the log, without user information, query and fragment.
func shownURL(text string) string {
	parsed, err := url.Parse(text)
	if err != nil {
		return "(not a URL)"
	}
	parsed.User, parsed.RawQuery, parsed.Fragment = nil, "", ""
	return LogText(parsed.String())
}

// LoadCAs reads a PEM file of certificate authorities to trust in addition to those of the system.
func LoadCAs(path string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s contains no certificate in PEM format", path)
	}
	return pool, nil
}
