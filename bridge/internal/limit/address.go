// Package limit bounds what strangers can do: how often, by the address of the client, and how much at once.
//
// What it counts is kept in memory, so each replica has limits of its own.
package limit

import (
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/time/rate"

	"alexa-oidc-bridge/bridge/internal/clientaddr"
)

// maxAddresses is how many addresses are remembered. The one that was not seen for longest is forgotten first.
const maxAddresses = 1 << 16

// ByAddress limits how often something happens, for each address of a client. An IPv6 address counts as its /64
// network, which one client has to itself. It is safe for concurrent use.
type ByAddress struct {
	perMinute int
	trusted   []netip.Prefix
	now       func() time.Time

	mu      sync.Mutex
	buckets *simplelru.LRU[netip.Prefix, *rate.Limiter]
}

// NewByAddress returns a limit per minute; 0: no limit. The trusted proxies are as of [clientaddr.Of].
func NewByAddress(perMinute int, trusted []netip.Prefix, now func() time.Time) *ByAddress {
	buckets, err := simplelru.NewLRU[netip.Prefix, *rate.Limiter](maxAddresses, nil)
	if err != nil {
		panic(err) // only for a size that is not positive
	}
	return &ByAddress{perMinute: perMinute, trusted: trusted, now: now, buckets: buckets}
}

// Take counts an event of the client that sent a request. When there have been too many, it returns how long the
// client must wait; otherwise 0.
func (l *ByAddress) Take(r *http.Request) (wait time.Duration) { return l.count(r, true) }

// Wait returns what [ByAddress.Take] would return, and counts nothing.
func (l *ByAddress) Wait(r *http.Request) (wait time.Duration) { return l.count(r, false) }

func (l *ByAddress) count(r *http.Request, take bool) time.Duration {
	network := l.Network(r)
	if l.perMinute == 0 || !network.IsValid() {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	bucket, found := l.buckets.Get(network)
	if !found {
		bucket = rate.NewLimiter(rate.Every(time.Minute/time.Duration(l.perMinute)), l.perMinute)
		l.buckets.Add(network, bucket)
	}
	now := l.now()
	missing := 1 - bucket.TokensAt(now)
	if missing > 0 {
		return time.Duration(missing / float64(bucket.Limit()) * float64(time.Second))
	}
	if take {
		bucket.AllowN(now, 1)
	}
	return 0
}

// Network returns the network whose requests are counted together with a request, or the zero Prefix if the address of
// the client is not known: it may be that of a proxy, which everybody would share.
func (l *ByAddress) Network(r *http.Request) netip.Prefix {
	if clientaddr.IsUnknown(r, l.trusted) {
		return netip.Prefix{}
	}
	address := clientaddr.Of(r, l.trusted)
	bits := address.BitLen()
	if address.Is6() {
		bits = 64
	}
	network, err := address.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return network
}
