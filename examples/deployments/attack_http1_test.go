//go:build strict

package deployments_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// pagesPerMinute is how many pages the bridge serves to one address: enough for every attack but those on the limit.
const pagesPerMinute = 25

const (
	hidden = "GET /hidden HTTP/1.1\r\nHost: localhost:PPPPP\r\n\r\n"     // complete
	prefix = "GET /hidden HTTP/1.1\r\nHost: localhost:PPPPP\r\nX-Rest: " // takes the next request into its header
	page   = "/authorize?client_id=pizza&response_type=token&state=0123456789" +
		"&redirect_uri=https%3A%2F%2Flayla.amazon.com%2Fapi%2Fskill%2Flink%2FM2AAAAAAAAAAAA"
)

// http1Attacks are attempts by HTTP/1.1. In what they send, PPPPP stands for the proxy's port, which has as many
// digits.
func http1Attacks() []attack {
	return slices.Concat(lengthAttacks(), codingAttacks(), chunkAttacks(), bodyAttacks(), lineAttacks(), targetAttacks(),
		connectionAttacks(), upgradeAttacks(), pathAttacks(), addressAttacks())
}

// head returns a request without a body. The lines follow its Host.
func head(request string, lines ...string) string {
	first := []string{request + " HTTP/1.1", "Host: localhost:PPPPP"}
	return strings.Join(slices.Concat(first, lines, []string{"", ""}), "\r\n")
}

const formType = "Content-Type: application/x-www-form-urlencoded"

func post(body string, lines ...string) string {
	return head("POST /lookup", append([]string{formType}, lines...)...) + body
}

func length(body string) string { return fmt.Sprint("Content-Length: ", len(body)) }

const chunked = "Transfer-Encoding: chunked"

// attacksOf returns attacks of one class that send texts by name.
func attacksOf(class string, check func([]int) string, texts map[string]string) []attack {
	var list []attack
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		list = append(list, attack{class, name, sendHTTP1(texts[name]), check})
	}
	return list
}

// sendHTTP1 returns a function that sends a text and a request of /last on one connection, and returns the statuses of
// the responses until that is closed. Some texts leave the proxy waiting for more.
func sendHTTP1(text string) func(*proxy, string) ([]int, error) {
	const patience = 5 * time.Second
	return func(p *proxy, from string) ([]int, error) {
		origin, err := url.Parse(p.origin)
		if err != nil {
			return nil, err
		}
		conn, err := dial(context.Background(), origin.Port(), from, "http/1.1")
		if err != nil {
			return nil, err
		}
		defer conn.Close()
		conn.SetWriteDeadline(time.Now().Add(10 * time.Second))
		last := head("GET /last", "Connection: close")
		// The proxy may close before the end.
		io.WriteString(conn, strings.ReplaceAll(text+last, "PPPPP", origin.Port()))
		reader := bufio.NewReader(conn)
		var statuses []int
		for {
			conn.SetReadDeadline(time.Now().Add(patience))
			response, err := http.ReadResponse(reader, nil)
			if err != nil {
				return statuses, nil
			}
			io.Copy(io.Discard, response.Body)
			response.Body.Close()
			statuses = append(statuses, response.StatusCode)
		}
	}
}

