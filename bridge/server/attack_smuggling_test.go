//go:build strict

package server_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// smugglingAttacks send bytes that a proxy in front could read as one request and the server as two. Each must end the
// connection with an error, or be read as one request.
func smugglingAttacks() []attack {
	const hidden = "GET /userinfo HTTP/1.1\r\nHost: x\r\n\r\n"
	chunked := "0\r\n\r\n" + hidden
	post := func(body string, lines ...string) string {
		return "POST /lookup HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n" +
			strings.Join(append(lines, "", body), "\r\n")
	}
	var list []attack
	for name, bytes := range map[string]string{
		"length and chunks": post(chunked, fmt.Sprint("Content-Length: ", len(chunked)),
			"Transfer-Encoding: chunked"),
		"chunks and length": post(chunked, "Transfer-Encoding: chunked",
			fmt.Sprint("Content-Length: ", len(chunked))),
		"two lengths":             post(hidden, "Content-Length: 0", fmt.Sprint("Content-Length: ", len(hidden))),
		"a list of lengths":       post(hidden, fmt.Sprint("Content-Length: 0, ", len(hidden))),
		"a signed length":         post(hidden, fmt.Sprint("Content-Length: +", len(hidden))),
		"a negative length":       post(hidden, "Content-Length: -1"),
		"a length in hexadecimal": post(hidden, "Content-Length: 0x0"),
		"an unknown coding":       post(chunked, "Transfer-Encoding: xchunked"),
		"two codings":             post(chunked, "Transfer-Encoding: chunked, identity"),
		"the coding twice":        post(chunked, "Transfer-Encoding: chunked", "Transfer-Encoding: identity"),
		"a space before the colon": post(chunked, "Transfer-Encoding : chunked",
			fmt.Sprint("Content-Length: ", len(chunked))),
		"a folded line": post(chunked, "Transfer-Encoding:", " chunked",
			fmt.Sprint("Content-Length: ", len(chunked))),
		"a vertical tab": post(chunked, "Transfer-Encoding:\vchunked",
			fmt.Sprint("Content-Length: ", len(chunked))),
		"NUL in a header": post(chunked, "X: \x00", "Transfer-Encoding: chunked",
			fmt.Sprint("Content-Length: ", len(chunked))),
		"chunks in HTTP/1.0": strings.Replace(post(chunked, "Transfer-Encoding: chunked", "Content-Length: 3"),
			"HTTP/1.1", "HTTP/1.0", 1),
		"a chunk size that overflows":     post("ffffffffffffffff1\r\n"+chunked, "Transfer-Encoding: chunked"),
		"a chunk size with a sign":        post("+0\r\n\r\n"+hidden, "Transfer-Encoding: chunked"),
		"a space in the request line":     "GET /userinfo HTTP/1.1 HTTP/1.1\r\nHost: x\r\n\r\n" + hidden,
		"no host":                         "GET /userinfo HTTP/1.1\r\n\r\n" + hidden,
		"two hosts":                       "GET /userinfo HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n" + hidden,
		"a line break in the request URI": "GET /userinfo\rHTTP/1.1\r\nHost: x\r\n\r\n" + hidden,
	} {
		list = append(list, attack{"smuggling", name, func(v *target) string { return v.smuggled(bytes) }})
	}
	return list
}

// smuggled sends bytes and reports a second response.
func (v *target) smuggled(bytes string) string {
	v.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(v.Origin, "http://"))
	if err != nil {
		v.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, bytes); err != nil {
		return ""
	}
	conn.(*net.TCPConn).CloseWrite()
	reader := bufio.NewReader(conn)
	var statuses []int
	for {
		response, err := http.ReadResponse(reader, nil)
		if err != nil {
			break
		}
		io.Copy(io.Discard, response.Body)
		response.Body.Close()
		statuses = append(statuses, response.StatusCode)
	}
	if len(statuses) > 1 {
		return fmt.Sprintf("responses %v", statuses)
	}
	return ""
}
