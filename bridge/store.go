package bridge

import (
	"context"
	"time"
)

// Store stores links and everything that belongs to them: tokens, codes, pending consents, and the feed of
// revocations.
//
// Each method is one transition, in one transaction. When it returns nil, its effect is durable. When it returns an
// error that the method names, nothing has changed, except where the method says so. Any other error means that the
// store cannot tell or cannot write now, and must never be taken for an answer; the transition may then have happened
// or may still happen, as after the context has ended.
//
// The errors are [ErrNotFound], [ErrRevoked], [ErrReplayed], [ErrMismatch], [ErrScope], [ErrSuspended],
// [ErrSignInRevoked], [ErrAmbiguous], [ErrTokenUsed], [ErrCursor], [ErrUserExists], [ErrDirectoryFull],
// [ErrStoreReplaced] and [*DecidedError], to be recognised with errors.Is and errors.As. A Store is safe for concurrent
// use, by several processes, too. It keeps times in whole seconds, rounded down. A link that is revoked for
// [ReasonNotRedeemed] or [ReasonReplaced] loses its claims at once: nobody needs them, and a person can make such links
// without end. Package storetest verifies these promises.
type Store interface {
	// CreatePendingConsent stores the result of a sign-in until the person decides. If there is one with the handle
	// already, it stays as it is, and the error is nil. If the person has more than MaxPendingConsents then that are
	// not decided, the oldest are deleted.
	CreatePendingConsent(ctx context.Context, pending PendingConsent) error

	// PendingConsent returns a pending consent, decided or not. ErrNotFound: the handle is unknown, or the consent
	// has expired.
	PendingConsent(ctx context.Context, handle Hash, now time.Time) (PendingConsent, error)

	// Link records DecisionLink for a pending consent, and makes the link with its first token or its code. With a
	// token, it revokes the oldest links of the person with this skill beyond MaxLinks, for ReasonReplaced by
	// ActorPerson; a code does so when it is redeemed. ErrNotFound: the handle is unknown, or the consent has expired
	// at the link's CreatedAt. DecidedError: there is a decision already, which may be this one. ErrSignInRevoked: the
	// sign-ins of the person were revoked at SignedInAt or later; see Revoke.
	Link(ctx context.Context, handle Hash, link NewLink) error

	// Mint makes a test link with its token, which nobody consented to. A link that is not a test link, and one whose
	// token does not expire within MaxTestLifetime, is an error.
	Mint(ctx context.Context, link NewLink) error

	// Decide records any other decision for a pending consent. ErrNotFound: the handle is unknown, or the consent has
	// expired. DecidedError: there is a decision already, which may be the same.
	Decide(ctx context.Context, handle Hash, decision Decision, now time.Time) error

	// Redeem exchanges an authorization code for its tokens, once (RFC 6749 §4.1.3), and returns the link. It revokes
	// links beyond MaxLinks as Link does. Of several errors that apply it returns the first of: ErrNotFound: the code
	// is unknown. ErrMismatch: the code was issued for another client, redirect URI or challenge. ErrReplayed: the
	// code was redeemed before. If that is longer ago than CodeReplayGrace, the link is revoked by the skill.
	// ErrNotFound: the code has expired. ErrRevoked: the link is revoked. ErrSuspended: Permits returned false.
	Redeem(ctx context.Context, redemption Redemption) (Link, error)

	// Refresh adds an access token to the link of a refresh token (RFC 6749 §6), and returns the link. The refresh
	// token stays good. With a successor, the refresh token rotates: the successor becomes its child, and of its
	// children only the newest MaxSuccessors stay good. Presenting a token that has a parent supersedes that parent
	// and the token's siblings. Of several errors that apply it returns the first of: ErrNotFound: the refresh token
	// is unknown. ErrMismatch: it was issued to another client. ErrRevoked: the link is revoked. ErrNotFound: the
	// refresh token has expired. ErrReplayed: it is superseded. The link is revoked by the skill. ErrSuspended: Permits
	// returned false. ErrScope: a requested scope was not granted.
	Refresh(ctx context.Context, refresh Refresh) (Link, error)

	// RevokeByToken revokes the link of a token of any kind, if the link is one of the clients', and returns it
	// (RFC 7009). ErrNotFound: the token is unknown, expired, superseded or of another client, or its link was revoked
	// before.
	RevokeByToken(ctx context.Context, token Hash, clients []string, revocation Revocation) (Link, error)

	// Lookup returns an access token with its link, whether or not it is expired or revoked. ErrNotFound: the token
	// is unknown, or not an access token. The claims of the link may be shared with other callers and must not be
	// modified.
	Lookup(ctx context.Context, token Hash) (AccessToken, error)

	// TouchLinks records when links were last used. A use within UseGrain of the recorded one, or before it, is not
	// written. A use by an Alexa user ties the link, if it is live, as TieAlexaUser does. Unknown links are ignored.
	TouchLinks(ctx context.Context, uses []Use) error

	// TieAlexaUser ties the link of an access token to an Alexa user, and returns it. The first time of one user is kept,
	// however late it comes; of several users, the one of the latest time. A test link is tied to nobody. If the skill was
	// disabled by the user at that time or later, as Revoke remembers, the link is revoked at once, for the same reason by
	// the same actor, and returned so. Of several errors that apply it returns the first of: ErrTokenUsed: the event was
	// accepted before. ErrNotFound: there is no such access token, or it is of a test link. ErrMismatch: the link is of
	// another skill. ErrRevoked: the link is revoked. After an error the event is not used.
	TieAlexaUser(ctx context.Context, tie AlexaTie) (Link, error)

	// Links lists the links that match a filter, live or revoked, the oldest first.
	Links(ctx context.Context, filter LinkFilter) ([]Link, error)

	// Revoke revokes the live links that match a filter, and returns them. Links that were revoked before keep their
	// time, reason and actor, and are not returned. If the filter names a person, by Subject or by Account, it also
	// revokes the sign-ins under each of these names up to the time of the revocation, whatever else the filter has but
	// IDs, at its Provider, or at every one if it has none: from them Link makes no link any more. ErrTokenUsed: the Token
	// of the revocation was accepted before. ErrAmbiguous: see LinkFilter.OnePerson. After an error the Token is not used.
	//
	// With a Limit it revokes some at a time, so that no other write waits long for it, and none only if no live link
	// matches any more: call it until then, each time After the last link that it returned. It cannot be combined with
	// OnePerson or Recheck.
	//
	// With AlexaUser and TiedUntil it also remembers for DisabledMemory that the user disabled the skill then: a link
	// that is tied to them later, by an event or a use of that time or before, is revoked for the same reason by the same
	// actor.
	Revoke(ctx context.Context, filter LinkFilter, revocation Revocation) ([]Link, error)

	// Forget erases the links that match a filter, live or revoked, with all that they own, and returns them. It
	// revokes those that are live first, with their events, and revokes sign-ins as Revoke does. To every method the
	// links, their tokens and their codes are unknown from then on. What is left of each is a tombstone, its ID and the
	// time when it ended, so that no import adds it again, and its audit records, from which it erases the subject and the
	// address of the person. If the filter has a Subject, it erases both, too, from the records of that subject, with the
	// ClientID and the Provider if the filter has them, whose link does not exist any more or was never made. With a Limit
	// it erases some at a time, as Revoke does.
	Forget(ctx context.Context, filter LinkFilter, revocation Revocation) ([]Link, error)

	// BeginRecheck begins a recheck of a live link that has a refresh token of its provider, and lets no other begin until
	// the lease ends or FinishRecheck is called. ErrNotFound: there is no such link, or no recheck of it may begin now.
	BeginRecheck(ctx context.Context, start RecheckStart) (Recheck, error)

	// ReplaceUpstreamToken replaces the refresh token of a recheck's link, and records that the answer is known so far.
	// ErrNotFound: the recheck does not run any more.
	ReplaceUpstreamToken(ctx context.Context, linkID, lease string, sealed []byte) error

	// FinishRecheck records what a recheck found out. If it renews claims, they are in the feed as an Event for
	// ReasonClaimsChanged. ErrNotFound: the recheck does not run any more; nothing was recorded.
	FinishRecheck(ctx context.Context, result RecheckResult) error

	// DueRechecks returns the ids of up to limit links of a provider whose recheck is due: those whose refresh
	// token the provider has refused, then those whose person signed out, then the longest overdue.
	DueRechecks(ctx context.Context, provider string, now time.Time, limit int) ([]string, error)

	// UpstreamTokens returns up to limit refresh tokens of providers, in the order of their links, after that of a link.
	// An empty id is before all.
	UpstreamTokens(ctx context.Context, afterLinkID string, limit int) ([]SealedToken, error)

	// ResealUpstreamToken replaces the sealed form of a refresh token. It returns false if the token has changed.
	ResealUpstreamToken(ctx context.Context, from SealedToken, sealed []byte) (bool, error)

	// Record adds a record to the audit log, of an event that changes nothing else. The methods that make, redeem, revoke
	// or erase a link add one for each event in their transaction.
	Record(ctx context.Context, record AuditRecord) error

	// Audit returns the records that match a filter, the newest last.
	Audit(ctx context.Context, filter AuditFilter) ([]AuditRecord, error)

	// CreateDirectoryUser adds a user of a provider's directory. ErrUserExists: another one of the directory has the user
	// name. ErrDirectoryFull: the directory has MaxDirectoryUsers.
	//
	// This and the next two revoke the live links of a user who is inactive afterwards, in the same transaction, and the
	// sign-ins as Revoke does: under the names that the user has afterwards, and under those from before. If these stand
	// for several persons, they revoke nothing, change the user nevertheless, and say so in the result. A user who is
	// active afterwards gets no link back.
	CreateDirectoryUser(ctx context.Context, user DirectoryUser, ending Deprovisioning) (DirectoryUpdate, error)

	// UpdateDirectoryUser changes a user. ErrNotFound: the directory has no user with the id. ErrUserExists: another one
	// has the user name.
	UpdateDirectoryUser(ctx context.Context, provider, id string, change DirectoryChange, ending Deprovisioning) (
		DirectoryUpdate, error)

	// DeleteDirectoryUser removes a user. ErrNotFound: the directory has no user with the id.
	DeleteDirectoryUser(ctx context.Context, provider, id string, ending Deprovisioning) (DirectoryUpdate, error)

	// DirectoryUsers lists users of a provider's directory, the oldest first: at most limit of them, without the first
	// ones up to the offset.
	DirectoryUsers(ctx context.Context, filter DirectoryFilter, offset, limit int) (DirectoryPage, error)

	// CountUnnamedLinks counts the live links of a provider, by its ID and Issuer, that have no Account.Subject, but not
	// beyond a limit: those that were made before it was recorded.
	CountUnnamedLinks(ctx context.Context, provider Provider, limit int) (UnnamedLinks, error)

	// Sweep removes up to sweep.Limit rows of each kind that are not needed any more, and returns how many: expired
	// tokens and pending consents, codes and superseded refresh tokens after ReplayMemory, events after EventMemory, and
	// revocations of sign-ins after SignInMemory, used tokens after they have expired, Alexa users who disabled a skill
	// after DisabledMemory, and audit records after AuditRetention. It revokes links whose code was not redeemed,
	// RedeemGrace after it expired, and links whose last token has expired, by ActorSystem; these count, too. After
	// EndedRetention it erases revoked links, as Forget does, up to sweep.Limit with all that they own; their audit
	// records stay as they are. Several sweeps may run at the same time.
	Sweep(ctx context.Context, sweep Sweep) (int, error)

	// ReadFeed returns the revocations after a position of the feed. Every revocation is in the feed, by whichever
	// method and process, from the moment it is durable: a revocation that is durable when ReadFeed is called is in
	// what it returns, or before the position. When the feed does not lead on from the position, Broken is true; see
	// [Feed]. ErrStoreReplaced: the process must restart.
	ReadFeed(ctx context.Context, after Position) (Feed, error)

	// WaitForEvents returns when the feed may have grown since the last ReadFeed, and at the latest when the context
	// ends. It is a hint: a store without notifications returns only when the context ends.
	WaitForEvents(ctx context.Context)

	// OnRevoke registers a function that is called with the revocations of this process, before the method that made
	// them returns. It must return quickly and must not call the store. The function returned unregisters it: when that
	// returns, it is not being called and will not be called again.
	OnRevoke(do func([]Event)) (unregister func())

	// Close waits for the writes that have begun, and closes the store. Methods that are called afterwards return an
	// error.
	Close() error
}

