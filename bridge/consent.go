package bridge

import "time"

// PendingConsentLifetime is how long a person has to decide after signing in.
const PendingConsentLifetime = 10 * time.Minute

// Decision is a person's answer on the consent page.
type Decision string

// The answers, by their names in the form. The zero value: not decided.
const (
	DecisionLink   Decision = "link"
	DecisionCancel Decision = "cancel"
	DecisionSwitch Decision = "switch" // use another account
)

// PendingConsent is the result of a sign-in while it waits for the person's decision. Nothing in it can be read without
// the keys, and it is found only by who holds the handle that the browser's cookie seals.
type PendingConsent struct {
	Handle    Hash
	Sealed    []byte
	ExpiresAt time.Time
	Decision  Decision
	DecidedAt time.Time
}

// DecidedError is returned by the transitions that decide a [PendingConsent] when it is decided already.
type DecidedError struct {
	Decision Decision
	At       time.Time
}

func (e *DecidedError) Error() string { return "already decided: " + string(e.Decision) }
