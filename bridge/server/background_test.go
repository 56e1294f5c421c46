package server

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"alexa-oidc-bridge/bridge"
)

// lines sends each line of a log.
type lines chan string

func (l lines) Write(line []byte) (int, error) {
	l <- string(line)
	return len(line), nil
}

// sweptStore cannot be swept.
type sweptStore struct{ bridge.Store }

func (sweptStore) Sweep(context.Context, time.Time, int) (int, error) {
	return 0, errors.New("disk on fire")
}

func TestSweepFails(t *testing.T) {
	t.Parallel()
	log := make(lines)
	s := &Server{registry: prometheus.NewRegistry(), deps: Deps{
		Store: sweptStore{}, Log: slog.New(slog.NewTextHandler(log, nil)), Now: time.Now,
	}}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.sweep(ctx, time.Millisecond)
	}()
	if line := <-log; !strings.Contains(line, `msg="sweep failed" error="disk on fire"`) {
		t.Error(line)
	}
	cancel()
	for {
		select {
		case <-log: // of a sweep that had begun
		case <-done:
			return
		}
	}
}
