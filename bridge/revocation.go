package bridge

import "time"

// Revocation is why, by whom and when links are revoked.
type Revocation struct {
	Reason Reason
	Actor  Actor
	At     time.Time
	Origin

	// Token is the hash of what identifies the JWT, or the event of Alexa, that asked for it, which is accepted once
	// (RFC 7519 §4.1.7); empty: none did. It is remembered until TokenExpiresAt.
	Token          Hash
	TokenExpiresAt time.Time

	// Recheck revokes only links that have no refresh token of their provider. Of the others the recheck becomes due.
	Recheck bool
}

// Actor is who revoked a link. It is printable ASCII of at most [MaxActor] bytes. What stands before a colon is the
// kind: [ActorSkill], [ActorBackend], [ActorProvider], [ActorAPI], and command, for a person at a command line.
type Actor string

// MaxActor is the length of an [Actor] in bytes.
const MaxActor = 200

// Actors that have no name.
const (
	ActorPerson Actor = "person" // whom the link is about
	ActorSystem Actor = "system" // the passing of time, or an import
	ActorAlexa  Actor = "alexa"  // by an event that Alexa signed
)

// ActorSkill returns the skill with a client id as an actor.
func ActorSkill(clientID string) Actor { return Actor("skill:" + clientID) }

// ActorBackend returns the backend with an id as an actor.
func ActorBackend(id string) Actor { return Actor("backend:" + id) }

// ActorProvider returns the provider with an id as an actor.
func ActorProvider(id string) Actor { return Actor("provider:" + id) }

// ActorAPI returns the holder of the admin token with a name as an actor.
func ActorAPI(name string) Actor { return Actor("api:" + name) }
