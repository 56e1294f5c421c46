package httperror_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge/internal/httperror"
	"alexa-oidc-bridge/bridge/internal/oauth"
)

// Internal errors are never left out, since no two need have the same cause.
func TestInternalErrorsAreNotSampled(t *testing.T) {
	var log bytes.Buffer
	responder := &httperror.Responder{
		Log: slog.New(slog.NewTextHandler(&log, nil)), Sampler: httperror.NewSampler(time.Now),
	}
	flood := func(err error) int {
		log.Reset()
		for range 150 {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			responder.Respond(httptest.NewRecorder(), r, "/route", httperror.Programs, err)
		}
		return strings.Count(log.String(), "\n")
	}
	if lines := flood(errors.New("a cause")); lines != 150 {
		t.Errorf("%d lines of internal errors, want 150", lines)
	}
	if lines := flood(oauth.ErrFormTooLarge); lines != 100 {
		t.Errorf("%d lines of a flood, want 100", lines)
	}
}

func TestSampler(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	sampler := httperror.NewSampler(func() time.Time { return now })
	count := func(kind string, lines int) (written, omitted int) {
		for range lines {
			write, before := sampler.Sample(kind)
			if write {
				written++
			}
			omitted += before
		}
		return written, omitted
	}
	for _, test := range []struct {
		kind                            string
		wait                            time.Duration
		lines, wantWritten, wantOmitted int
	}{
		{"a", 0, 100, 100, 0},
		{"a", 59 * time.Second, 99, 0, 0},
		{"b", 0, 1, 1, 0}, // another kind is not affected
		{"a", 0, 1, 1, 99},
		{"a", 0, 150, 1, 99},
		{"a", time.Second, 1, 1, 50}, // the next minute says what was left out of the last
		{"a", 0, 99, 99, 0},
	} {
		now = now.Add(test.wait)
		written, omitted := count(test.kind, test.lines)
		if written != test.wantWritten || omitted != test.wantOmitted {
			t.Errorf("%d lines of %s: %d written, %d omitted; want %d, %d",
				test.lines, test.kind, written, omitted, test.wantWritten, test.wantOmitted)
		}
	}
}
