//go:build strict

package deployments_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// lineAttacks send lines that end, begin or continue otherwise than they should.
func lineAttacks() []attack {
	lf := func(text string) string { return strings.ReplaceAll(text, "\r\n", "\n") }
	long := func(n int) string { return "X: " + strings.Repeat("x", n) }
	return attacksOf("line", nil, map[string]string{
		"LF ends all lines":            lf(post("a=b", "Content-Length: 3")) + hidden,
		"LF ends a line":               head("GET /last", "X: x\nContent-Length: 90"),
		"LF LF ends the header":        head("GET /last", "X: x\n\n"+hidden),
		"CR ends a line":               head("GET /last", "X: x\rContent-Length: 90"),
		"CR in a name":                 head("GET /last", "X\r: x"),
		"NUL in a value":               head("GET /last", "X: \x00"),
		"NUL in a name":                head("GET /last", "X\x00: x"),
		"a folded line":                head("GET /last", "X: x", " Content-Length: 90"),
		"a folded first line":          "GET /last HTTP/1.1\r\n X: x\r\nHost: localhost:PPPPP\r\n\r\n",
		"a space before a colon":       head("GET /last", "X : x"),
		"a space in a name":            head("GET /last", "X Y: x"),
		"no name":                      head("GET /last", ": x"),
		"no colon":                     head("GET /last", "x"),
		"empty lines before":           "\r\n\r\n" + head("GET /last"),
		"two spaces":                   head("GET  /last"),
		"tabs":                         head("GET\t/last"),
		"a space in the target":        head("GET /last x"),
		"a request in the target":      head("GET /last HTTP/1.1\rHost: x\r"),
		"HTTP/0.9":                     "GET /last\r\n" + hidden,
		"HTTP/1.0":                     "GET /last HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + hidden,
		"HTTP/1.9":                     "GET /last HTTP/1.9\r\nHost: localhost:PPPPP\r\n\r\n" + hidden,
		"HTTP/2.0":                     "GET /last HTTP/2.0\r\nHost: localhost:PPPPP\r\n\r\n" + hidden,
		"HTTP/01.1":                    "GET /last HTTP/01.1\r\nHost: localhost:PPPPP\r\n\r\n" + hidden,
		"a method in small letters":    head("get /last"),
		"a method with a colon":        head("GET:POST /last"),
		"a header of 24 KB":            head("GET /last", long(8_000), long(8_000), long(8_000)),
		"a header of 40 KB, in lines":  head("GET /last", slices.Repeat([]string{long(10_000)}, 4)...) + hidden,
		"a header of 40 KB, in one":    head("GET /last", long(40_000)) + hidden,
		"a header of 3,000 lines":      head("GET /last", slices.Repeat([]string{"X: x"}, 3000)...) + hidden,
		"a target of 30 KB":            head("GET /"+strings.Repeat("x", 30_000)) + hidden,
		"a length in a header too big": head("POST /lookup", long(33_000), length(hidden)) + hidden,
	})
}

// targetAttacks name another host, or the same one in another way.
func targetAttacks() []attack {
	without := func(request, lines string) string { return request + " HTTP/1.1\r\n" + lines + "\r\n" + hidden }
	return attacksOf("target", nil, map[string]string{
		"absolute":                  head("GET http://localhost:PPPPP/last"),
		"absolute, of another host": head("GET http://127.0.0.1:8081/metrics"),
		"absolute, with a user":     head("GET http://localhost:PPPPP@127.0.0.1:8081/metrics"),
		"absolute, another scheme":  head("GET file:///etc/passwd"),
		"absolute, no path":         head("GET https://localhost:PPPPP"),
		"absolute, no host":         head("GET http:///last"),
		"two hosts":                 without("GET /last", "Host: localhost:PPPPP\r\nHost: evil.example\r\n"),
		"two hosts, the evil first": without("GET /last", "Host: evil.example\r\nHost: localhost:PPPPP\r\n"),
		"two hosts, one folded":     without("GET /last", "Host: localhost:PPPPP\r\nX: x\r\n Host: evil.example\r\n"),
		"no host":                   without("GET /last", ""),
		"an empty host":             without("GET /last", "Host:\r\n"),
		"a host with a path":        without("GET /last", "Host: localhost:PPPPP/x\r\n"),
		"a host with a user":        without("GET /last", "Host: evil.example@localhost:PPPPP\r\n"),
		"a host with a line":        without("GET /last", "Host: localhost:PPPPP\rX: x\r\n"),
		"a host with NUL":           without("GET /last", "Host: localhost:PPPPP\x00\r\n"),
		"two ports":                 without("GET /last", "Host: localhost:PPPPP:80\r\n"),
		"the host of the bridge":    without("GET /last", "Host: 127.0.0.1:8081\r\nX-Forwarded-Host: localhost:PPPPP\r\n"),
		"asterisk":                  head("OPTIONS *") + hidden,
		"asterisk of a GET":         head("GET *") + hidden,
		"CONNECT of a host":         head("CONNECT 127.0.0.1:8081") + hidden,
		"CONNECT of a path":         head("CONNECT /last") + hidden,
		"no slash":                  head("GET last") + hidden,
		"a fragment":                head("GET /last#/x") + hidden,
		"another path by a header": head("GET /last", "X-Original-URL: /authorize",
			"X-Rewrite-URL: /authorize") + hidden,
		"another method by a header":  head("GET /lookup", "X-HTTP-Method-Override: POST") + hidden,
		"a method by the form":        post("_method=DELETE", "Content-Length: 14") + hidden,
		"the admin API on the public": head("GET /metrics") + head("GET /readyz") + head("GET /api/links"),
	})
}

