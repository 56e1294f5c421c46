package testbridge

import (
	"bytes"
	"net/url"
	"strings"
	"sync"
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
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