// lengthAttacks send lengths that a proxy and a server may read differently.
func lengthAttacks() []attack {
	return attacksOf("length", nil, map[string]string{
		"two":                       post(hidden, "Content-Length: 0", length(hidden)),
		"two, the longer first":     post(hidden, length(hidden), "Content-Length: 0"),
		"two that agree":            post(hidden, length(hidden), length(hidden)),
		"a list":                    post(hidden, fmt.Sprint("Content-Length: 0, ", len(hidden))),
		"a list that agrees":        post(hidden, fmt.Sprintf("Content-Length: %d, %[1]d", len(hidden))),
		"a sign":                    post(hidden, fmt.Sprint("Content-Length: +", len(hidden))),
		"negative":                  post(hidden, "Content-Length: -1"),
		"hexadecimal":               post(hidden, fmt.Sprintf("Content-Length: %#x", len(hidden))),
		"octal":                     post(hidden, fmt.Sprintf("Content-Length: 0%d", len(hidden))),
		"a fraction":                post(hidden, fmt.Sprintf("Content-Length: %d.0", len(hidden))),
		"2 to the 64th":             post(hidden, "Content-Length: 18446744073709551616"),
		"NUL behind":                post(hidden, length(hidden)+"\x00"),
		"a vertical tab":            post(hidden, fmt.Sprintf("Content-Length:\v%d", len(hidden))),
		"a space before the colon":  post(hidden, fmt.Sprint("Content-Length : ", len(hidden))),
		"an underscore":             post(hidden, fmt.Sprint("Content_Length: ", len(hidden))),
		"a folded line":             post(hidden, fmt.Sprint("Content-Length:\r\n ", len(hidden))),
		"empty":                     post(hidden, "Content-Length:"),
		"none":                      post(hidden),
		"a prefix behind a length":  post(prefix, "Content-Length: 0", length(prefix)),
		"a prefix without a length": post(prefix),
	})
}

// codingAttacks send both a length and chunks, or a coding that only one side recognizes.
func codingAttacks() []attack {
	ends := "0\r\n\r\n"
	texts := map[string]string{
		"CL.TE":             post(ends+hidden, length(ends+hidden), chunked),
		"CL.TE, the prefix": post(ends+prefix, length(ends+prefix), chunked),
		"TE.CL": post(fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(hidden), hidden), chunked,
			"Content-Length: 4"),
		"TE.0": post(fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(hidden), hidden), chunked,
			"Content-Length: 0"),
		"chunks in HTTP/1.0": strings.Replace(post(ends+hidden, chunked, length(ends+hidden), "Connection: keep-alive"),
			"HTTP/1.1", "HTTP/1.0", 1),
		"chunks of a GET": head("GET /lookup", chunked) + ends + hidden,
	}
	for _, coding := range []string{
		"Transfer-Encoding: xchunked", "Transfer-Encoding: chunkedx", "Transfer-Encoding : chunked",
		"Transfer-Encoding:\tchunked",
		"Transfer-Encoding:\vchunked", "Transfer-Encoding:chunked ", `Transfer-Encoding: "chunked"`,
		"Transfer-Encoding: CHUNKED",
		"Transfer-Encoding: chunked, identity", "Transfer-Encoding: identity, chunked",
		"Transfer-Encoding: chunked, chunked",
		"Transfer-Encoding: chunked\r\nTransfer-Encoding: x", "Transfer-Encoding: x\r\nTransfer-Encoding: chunked",
		"Transfer-Encoding: gzip, chunked", "Transfer-Encoding: chunked;x=y", "Transfer-Encoding: chunked\x00",
		"Transfer-Encoding: ,chunked", "Transfer-Encoding:\r\n chunked", " Transfer-Encoding: chunked",
		"X: x\nTransfer-Encoding: chunked",
		"X: x\rTransfer-Encoding: chunked", "Transfer_Encoding: chunked", "Transfer-Encoding\r\n: chunked",
		"TransferEncoding: chunked",
		"\x00Transfer-Encoding: chunked", "Transfer-Encoding:\u00a0chunked",
	} {
		texts[fmt.Sprintf("TE.TE by %q", coding)] = post(ends+hidden, coding, length(ends+hidden))
		texts[fmt.Sprintf("TE alone by %q", coding)] = post(ends+hidden, coding)
	}
	return attacksOf("coding", nil, texts)
}

