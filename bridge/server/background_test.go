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
	"alexa-oidc-bridge/bridge/keys"
)

// lines sends each line of a log.
type lines chan string

func (l lines) Write(line []byte) (int, error) {
	l <- string(line)
	return len(line), nil
}

// sweptStore cannot be swept.
type sweptStore struct{ bridge.Store }

func (sweptStore) Sweep(context.Context, bridge.Sweep) (int, error) {
	return 0, errors.New("disk on fire")
}

func TestSweepFails(t *testing.T) {
	t.Parallel()
	log := make(lines)
	s := &Server{deps: Deps{
		Counters: prometheus.NewRegistry(), Store: sweptStore{}, Log: slog.New(slog.NewTextHandler(log, nil)), Now: time.Now,
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

// recordingStore records how it is swept.
type recordingStore struct {
	bridge.Store
	swept bridge.Sweep
}

func (s *recordingStore) Sweep(_ context.Context, sweep bridge.Sweep) (int, error) {
	s.swept = sweep
	return 0, nil
}

func (s *recordingStore) OnRevoke(func([]bridge.Event)) (unregister func()) { return func() {} }

func TestSweepErasesAfterRetention(t *testing.T) {
	t.Parallel()
	store := &recordingStore{}
	now := time.Unix(1_800_000_000, 0)
	s, err := New(Config{Keys: keys.NewRing([]byte("0123456789abcdef0123456789abcdef")), EndedRetention: time.Hour,
		AuditRetention: 24 * time.Hour},
		Deps{Store: store, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.sweepOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	if want := (bridge.Sweep{Now: now, Limit: sweepLimit, EndedRetention: time.Hour,
		AuditRetention: 24 * time.Hour}); store.swept != want {
		t.Errorf("swept %+v, want %+v", store.swept, want)
	}
}
