package operator

import (
	"regexp"
	"time"

	"alexa-oidc-bridge/bridge"
)

var (
	referencePattern = regexp.MustCompile(`^[2-9A-HJ-NP-Z]{8}$`)
	printablePattern = regexp.MustCompile(`^[ -~]{1,200}$`)
)

// ParseReference returns the reference of a request as the audit log has it, from what a person read aloud or copied.
func ParseReference(text string) (ref string, ok bool) {
	ref = bridge.CleanRef(text)
	return ref, referencePattern.MatchString(ref)
}

// IsPrintable reports whether a text can be kept as the reason why a link ended, or as who ended it: 1 to 200 printable
// ASCII characters. The reason must also not be one of the bridge's own; see [bridge.Reason.IsOwn].
func IsPrintable(text string) bool { return printablePattern.MatchString(text) }

// ParseTime returns where the time that a text names begins, and where it ends: a day later, or a second, for which the
// store keeps times. A text is a duration before now such as 24h, a day such as 2026-11-29 in UTC, or a time such as
// 2026-11-29T09:30:00Z. The zero time is none: programs write it for a time that was never set, and a filter with it
// would select everything.
func ParseTime(text string, now time.Time) (begin, end time.Time, ok bool) {
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return now.Add(-ago), now.Add(-ago), true
	}
	if day, err := time.Parse(time.DateOnly, text); err == nil {
		return day, day.AddDate(0, 0, 1), !day.IsZero()
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, time.Time{}, false
	}
	return at, at.Add(time.Second), !at.IsZero()
}
