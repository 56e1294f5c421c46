package bridge

import "time"

// RecheckStart says which recheck [Store.BeginRecheck] begins: the question to a provider whether the account of a link
// still lives.
type RecheckStart struct {
	LinkID string
	Now    time.Time
	// CheckedBefore lets a recheck begin that is not due if the link was checked at this time or earlier, and the last
	// recheck did not fail. Zero: only one that is due.
	CheckedBefore time.Time
	// Lease is how long no other recheck of the link begins.
	Lease time.Duration
	// Dead lets the recheck begin only if the provider has refused the refresh token, as of [Recheck].DeadAt.
	Dead bool
}

// Recheck is a recheck that has begun.
type Recheck struct {
	Link   Link
	Lease  string // identifies it
	Sealed []byte // the refresh token of the provider, sealed
	// Unanswered means that an earlier recheck sent the refresh token, or one before it, and that no answer was recorded.
	Unanswered bool
	// Stable means that the provider did not replace its refresh token when it answered last, nor ever before.
	Stable   bool
	Failures int       // since the last answer
	DeadAt   time.Time // when the provider refused the refresh token; zero: it did not
}

// RecheckResult is what a recheck found out.
type RecheckResult struct {
	LinkID string
	Lease  string
	// CheckedAt is the new [Link.CheckedAt]; zero: the provider gave no answer, so that it stays.
	CheckedAt time.Time
	// DueAt is when the next recheck is due, however little the link is used.
	DueAt time.Time
	// Unanswered means that the refresh token may have been sent, and that nobody knows the answer.
	Unanswered bool
	// Lost means, with Unanswered, that the provider refuses the refresh token, so that nobody will ever know the answer:
	// for [Revocation].Recheck the link then has none. It stays so until there is an answer.
	Lost   bool
	Stable bool      // as in Recheck; only with CheckedAt
	DeadAt time.Time // as in Recheck; only with CheckedAt
	// Revoke, unless it is nil, revokes the link, and the sign-ins of its person. All else but LinkID and Lease is
	// ignored.
	Revoke *Revocation

	// Reason, unless it is empty, makes an audit record: the answer is another one than before.
	Reason Reason
	At     time.Time // of the record

	// Renewed, unless it is nil, replaces the claims and the account of the link.
	Renewed *Renewed
}

// Renewed is what a provider says about a person anew.
type Renewed struct {
	Claims  Claims // that are stored
	Account Account
}

// SealedToken is the sealed refresh token of a provider that belongs to a link.
type SealedToken struct {
	LinkID string
	Sealed []byte
}
