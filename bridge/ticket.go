package bridge

import (
	"crypto/rand"
	"regexp"
	"time"
)

// TicketLifetime is how long an operator can use the ticket of a test sign-in.
const TicketLifetime = 10 * time.Minute

// Ticket permits a test sign-in. It is stored as a [PendingConsent] whose handle is the hash of its secret, and whose
// sealed content is the JSON of this type.
type Ticket struct {
	ClientID string // of the skill
}

// NewTicketSecret returns the secret of a fresh [Ticket]: 256 random bits or more, in base32.
func NewTicketSecret() string { return rand.Text() + rand.Text() }

var ticketPattern = regexp.MustCompile(`^[A-Z2-7]{52}$`)

// WellFormedTicket reports whether a text has the form of a ticket's secret. If not, there is no need to ask the store.
func WellFormedTicket(secret string) bool { return ticketPattern.MatchString(secret) }

// TicketPurpose is the purpose under which a [Ticket] is sealed.
const TicketPurpose = "ticket of a test sign-in"

// DecisionTest is the decision that binds a [Ticket] to one browser.
const DecisionTest Decision = "test"
