package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/sqlstore"
)

// answer is an answer to be written, and its status and headers.
type answer struct {
	Header http.Header
	Body   []byte
}

// bareTask is what the bare server is to do.
type bareTask struct {
	Answer   answer
	Timeouts bool // those of the bridge
	// Database is where the token of a request is looked up before the answer is written. nil: the body is read, and that is all.
	Database *sqlstore.Options
}

// serveBare is the least that a net/http server can do for a lookup: it reads the body and writes the answer, always the same
// one, with the headers that the bridge writes. It prints where it listens and serves until it is ended.
func serveBare(task io.Reader, stdout io.Writer) error {
	var told bareTask
	if err := json.NewDecoder(task).Decode(&told); err != nil {
		return err
	}
	read := discard
	if told.Database != nil {
		store, err := sqlstore.Open(context.Background(), *told.Database)
		if err != nil {
			return err
		}
		read = lookUpIn(store)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Fprintln(stdout, listener.Addr())
	return newBareServer(told, read).Serve(listener)
}

func discard(r *http.Request) error {
	_, err := io.Copy(io.Discard, r.Body)
	return err
}

func lookUpIn(store *sqlstore.Store) func(*http.Request) error {
	return func(r *http.Request) error {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return err
		}
		_, err = store.Lookup(r.Context(), bridge.HashOf(strings.TrimPrefix(string(body), "token=")))
		return err
	}
}

func newBareServer(told bareTask, read func(*http.Request) error) *http.Server {
	type field struct {
		name   string
		values []string
	}
	var fields []field             // a map would take longer to go through
	told.Answer.Header.Del("Date") // net/http writes it itself
	for name, values := range told.Answer.Header {
		fields = append(fields, field{name, values})
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := read(r); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		header := w.Header()
		for i := range fields {
			header[fields[i].name] = fields[i].values
		}
		w.Write(told.Answer.Body)
	})}
	if told.Timeouts {
		setTimeouts(server)
	}
	return server
}

// setTimeouts sets those that the bridge has.
func setTimeouts(server *http.Server) {
	server.ReadHeaderTimeout = 5 * time.Second
	server.ReadTimeout = 10 * time.Second
	server.WriteTimeout = 60 * time.Second
	server.IdleTimeout = 2 * time.Minute
	server.MaxHeaderBytes = 32 << 10
}

// startBare starts a bare server.
func (b *bench) startBare(name string, task bareTask) (*target, error) {
	cmd, err := roleCommand("bare", task)
	if err != nil {
		return nil, err
	}
	if task.Database != nil {
		collectAsBridge(cmd)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	cmd.Stderr = b.log
	process, err := start(name, cmd, b.serverCore)
	if err != nil {
		return nil, err
	}
	b.later(process.stop)
	address, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("the bare server does not start: %w", err)
	}
	return &target{child: process, address: address[:len(address)-1]}, nil
}