// connectionAttacks have the proxy remove fields on the way, or send several requests at once.
func connectionAttacks() []attack {
	list := attacksOf("connection", nil, map[string]string{
		"removes the length":           post(hidden, length(hidden), "Connection: Content-Length"),
		"removes the length, a prefix": post(prefix, length(prefix), "Connection: Content-Length"),
		"removes the coding":           post("0\r\n\r\n"+hidden, chunked, "Connection: Transfer-Encoding"),
		"removes the host":             head("GET /last", "Connection: Host") + hidden,
		"removes credentials": head("POST /lookup", "Connection: Authorization",
			"Authorization: Basic eDp5") + hidden,
		"removes the connection": head("GET /last", "Connection: Connection") + hidden,
		"closes and goes on":     head("GET /last", "Connection: keep-alive", "Keep-Alive: timeout=1, max=1") + hidden,
		"a connection of a proxy": head("GET /last", "Proxy-Connection: keep-alive",
			"Proxy-Authorization: Basic eDp5") + hidden,
		"TE: trailers": head("GET /last", "Connection: TE", "TE: trailers, chunked") + hidden,
	})
	requests, want := "", []int{}
	for i := range 20 {
		requests += head([]string{"GET /.well-known/oauth-authorization-server", "GET /nothing", "GET /lookup"}[i%3])
		want = append(want, []int{http.StatusOK, http.StatusNotFound, http.StatusMethodNotAllowed}[i%3])
	}
	want = append(want, http.StatusNotFound)
	return append(list, attack{"connection", "20 requests at once", sendHTTP1(requests), wantStatuses(want)})
}

func wantStatuses(want []int) func([]int) string {
	return func(statuses []int) string {
		if !slices.Equal(statuses, want) {
			return fmt.Sprintf("statuses %v, want %v", statuses, want)
		}
		return ""
	}
}

