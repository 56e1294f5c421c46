package clientaddr_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"alexa-oidc-bridge/bridge/internal/clientaddr"
)

func TestOf(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	tests := []struct {
		name, peer string
		forwarded  []string
		want       string
	}{
		{"no proxy", "203.0.113.7:1234", nil, "203.0.113.7"},
		{"untrusted peer cannot choose its address", "203.0.113.7:1234", []string{"198.51.100.1"}, "203.0.113.7"},
		{"one proxy", "10.1.1.1:1234", []string{"198.51.100.1"}, "198.51.100.1"},
		{"what the client wrote is left of it", "10.1.1.1:1234", []string{"192.0.2.66, 198.51.100.1"}, "198.51.100.1"},
		{"two proxies", "10.1.1.1:1234", []string{"192.0.2.66, 198.51.100.1, 10.2.2.2"}, "198.51.100.1"},
		{"two headers", "10.1.1.1:1234", []string{"192.0.2.66", "198.51.100.1"}, "198.51.100.1"},
		{"all trusted", "10.1.1.1:1234", []string{"10.3.3.3, 10.2.2.2"}, "10.3.3.3"},
		{"no header", "10.1.1.1:1234", nil, "10.1.1.1"},
		{"not an address", "10.1.1.1:1234", []string{"198.51.100.1, evil"}, "10.1.1.1"},
		{"IPv6", "[fd00::1]:1234", []string{"2001:db8::1"}, "2001:db8::1"},
		{"mapped", "[::ffff:10.1.1.1]:1234", []string{"::ffff:198.51.100.1"}, "198.51.100.1"},
		{"zone", "[fe80::1%eth0]:1234", nil, "fe80::1"},
		{"with a port", "10.1.1.1:1234", []string{"192.0.2.66:1, 198.51.100.1:5678"}, "198.51.100.1"},
		{"IPv6 with a port", "10.1.1.1:1234", []string{"[2001:db8::1]:5678"}, "2001:db8::1"},
		{"not a peer", "@", nil, "invalid IP"},
	}
	for _, test := range tests {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr, r.Header["X-Forwarded-For"] = test.peer, test.forwarded
		if got := clientaddr.Of(r, trusted).String(); got != test.want {
			t.Errorf("%s: got %s, want %s", test.name, got, test.want)
		}
	}
}

func TestIsUnknown(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	for _, tt := range []struct {
		name, peer, forwarded string
		want                  bool
	}{
		{"a client", "203.0.113.7:1234", "", false},
		{"a client through a proxy", "10.1.1.1:1234", "198.51.100.1", false},
		{"a proxy that says nothing", "10.1.1.1:1234", "", true},
		{"a proxy that says nothing we can read", "10.1.1.1:1234", "unknown", true},
		{"a proxy behind which the address of a node is", "10.1.1.1:1234", "10.2.2.2", true},
		{"this machine", "127.0.0.1:1234", "198.51.100.1", true},
		{"a private network", "192.168.1.1:1234", "", true},
		{"no peer", "@", "", true},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = tt.peer
		if tt.forwarded != "" {
			r.Header.Set("X-Forwarded-For", tt.forwarded)
		}
		if got := clientaddr.IsUnknown(r, trusted); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

// A client that no trusted proxy speaks for cannot choose its address.
func FuzzOf(f *testing.F) {
	f.Add("203.0.113.1", false)
	f.Add("203.0.113.1, 10.0.0.1", true)
	f.Add(",, \t::1%eth0,[::1]:80,999.1.1.1", true)
	f.Fuzz(func(t *testing.T, forwardedFor string, viaProxy bool) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = "198.51.100.7:1234"
		if viaProxy {
			r.RemoteAddr = "10.0.0.1:1234"
		}
		r.Header.Set("X-Forwarded-For", forwardedFor)
		address := clientaddr.Of(r, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")})
		if !address.IsValid() || address.Zone() != "" || !viaProxy && address != netip.MustParseAddr("198.51.100.7") {
			t.Errorf("%q: %v", forwardedFor, address)
		}
	})
}
