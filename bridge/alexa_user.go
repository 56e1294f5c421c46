package bridge

import "time"

// AlexaUserHash returns what a link keeps of the Alexa user who uses it: the SHA-256 of the client id of the skill, a
// zero byte and the user id. Alexa gives a person another user id for each skill, and whenever they enable it again.
func AlexaUserHash(clientID, userID string) Hash { return HashOf(clientID + "\x00" + userID) }

// AlexaTie says which Alexa user a link is tied to by [Store.TieAlexaUser], as an event of Alexa tells.
type AlexaTie struct {
	Token     Hash   // of the access token that the event carries; it may have expired
	ClientID  string // of the skill
	AlexaUser Hash
	At        time.Time // when Alexa made the event
	Now       time.Time // when it came; zero: At
	// Event is the hash of what identifies the event, which is accepted once. It is remembered until EventExpiresAt.
	Event          Hash
	EventExpiresAt time.Time
	Origin
}

// DisabledMemory is how long a [Store] remembers that an Alexa user disabled a skill. Alexa delivers events up to an
// hour late, and in any order.
const DisabledMemory = 2 * time.Hour
