package httperror

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	// sampleWindow is how long lines are counted before a new count begins.
	sampleWindow = time.Minute
	// sampleFirst is how many lines of a kind are written in a window before only one in sampleEvery is.
	sampleFirst = 100
	sampleEvery = 100
)

// Sampler leaves out most of the log lines of a kind that come in floods, and counts those that it left out. It is
// safe for concurrent use.
type Sampler struct {
	now   func() time.Time
	mu    sync.Mutex
	kinds map[string]*sampledKind // few: messages, reasons and routes are ours
}

type sampledKind struct {
	began         time.Time
	seen, omitted int
}

// NewSampler returns a sampler with the given clock.
func NewSampler(now func() time.Time) *Sampler {
	return &Sampler{now: now, kinds: map[string]*sampledKind{}}
}

// Log writes a line that strangers can cause without end, unless it is left out as one of a flood of its kind. It says
// how many lines were left out before it.
func (s *Sampler) Log(ctx context.Context, log *slog.Logger, level slog.Level, kind, message string, attrs ...any) {
	if !log.Enabled(ctx, level) {
		return
	}
	write, omitted := s.Sample(kind)
	if !write {
		return
	}
	if omitted > 0 {
		attrs = append(attrs, "lines_omitted", omitted)
	}
	log.Log(ctx, level, message, attrs...)
}

// LogPage logs that a page could not be written, if it could not: the client went away.
func (s *Sampler) LogPage(ctx context.Context, log *slog.Logger, err error) {
	const message = "page not written"
	if err != nil {
		s.Log(ctx, log, slog.LevelWarn, message, message, "error", err)
	}
}

// Sample reports whether to write a line of a kind, and how many were left out before it.
func (s *Sampler) Sample(kind string) (write bool, omitted int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, now := s.kinds[kind], s.now()
	if k == nil {
		k = &sampledKind{began: now}
		s.kinds[kind] = k
	}
	if now.Sub(k.began) >= sampleWindow {
		k.began, k.seen = now, 0
	}
	k.seen++
	if k.seen > sampleFirst && k.seen%sampleEvery != 0 {
		k.omitted++
		return false, 0
	}
	omitted, k.omitted = k.omitted, 0
	return true, omitted
}
