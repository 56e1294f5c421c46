package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"alexa-oidc-bridge/bridge/upstream"
)

const (
	metadataPath     = "/.well-known/oauth-authorization-server" // RFC 8414 §3
	publicURLTimeout = 10 * time.Second
	maxMetadata      = 64 << 10
)

// checkPublicURL asks public_url for the metadata of an authorization server, as which the bridge would name itself.
func checkPublicURL(ctx context.Context, publicURL string) finding {
	at := publicURL + metadataPath
	status, body, err := get(ctx, at)
	var metadata struct {
		Issuer string `json:"issuer"`
	}
	switch {
	case err != nil:
		return unreachable(at, err)
	case status == http.StatusBadGateway, status == http.StatusServiceUnavailable, status == http.StatusGatewayTimeout:
		return finding{levelWarning, fmt.Sprintf("public_url: %s responds with status %d", at, status),
			"start serve if it is not running; else let the proxy lead to its listen address"}
	case status/100 == 3:
		return finding{levelFault, fmt.Sprintf("public_url: %s responds with status %d, a redirect", at, status),
			"set public_url to where it leads, or remove the redirect from the proxy"}
	case status != http.StatusOK || json.Unmarshal(body, &metadata) != nil || metadata.Issuer == "":
		return finding{levelFault, fmt.Sprintf("public_url: another server answers at %s (status %d)", at, status),
			"let the proxy send all paths of this host to the listen address of serve, or correct public_url"}
	case metadata.Issuer != publicURL:
		issuer := upstream.LogText(metadata.Issuer)
		return finding{levelFault, fmt.Sprintf("public_url: the server at %s is configured for %q", at, issuer),
			"set public_url to the same there and here, and restart serve"}
	}
	return ok("public_url: %s leads to a server that calls itself %s", at, publicURL)
}

// unreachable returns the finding for a public_url without a response. A server that does not run yet is no fault,
// but a certificate that is not accepted is one.
func unreachable(at string, err error) finding {
	if failure, isURL := errors.AsType[*url.Error](err); isURL {
		err = failure.Err
	}
	what := fmt.Sprintf("public_url: no response from %s: %s", at, upstream.LogText(err.Error()))
	if _, isCertificate := errors.AsType[*tls.CertificateVerificationError](err); isCertificate {
		return finding{levelFault, what, "install a certificate for this host that Amazon trusts, with its whole chain"}
	}
	return finding{levelWarning, what,
		"start serve if it is not running; else check DNS, firewall and proxy, best from outside"}
}

// get requests a URL without following redirects.
func get(ctx context.Context, at string) (status int, body []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return 0, nil, err
	}
	client := &http.Client{
		Timeout:       publicURLTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	body, err = io.ReadAll(io.LimitReader(response.Body, maxMetadata))
	return response.StatusCode, body, err
}
