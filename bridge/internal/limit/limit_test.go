package limit_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge/internal/limit"
)

// requestFrom returns a request that came from a peer, forwarded for an address or not.
func requestFrom(peer, forwardedFor string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.RemoteAddr = netip.AddrPortFrom(netip.MustParseAddr(peer), 4711).String()
	if forwardedFor != "" {
		r.Header.Set("X-Forwarded-For", forwardedFor)
	}
	return r
}

func TestByAddress(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	limits := limit.NewByAddress(30, trusted, func() time.Time { return now })
	takeAll := func(r *http.Request) {
		for range 30 {
			if wait := limits.Take(r); wait != 0 {
				t.Fatalf("%s must wait %v", r.RemoteAddr, wait)
			}
		}
	}
	attacker := requestFrom("198.51.100.1", "203.0.113.77") // which is not believed
	takeAll(attacker)
	if wait := limits.Take(attacker); wait != 2*time.Second {
		t.Errorf("after 30 in a minute: %v, want 2s", wait)
	}
	for name, r := range map[string]*http.Request{
		"another address":                    requestFrom("198.51.100.2", ""),
		"the address that the other claimed": requestFrom("203.0.113.77", ""),
		"through a proxy":                    requestFrom("10.0.0.1", "198.51.100.3"),
		"through a proxy that is not known":  requestFrom("127.0.0.1", "198.51.100.1"),
	} {
		if wait := limits.Take(r); wait != 0 {
			t.Errorf("%s must wait %v", name, wait)
		}
	}
	for _, r := range []*http.Request{
		requestFrom("198.51.100.1", ""), requestFrom("10.0.0.1", "203.0.113.5, 198.51.100.1"),
	} {
		if limits.Wait(r) == 0 {
			t.Errorf("%s, forwarded for %s, need not wait", r.RemoteAddr, r.Header.Get("X-Forwarded-For"))
		}
	}
	now = now.Add(2 * time.Second)
	for range 2 { // Wait takes nothing
		if wait := limits.Wait(attacker); wait != 0 {
			t.Errorf("after 2 s: %v", wait)
		}
	}
	if limits.Take(attacker) != 0 || limits.Take(attacker) == 0 {
		t.Error("2 s are not worth one")
	}

	takeAll(requestFrom("2001:db8:1:2::1", ""))
	if limits.Take(requestFrom("2001:db8:1:2:ffff::9", "")) == 0 {
		t.Error("another address of the same /64 has a limit of its own")
	}
	if limits.Take(requestFrom("2001:db8:1:3::1", "")) != 0 {
		t.Error("another /64 shares the limit")
	}
	none := limit.NewByAddress(0, nil, time.Now)
	for range 1000 {
		if none.Take(attacker) != 0 {
			t.Fatal("a limit of 0 limits")
		}
	}
	unknown := limit.NewByAddress(1, nil, time.Now)
	for _, peer := range []string{"127.0.0.1", "::1", "192.168.1.2", "fd00::1", "169.254.1.1"} {
		for range 3 {
			if unknown.Take(requestFrom(peer, "198.51.100.1")) != 0 {
				t.Errorf("%s is limited, though everybody may come through it", peer)
			}
		}
	}
}
