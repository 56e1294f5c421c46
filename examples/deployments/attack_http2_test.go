//go:build strict

package deployments_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// http2Attacks are attempts by HTTP/2, which the proxy translates to HTTP/1.1. Each must be refused, or be one request.
func http2Attacks() []attack {
	chunks := "0\r\n\r\n" + hidden
	var list []attack
	for name, text := range map[string]struct{ fields, body string }{
		"H2.CL, 0":                     {"content-length: 0", hidden},
		"H2.CL, shorter":               {"content-length: 5", hidden},
		"H2.CL, longer":                {"content-length: 500", hidden},
		"H2.CL, a prefix":              {"content-length: 0", prefix},
		"H2.CL, two":                   {"content-length: 0|content-length: 41", hidden},
		"H2.CL, a list":                {"content-length: 0, 41", hidden},
		"H2.CL, a sign":                {"content-length: +0", hidden},
		"H2.CL, no body":               {"content-length: 41", ""},
		"H2.TE":                        {"transfer-encoding: chunked", chunks},
		"H2.TE, a prefix":              {"transfer-encoding: chunked", "0\r\n\r\n" + prefix},
		"H2.TE, large letters":         {"Transfer-Encoding: chunked", chunks},
		"H2.TE, a space":               {"transfer-encoding : chunked", chunks},
		"H2.TE, a line in a value":     {"x: x\r\nTransfer-Encoding: chunked", chunks},
		"H2.TE, LF in a value":         {"x: x\nTransfer-Encoding: chunked", chunks},
		"H2.TE, CR in a value":         {"x: x\rTransfer-Encoding: chunked", chunks},
		"H2.TE, a line in a name":      {"x\r\nTransfer-Encoding: chunked", chunks},
		"a request in a value":         {"x: x\r\n\r\n" + hidden, ""},
		"a prefix in a value":          {"x: x\r\n\r\n" + prefix, ""},
		"NUL in a value":               {"x: \x00", hidden},
		"a colon in a name":            {"x:y: z", hidden},
		"a space in a name":            {"x y: z", hidden},
		"an empty name":                {"", hidden},
		"a line in the path":           {":path: /last HTTP/1.1\r\nHost: localhost:PPPPP\r\n\r\n" + prefix, ""},
		"a space in the path":          {":path: /last HTTP/1.1", hidden},
		"a path without a slash":       {":path: last", hidden},
		"an empty path":                {":path: ", hidden},
		"an absolute path":             {":path: http://127.0.0.1:8081/metrics", hidden},
		"an asterisk":                  {":path: *", hidden},
		"two paths":                    {":path: /last|+:path: /hidden", hidden},
		"a path behind a field":        {"x: x|+:path: /hidden", hidden},
		"a line in the method":         {":method: GET /hidden HTTP/1.1\r\nHost: localhost:PPPPP\r\n\r\nGET", ""},
		"a space in the method":        {":method: GET /hidden", ""},
		"a line in the scheme":         {":scheme: https\r\nx: y", hidden},
		"a path in the scheme":         {":scheme: http://evil.example/x?", hidden},
		"a line in the authority":      {":authority: localhost:PPPPP\r\nTransfer-Encoding: chunked", chunks},
		"a user in the authority":      {":authority: localhost:PPPPP@evil.example", hidden},
		"a path in the authority":      {":authority: localhost:PPPPP/x", hidden},
		"another host":                 {"host: evil.example", hidden},
		"two hosts":                    {"host: localhost:PPPPP|host: evil.example", hidden},
		"an unknown pseudo-header":     {":x: y", hidden},
		"a status":                     {":status: 200", hidden},
		"an upgrade":                   {"connection: upgrade|upgrade: h2c", hidden},
		"an upgrade to websocket":      {"upgrade: websocket|sec-websocket-version: 13", hidden},
		"a connection":                 {"connection: content-length", hidden},
		"removes the address":          {"connection: x-forwarded-for", hidden},
		"an address":                   {"x-forwarded-for: 203.0.113.9", hidden},
		"TE: gzip":                     {"te: gzip", hidden},
		"Expect":                       {"expect: 100-continue|content-length: 500", hidden},
		"a tunnel":                     {":method: CONNECT", hidden},
		"a tunnel of websocket":        {":method: CONNECT|:protocol: websocket", hidden},
		"TRACE":                        {":method: TRACE", hidden},
		"a body of a GET":              {":method: GET", hidden},
		"a body of a HEAD":             {":method: HEAD|:path: /last", hidden},
		"a form that is too large":     {strings.ToLower(formType), strings.Repeat("a", 9<<10) + hidden},
		"a header that is too large":   {"x: " + strings.Repeat("x", 40_000), ""},
		"a header of 24 KB":            {"x: " + strings.Repeat("x", 12_000) + "|y: " + strings.Repeat("y", 12_000), ""},
		"cookies in 500 parts":         {strings.TrimSuffix(strings.Repeat("cookie: a=b|", 500), "|"), hidden},
		"a cookie that ends the line":  {"cookie: a=b\r\n\r\n" + hidden + "|cookie: c", ""},
		"a path of another spelling":   {":path: /%2e%2e/authorize", ""},
		"a path with a line in escape": {":path: /last%0d%0aX:%20x%0d%0a%0d%0aGET%20/hidden", ""},
	} {
		list = append(list, attack{"HTTP/2", name, sendHTTP2(text.fields, text.body), nil})
	}
	return list
}

