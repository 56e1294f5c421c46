package httperror_test

import (
	"testing"
	"time"

	"alexa-oidc-bridge/bridge/internal/httperror"
)

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