// chunkAttacks send chunks whose ends a proxy and a server may see at different places.
func chunkAttacks() []attack {
	texts := map[string]string{}
	for name, body := range map[string]string{
		"an extension":              "3;x=y\r\na=b\r\n0\r\n\r\n" + hidden,
		"a quoted extension":        "3;x=\"\r\n\"\r\na=b\r\n0\r\n\r\n" + hidden,
		"LF ends an extension":      "3;\na=b\r\n0\r\n\r\n" + hidden,
		"CR in an extension":        "3;x\rx\r\na=b\r\n0\r\n\r\n" + hidden,
		"an extension of 20 KB":     "3;x=" + strings.Repeat("y", 20_000) + "\r\na=b\r\n0\r\n\r\n" + hidden,
		"LF ends a size":            "3\na=b\r\n0\r\n\r\n" + hidden,
		"LF ends all":               "3\na=b\n0\n\n" + hidden,
		"two bytes end a chunk":     "3\r\na=bXX0\r\n\r\n" + hidden,
		"zeros before a size":       "000000000000000003\r\na=b\r\n0\r\n\r\n" + hidden,
		"many zeros":                "3\r\na=b\r\n0000000000000000000000\r\n\r\n" + hidden,
		"0x before a size":          "0x3\r\na=b\r\n0\r\n\r\n" + hidden,
		"a sign":                    "+3\r\na=b\r\n0\r\n\r\n" + hidden,
		"a space":                   " 3 \r\na=b\r\n0 \r\n\r\n" + hidden,
		"an underscore":             "0_3\r\na=b\r\n0\r\n\r\n" + hidden,
		"a size that overflows":     "10000000000000003\r\na=b\r\n0\r\n\r\n" + hidden,
		"no size":                   "\r\na=b\r\n0\r\n\r\n" + hidden,
		"a length as trailer":       "3\r\na=b\r\n0\r\nContent-Length: 90\r\n\r\n" + hidden,
		"a coding as trailer":       "3\r\na=b\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n" + hidden,
		"an address as trailer":     "3\r\na=b\r\n0\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n" + hidden,
		"a trailer without an end":  "3\r\na=b\r\n0\r\nX: " + hidden,
		"a trailer ended by LF LF":  "3\r\na=b\r\n0\r\nX: y\n\n" + hidden,
		"no last chunk":             "3\r\na=b\r\n" + hidden,
		"many chunks of one byte":   strings.Repeat("1\r\na\r\n", 2000) + "0\r\n\r\n" + hidden,
		"more than a form may have": "4000\r\n" + strings.Repeat("a", 0x4000) + "\r\n0\r\n\r\n" + hidden,
	} {
		texts[name] = post(body, chunked)
	}
	return attacksOf("chunks", nil, texts)
}

// bodyAttacks send bodies where none is read, and none where one is announced (CL.0, 0.CL).
func bodyAttacks() []attack {
	texts := map[string]string{}
	for _, request := range []string{
		"GET /lookup", "GET /authorize", "POST /authorize", "POST /callback/corp",
		"GET /callback/corp?code=x&state=y", "POST /last",
		"POST /.well-known/oauth-authorization-server", "GET /.well-known/oauth-authorization-server", "PUT /token",
		"POST /consent",
		"POST /token", "POST /revoke", "GET /userinfo", "OPTIONS /lookup", "DELETE /lookup", "PATCH /x", "TRACE /x",
		"POST /try/x",
	} {
		texts["CL.0, "+request] = head(request, length(hidden)) + hidden
		texts["CL.0 with a prefix, "+request] = head(request, length(prefix)) + prefix
	}
	large := strings.Repeat("a", 9<<10)
	texts["a form that is too large"] = post(large+hidden, length(large+hidden))
	texts["a body that is too large, unread"] = head("POST /last", length(large+hidden)) + large + hidden
	texts["0.CL"] = head("GET /last", length(hidden))
	texts["a request that announces the next one"] = head("POST /lookup", length(hidden)) + hidden
	for _, expect := range []string{"100-continue", "100-Continue", "y 100-continue", "200-ok", " "} {
		texts["Expect: "+expect] = post("a=b"+hidden, "Expect: "+expect, "Content-Length: 3")
		texts["Expect: "+expect+", no body follows"] = post(hidden, "Expect: "+expect, length(hidden))
		texts["Expect: "+expect+" of a GET"] = head("GET /last", "Expect: "+expect, length(prefix)) + prefix
	}
	return attacksOf("body", nil, texts)
}
