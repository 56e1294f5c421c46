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
		next, ok := parse(strings.TrimSpace(hop))
		if !ok {
			break
		}
		address = next
	}
	return address
}

// parse parses an address, also with a port, as Azure's gateways write it.
func parse(text string) (address netip.Addr, ok bool) {
	address, err := netip.ParseAddr(text)
	if withPort, portErr := netip.ParseAddrPort(text); portErr == nil {
		address, err = withPort.Addr(), nil
	}
	return address.Unmap().WithZone(""), err == nil
}

// IsUnknown reports whether the address of a request may be that of a proxy, which all clients have then: the peer is
// on this machine or in a private network and not trusted, or it is trusted and did not say whose request it is.
func IsUnknown(r *http.Request, trusted []netip.Prefix) bool {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return true
	}
	address := peer.Addr().Unmap().WithZone("")
	if isTrusted(address, trusted) {
		return isTrusted(Of(r, trusted), trusted)
	}
	return address.IsLoopback() || address.IsPrivate() || address.IsLinkLocalUnicast()
}

func isTrusted(address netip.Addr, trusted []netip.Prefix) bool {
	return slices.ContainsFunc(trusted, func(network netip.Prefix) bool { return network.Contains(address) })
}
