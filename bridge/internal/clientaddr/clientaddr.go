// Package clientaddr finds the address of the client behind reverse proxies.
package clientaddr

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Of returns the address of the client that sent a request: of the peer, or if that is a trusted proxy, the rightmost
// address of X-Forwarded-For that is not one. An entry that is not an address ends the search at the proxy that wrote
// it. It returns the zero Addr if the peer has none.
func Of(r *http.Request, trusted []netip.Prefix) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	address := peer.Addr().Unmap().WithZone("")
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		if !isTrusted(address, trusted) {
			break
		}
		next, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil {
			break
		}
		address = next.Unmap().WithZone("")
	}
	return address
}

// IsUnknownProxy reports whether the peer may be a proxy that is not known as one: it is on this machine or in a private
// network, and not trusted. Then all clients have its address.
func IsUnknownProxy(r *http.Request, trusted []netip.Prefix) bool {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return true
	}
	address := peer.Addr().Unmap().WithZone("")
	return (address.IsLoopback() || address.IsPrivate() || address.IsLinkLocalUnicast()) && !isTrusted(address, trusted)
}

func isTrusted(address netip.Addr, trusted []netip.Prefix) bool {
	return slices.ContainsFunc(trusted, func(network netip.Prefix) bool { return network.Contains(address) })
}