// upgradeAttacks ask for another protocol, and use it at once.
func upgradeAttacks() []attack {
	const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"
	notUpgraded := func(statuses []int) string {
		if slices.Contains(statuses, http.StatusSwitchingProtocols) {
			return fmt.Sprintf("statuses %v", statuses)
		}
		return ""
	}
	return attacksOf("upgrade", notUpgraded, map[string]string{
		"h2c": head("GET /last", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c",
			"HTTP2-Settings: AAMAAABkAAQAAP__") + preface,
		"h2c by prefix": head("GET /last", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c",
			"HTTP2-Settings: AAMAAABkAAQAAP__") + hidden,
		"h2c of a POST":   post(hidden, length(hidden), "Connection: Upgrade", "Upgrade: h2c") + preface,
		"h2c unannounced": head("GET /last", "Upgrade: h2c") + preface,
		"known before":    preface,
		"websocket": head("GET /last", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
			"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==") + hidden,
		"websocket of a wrong version": head("GET /last", "Connection: Upgrade", "Upgrade: websocket",
			"Sec-WebSocket-Version: 777", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==") + hidden,
		"TLS":            head("OPTIONS /last", "Connection: Upgrade", "Upgrade: TLS/1.0") + hidden,
		"an unknown one": head("GET /last", "Connection: Upgrade", "Upgrade: x") + hidden,
		"an empty one":   head("GET /last", "Connection: Upgrade", "Upgrade:") + hidden,
		"with chunks": head("POST /last", "Connection: Upgrade", "Upgrade: websocket", chunked) +
			"0\r\n\r\n" + hidden,
		"CONNECT, tunnel": head("CONNECT localhost:PPPPP", "Connection: Upgrade", "Upgrade: websocket") + hidden,
	})
}

// pathAttacks spell the path of a page otherwise, past a rule of the proxy for that path. None may be served.
func pathAttacks() []attack {
	notServed := func(statuses []int) string {
		if slices.ContainsFunc(statuses, func(status int) bool { return status < http.StatusBadRequest }) {
			return fmt.Sprintf("statuses %v", statuses)
		}
		return ""
	}
	texts := map[string]string{}
	for _, path := range []string{
		"//authorize", "/./authorize", "/x/../authorize", "/%2e%2e/authorize", "/%2e/authorize",
		"/x/%2e%2e/authorize", "/authorize%2f",
		"/authorize/", "/authorize/.", "/authorize%20", "/authorize%00", "/authorize;x=y", "/;x=y/authorize",
		"/%61uthorize", "/AUTHORIZE",
		"/authorize%3f", "/authorize%23", "/%2fauthorize", `/\authorize`, "/%5cauthorize", "/x/..;/authorize",
		"/authorize..;/", "///authorize",
		"/authoriz\u0435", "/%c0%afauthorize", "/authorize%0d%0aX:x", "/authorize\x7f",
	} {
		texts[fmt.Sprintf("%q", path)] = head("GET " + strings.Replace(page, "/authorize", path, 1))
	}
	return attacksOf("path", notServed, texts)
}

// addressAttacks name addresses of others, to pass the limit of their own. The page after those permitted must be
// refused.
func addressAttacks() []attack {
	var list []attack
	for name, lines := range map[string]string{
		"none":                   "X: x",
		"X-Forwarded-For":        "X-Forwarded-For: 203.0.113.N",
		"two":                    "X-Forwarded-For: 203.0.113.N\r\nX-Forwarded-For: 198.51.100.N",
		"a list":                 "X-Forwarded-For: 203.0.113.N, 198.51.100.N, 127.0.0.1",
		"a comma behind":         "X-Forwarded-For: 203.0.113.N,",
		"no address":             "X-Forwarded-For: unknownN",
		"IPv6":                   "X-Forwarded-For: 2001:db8:N::1",
		"small letters":          "x-forwarded-for: 203.0.113.N",
		"an underscore":          "X_Forwarded_For: 203.0.113.N",
		"a space":                "X-Forwarded-For : 203.0.113.N",
		"a folded line":          "X-Forwarded-For:\r\n 203.0.113.N",
		"a tab":                  "X-Forwarded-For:\t203.0.113.N",
		"Forwarded":              "Forwarded: for=203.0.113.N",
		"others":                 "X-Real-IP: 203.0.113.N\r\nTrue-Client-IP: 203.0.113.N\r\nCF-Connecting-IP: 203.0.113.N",
		"removed":                "Connection: X-Forwarded-For",
		"removed and sent":       "Connection: X-Forwarded-For\r\nX-Forwarded-For: 203.0.113.N",
		"removed, small letters": "Connection: keep-alive, x-forwarded-for\r\nx-forwarded-for: 203.0.113.N",
		"removed twice":          "Connection: X-Forwarded-For\r\nConnection: X-Forwarded-For, X-Forwarded-Host",
	} {
		text := ""
		for n := range pagesPerMinute + 1 {
			text += head("GET "+page, strings.ReplaceAll(lines, "N", fmt.Sprint(n+1)))
		}
		list = append(list, attack{"address", name, sendHTTP1(text), limited})
	}
	return list
}

// limited reports more pages than one address may have. A proxy may refuse the requests itself.
func limited(statuses []int) string {
	served := 0
	for _, status := range statuses {
		if status < http.StatusBadRequest {
			served++
		}
	}
	refused := slices.Contains(statuses, http.StatusTooManyRequests)
	if served > pagesPerMinute || served > 0 && !refused {
		return fmt.Sprintf("statuses %v", statuses)
	}
	return ""
}
