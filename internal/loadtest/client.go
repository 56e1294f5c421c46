package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
)

// askAsTold is the role client: it puts a load on a server and prints the result.
func askAsTold(task io.Reader, stdout io.Writer) error {
	var l load
	if err := json.NewDecoder(task).Decode(&l); err != nil {
		return err
	}
	requests, err := l.requests()
	if err != nil {
		return err
	}
	made, err := askAll(context.Background(), l, requests, func(_ int, r reply) bool { return r.status == http.StatusOK })
	if err != nil {
		return err
	}
	return json.NewEncoder(stdout).Encode(made)
}

// requests are those of the file of bodies.
func (l load) requests() ([][]byte, error) {
	bodies, err := os.ReadFile(l.Bodies)
	if err != nil {
		return nil, err
	}
	requests := make([][]byte, 0, bytes.Count(bodies, []byte("\n")))
	for body := range bytes.Lines(bodies) {
		requests = append(requests, l.request(bytes.TrimSpace(body)))
	}
	return requests, nil
}

// request writes a request as it goes over the wire.
func (l load) request(body []byte) []byte {
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nAuthorization: %s\r\nContent-Type: application/x-www-form-urlencoded\r\n"+
		"Content-Length: %d\r\n\r\n%s", l.Path, l.Address, basic(l.User, l.Secret), len(body), body)
}

// askAll sends requests in turn over some connections at once, until the time is over or each was sent once. Good says whether
// the reply to a request, by its place, is as it should be.
func askAll(ctx context.Context, l load, requests [][]byte, good func(i int, r reply) bool) (result, error) {
	if len(requests) == 0 {
		return result{}, nil
	}
	connections, err := connect(l.Address, l.Connections)
	if err != nil {
		return result{}, err
	}
	defer hangUp(connections)
	p := pace{Callers: l.Connections, Duration: l.Duration}
	if l.Once {
		p = pace{Callers: l.Connections, Count: len(requests)}
	}
	var faults atomic.Int64
	made, err := p.keep(ctx, func(caller, i int) error {
		r, err := connections[caller].ask(requests[i%len(requests)])
		if err == nil && !good(i%len(requests), r) {
			faults.Add(1)
		}
		return err
	})
	made.Faults = int(faults.Load())
	return made, err
}

// connection is a kept connection. It reads only what a server of ours writes: answers with a Content-Length.
type connection struct {
	net.Conn
	reader *bufio.Reader
	buffer []byte
}

// reply is an answer. Head and body stay good until the connection is asked again.
type reply struct {
	status int
	head   []byte
	body   []byte
}

func connect(address string, count int) ([]*connection, error) {
	var made []*connection
	for range count {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			hangUp(made)
			return nil, err
		}
		made = append(made, &connection{Conn: conn, reader: bufio.NewReader(conn)})
	}
	return made, nil
}

func hangUp(connections []*connection) {
	for _, c := range connections {
		c.Close()
	}
}

func (c *connection) ask(request []byte) (r reply, err error) {
	if _, err := c.Write(request); err != nil {
		return reply{}, err
	}
	c.buffer = c.buffer[:0]
	for !bytes.HasSuffix(c.buffer, []byte("\r\n\r\n")) {
		line, err := c.reader.ReadSlice('\n')
		if err != nil {
			return reply{}, err
		}
		c.buffer = append(c.buffer, line...)
	}
	head := len(c.buffer)
	length, status, err := readHead(c.buffer)
	if err != nil {
		return reply{}, err
	}
	c.buffer = slices.Grow(c.buffer, length)[:head+length]
	if _, err := io.ReadFull(c.reader, c.buffer[head:]); err != nil {
		return reply{}, err
	}
	return reply{status: status, head: c.buffer[:head], body: c.buffer[head:]}, nil
}

func readHead(head []byte) (length, status int, err error) {
	const name = "\r\nContent-Length: "
	_, rest, found := bytes.Cut(head, []byte(name))
	value, _, _ := bytes.Cut(rest, []byte("\r\n"))
	if !found || len(head) < len("HTTP/1.1 200") {
		return 0, 0, errors.New("an answer without its length")
	}
	if length, err = strconv.Atoi(string(value)); err != nil {
		return 0, 0, err
	}
	status, err = strconv.Atoi(strings.TrimSpace(string(head[len("HTTP/1.1 "):len("HTTP/1.1 200")])))
	return length, status, err
}
