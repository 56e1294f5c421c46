package testbridge

import (
	"bytes"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// KeepSecret declares texts that must not appear in the log. [Bridge.CheckSecrets] checks other places.
func (b *Bridge) KeepSecret(texts ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.secrets = append(b.secrets, texts...)
}

// CheckSecrets checks that a text has none of the secrets in it, neither as they are nor URL-encoded.
func (b *Bridge) CheckSecrets(where, text string) {
	b.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, secret := range b.secrets {
		for _, form := range []string{secret, url.QueryEscape(secret)} {
			if len(form) >= 8 && strings.Contains(text, form) {
				b.Errorf("%s contains a secret: %s", where, form)
			}
		}
	}
}

// Log collects what a bridge logs, or another process.
type Log struct {
	mu      sync.Mutex
	text    bytes.Buffer
	written chan struct{} // closed by the next Write; nil: nobody waits
}

func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.written != nil {
		close(l.written)
		l.written = nil
	}
	return l.text.Write(p)
}

// Wait waits until a text is in the log from a byte on, and fails the test if it does not come.
func (l *Log) Wait(tb testing.TB, from int, text string) {
	tb.Helper()
	deadline := time.After(time.Minute)
	for {
		l.mu.Lock()
		if bytes.Contains(l.text.Bytes()[from:], []byte(text)) {
			l.mu.Unlock()
			return
		}
		if l.written == nil {
			l.written = make(chan struct{})
		}
		written := l.written
		l.mu.Unlock()
		select {
		case <-written:
		case <-deadline:
			tb.Fatalf("%q is not logged:\n%s", text, l)
		}
	}
}

func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
