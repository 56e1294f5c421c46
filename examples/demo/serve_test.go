package main

import (
	"bufio"
	"context"
	"io"
	"regexp"
	"testing"
)

// served is a demo that serves a browser.
type served struct {
	url    string
	cancel context.CancelFunc
	ended  chan error
}

var printedURL = regexp.MustCompile(`http://127\.0\.0\.1:\d+`)

// startServe starts a demo and waits for its URL.
func startServe(t *testing.T) *served {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	demo := &served{cancel: cancel, ended: make(chan error, 1)}
	reader, writer := io.Pipe()
	go func() {
		demo.ended <- serve(ctx, options{}, writer, io.Discard)
		writer.Close()
	}()
	lines := bufio.NewScanner(reader)
	for demo.url == "" {
		if !lines.Scan() {
			t.Fatalf("the demo printed no URL: %v", <-demo.ended)
		}
		demo.url = printedURL.FindString(lines.Text())
	}
	go io.Copy(io.Discard, reader)
	return demo
}

func (d *served) stop(t *testing.T) {
	t.Helper()
	d.cancel()
	if err := <-d.ended; err != nil {
		t.Error(err)
	}
}
