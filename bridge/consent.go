package bridge

import "time"

const (
	// PendingConsentLifetime is how long a person has to decide after signing in.
	PendingConsentLifetime = 10 * time.Minute
	// MaxPendingConsents is how many undecided pending consents of one person are kept.
	MaxPendingConsents = 10
	// SignInMemory is how long it is remembered that the sign-ins of a person were revoked: longer than one takes from
	// its begin to the decision. That is twice ten minutes, and how long the exchange of the code may take between them.
	SignInMemory = 25 * time.Minute
)

// Decision is what a person chose on the consent page.
type Decision string

// Decisions, by their names in the form. The zero value means not decided.
const (
	DecisionLink   Decision = "link"
	DecisionCancel Decision = "cancel"
	DecisionSwitch Decision = "switch" // use another account
)

// PendingConsent is the result of a sign-in that waits for the person's decision. It is encrypted, and only the
// browser whose cookie holds the handle finds it.
type PendingConsent struct {
	Handle    Hash
	Person    Hash // who signed in, as Identity.Person returns it; empty: not limited by MaxPendingConsents
	Sealed    []byte
	ExpiresAt time.Time
	Decision  Decision
	DecidedAt time.Time
}

// DecidedError is returned by the transitions that decide a [PendingConsent], when it is decided already.
type DecidedError struct {
	Decision Decision
	At       time.Time
}

func (e *DecidedError) Error() string { return "already decided: " + string(e.Decision) }
