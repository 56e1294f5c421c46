package bridge

import "time"

// TicketLifetime is how long an operator can use the ticket of a test sign-in.
const TicketLifetime = 10 * time.Minute

// Ticket permits a test sign-in. It is stored as a [PendingConsent] whose handle is the hash of its secret, and whose
// sealed content is the JSON of this type.
type Ticket struct {
	ClientID string // of the skill
}

// TicketPurpose is the purpose under which a [Ticket] is sealed.
const TicketPurpose = "ticket of a test sign-in"

// DecisionTest is the decision that binds a [Ticket] to one browser.
const DecisionTest Decision = "test"