// Sweep says what [Store.Sweep] removes.
type Sweep struct {
	Now   time.Time
	Limit int // rows of each kind
	// EndedRetention is how long a link is kept after it was revoked. 0: for ever.
	EndedRetention time.Duration
	// AuditRetention is how long an audit record is kept. 0: for ever.
	AuditRetention time.Duration
}

// NewLink is what [Store.Link] makes a link of.
type NewLink struct {
	Link       Link
	SignedInAt time.Time // when the person signed in; zero: unknown, which is before every revocation
	Token      Hash      // of the access token, for the implicit grant
	ExpiresAt  time.Time // of the token; zero: as long as the link
	Code       *NewCode  // for the code grant, in place of Token
	MaxLinks   int       // live links of this person with this skill, including this one; 0: no limit
	Origin

	// UpstreamToken is the refresh token of the provider, sealed for the link. With one, Link.CheckedAt must be set. Nil:
	// none. It is deleted when the link is revoked.
	UpstreamToken []byte
	RecheckAt     time.Time // when the first recheck is due, if there is an UpstreamToken
}

// Use is one use of a link.
type Use struct {
	LinkID    string
	At        time.Time
	AlexaUser Hash // who used it; empty: unknown, which keeps the recorded one
	// TiedAt is when the Alexa user first did; zero: At.
	TiedAt time.Time
}

// UseGrain is the precision of [Link].LastUsedAt.
const UseGrain = time.Hour

// NewTokens are tokens to be added to a link.
type NewTokens struct {
	Access           Hash
	AccessExpiresAt  time.Time // zero: as long as the link
	Refresh          Hash      // empty: none
	RefreshExpiresAt time.Time // zero: as long as the link
}