// sendHTTP2 returns a function that sends a POST of /lookup with more fields or others, separated by "|", and another
// request on the same connection. It returns the statuses of the responses.
func sendHTTP2(fields, body string) func(*proxy, string) ([]int, error) {
	return func(p *proxy, from string) ([]int, error) {
		origin, err := url.Parse(p.origin)
		if err != nil {
			return nil, err
		}
		conn, err := dial(context.Background(), origin.Port(), from, "h2")
		if err != nil {
			return nil, err
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(5 * time.Second))
		at := ":scheme: https|:authority: localhost:PPPPP|"
		withPort := func(text string) string { return strings.ReplaceAll(text, "PPPPP", origin.Port()) }
		first, last := at+":method: POST|:path: /lookup|"+fields, at+":method: GET|:path: /last"
		return exchangeHTTP2(conn, withPort(first), withPort(body), withPort(last))
	}
}

// exchangeHTTP2 writes two requests, and reads until both streams, or the connection, have ended.
func exchangeHTTP2(conn net.Conn, first, body, last string) (statuses []int, err error) {
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		return nil, err
	}
	framer := http2.NewFramer(conn, conn)
	framer.AllowIllegalWrites = true
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	framer.WriteSettings()
	writeRequest(framer, 1, encode(first), body)
	writeRequest(framer, 3, encode(last), "")
	for ended := map[uint32]bool{}; len(ended) < 2; {
		frame, err := framer.ReadFrame()
		if err != nil {
			return statuses, nil // closed, as it should be for some
		}
		switch frame := frame.(type) {
		case *http2.MetaHeadersFrame:
			status, err := strconv.Atoi(frame.PseudoValue("status"))
			if err != nil {
				return nil, fmt.Errorf("a response without a status: %w", err)
			}
			statuses = append(statuses, status)
			if frame.StreamEnded() {
				ended[frame.StreamID] = true
			}
		case *http2.DataFrame:
			if frame.StreamEnded() {
				ended[frame.StreamID] = true
			}
		case *http2.RSTStreamFrame:
			ended[frame.StreamID] = true
		case *http2.GoAwayFrame:
			if frame.ErrCode != http2.ErrCodeNo {
				return statuses, nil
			}
		}
	}
	return statuses, nil
}

// encode encodes fields. A pseudo-header that comes again takes the place of the earlier, unless "+" is before it.
func encode(fields string) []byte {
	var list []hpack.HeaderField
	for line := range strings.SplitSeq(fields, "|") {
		line, isMore := strings.CutPrefix(line, "+")
		name, value := line, ""
		if at := strings.Index(line, ": "); at > 0 {
			name, value = line[:at], line[at+2:]
		}
		field := hpack.HeaderField{Name: name, Value: value}
		i := slices.IndexFunc(list, func(f hpack.HeaderField) bool { return f.Name == name })
		if i >= 0 && strings.HasPrefix(name, ":") && !isMore {
			list[i] = field
		} else {
			list = append(list, field)
		}
	}
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, field := range list {
		encoder.WriteField(field)
	}
	return block.Bytes()
}

// writeRequest writes a header, in as many frames as it needs, and a body.
func writeRequest(framer *http2.Framer, stream uint32, block []byte, body string) {
	const frame = 16 << 10
	rest := block[min(frame, len(block)):]
	framer.WriteHeaders(http2.HeadersFrameParam{
		StreamID: stream, BlockFragment: block[:len(block)-len(rest)], EndStream: body == "", EndHeaders: len(rest) == 0,
	})
	for len(rest) > 0 {
		next := rest[:min(frame, len(rest))]
		rest = rest[len(next):]
		framer.WriteContinuation(stream, len(rest) == 0, next)
	}
	for len(body) > 0 {
		next := body[:min(frame, len(body))]
		body = body[len(next):]
		framer.WriteData(stream, body == "", []byte(next))
	}
}
