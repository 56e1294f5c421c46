// Package endpoint holds what the handlers of all endpoints share.
package endpoint

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/internal/clientaddr"
	"alexa-oidc-bridge/bridge/internal/clients"
	"alexa-oidc-bridge/bridge/internal/limit"
	"alexa-oidc-bridge/bridge/internal/reference"
	"alexa-oidc-bridge/bridge/upstream"
)

// Paths of the endpoints for what a provider sends by itself. The id of the provider follows.
const (
	BackChannelLogout     = "/backchannel-logout/"
	GlobalTokenRevocation = "/global-token-revocation/"
)

// Deps are the configuration and the dependencies of every handler. All but TrustedProxies are required,
// and Used by lookups and refreshes only.
type Deps struct {
	PublicURL string // our origin and issuer, without a slash at the end
	Clients   *clients.Registry
	Store     bridge.Store
	Log       *slog.Logger
	Now       func() time.Time
	Failures  *limit.ByAddress      // of authentications
	Counters  prometheus.Registerer // of what only grows, by [Register]: it goes on when another server takes over
	Registry  prometheus.Registerer // of all else
	// Used notes that a link was used whose provider has not been asked about the account for too long.
	Used func(linkID, providerID string)
	// TrustedProxies are as of [clientaddr.Of].
	TrustedProxies []netip.Prefix
}

// Origin returns where a request came from, for the audit log.
func (d *Deps) Origin(r *http.Request) bridge.Origin {
	origin := bridge.Origin{Ref: string(reference.FromContext(r.Context()))}
	if address := clientaddr.Of(r, d.TrustedProxies); address.IsValid() {
		origin.Address = address.String()
	}
	return origin
}

// CheckOrigin returns an error if a form was not sent by one of our pages, as far as the browser says. Some browsers
// send `Origin: null` for a page that was reached by redirects, so the form needs a token in any case.
func (d *Deps) CheckOrigin(r *http.Request) error {
	site, origin := r.Header.Get("Sec-Fetch-Site"), r.Header.Get("Origin")
	if (site == "" || site == "same-origin") && (origin == "" || origin == "null" || origin == d.PublicURL) {
		return nil
	}
	return fmt.Errorf("the form was sent by another site: Sec-Fetch-Site %q, Origin %q",
		upstream.LogText(site), upstream.LogText(origin))
}

// Register registers a collector and returns it, or the one that an earlier server registered under the same name.
func Register[C prometheus.Collector](registry prometheus.Registerer, collector C) C {
	err := registry.Register(collector)
	if existing, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
		return existing.ExistingCollector.(C)
	}
	if err != nil {
		panic(err) // a mistake in the program, as of [prometheus.Registry.MustRegister]
	}
	return collector
}
