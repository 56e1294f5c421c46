//go:build strict

package chaostest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"alexa-oidc-bridge/bridge/upstreamtest"
)

// link is a link of the model.
type link struct {
	number     int
	skill      *skill
	person     upstreamtest.Person
	refreshing sync.Mutex // held while a refresh token is presented

	mu          sync.Mutex
	id          string // known after the first lookup
	access      []*accessToken
	refresh     []refreshToken
	unconfirmed *unconfirmedRefresh // of a skill whose refresh tokens rotate
	code        string              // redeemed; empty if the exchange took more than a second
	redeemedAt  time.Time           // when the response to the exchange was received
	attempts    int                 // revocations that were sent and not acknowledged
	revokedAt   time.Time           // zero: not for certain
	revokedBy   *process            // acknowledged the only attempt; nil: unknown
	inferred    bool                // revokedAt comes from an inactive response, not from an acknowledgement
	leaving     bool                // the directory repeats an attempt with an unknown outcome itself
	doomed      bool                // the flaky provider ends the account, or has
	doomedAt    time.Time           // when it had; zero: not yet
	history     []string
}

// accessToken is an access token that was received.
type accessToken struct {
	link   *link
	number int
	text   string
	active map[*process]bool // processes that have answered active; guarded by link.mu
}

// unconfirmedRefresh is a refresh with an unknown outcome.
type unconfirmedRefresh struct {
	token int // index into link.refresh
	at    *replica
	when  time.Time
}

// note adds to the history. It needs the lock.
func (l *link) note(e *experiment, format string, arguments ...any) {
	l.history = append(l.history, e.stamp(format, arguments...))
	if len(l.history) > 400 {
		l.history = append(l.history[:100:100], l.history[200:]...)
	}
}

// live reports that the link is not revoked and that nothing was done that may revoke it. It needs the lock.
func (l *link) live() bool { return l.attempts == 0 && !l.doomed && l.revokedAt.IsZero() }

// mayBeRevoked reports that a revocation has an unknown outcome. It needs the lock.
func (l *link) mayBeRevoked() bool { return l.attempts > 0 && l.revokedAt.IsZero() }

// locked takes the lock for a function that needs it.
func (l *link) locked(holds func(*link) bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return holds(l)
}

// markRevoked records that the link was revoked at that time at the latest. It needs the lock.
func (l *link) markRevoked(at time.Time, by *process) {
	if l.revokedAt.IsZero() || at.Before(l.revokedAt) {
		l.revokedAt = at
	}
	l.revokedBy = by
}

func (l *link) addAccess(text string) {
	l.access = append(l.access, &accessToken{link: l, number: len(l.access), text: text, active: map[*process]bool{}})
}

func (t *accessToken) activeIn(p *process) bool {
	t.link.mu.Lock()
	defer t.link.mu.Unlock()
	return t.active[p]
}

// token returns a random access token. It takes the lock.
func (l *link) token(rng *rand.Rand) *accessToken {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.access[rng.IntN(len(l.access))]
}

// model is the links that are checked.
type model struct {
	mu    sync.Mutex
	links []*link
	added int
	live  int      // links that are not revoked for certain, as of the last forget
	ended []string // ids of links that were revoked for certain and are forgotten
}

func (m *model) add(l *link) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.added++
	l.number = m.added
	m.links = append(m.links, l)
	m.live++
}

func (m *model) countLive() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.live
}

func (m *model) all() []*link {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.links)
}

// of returns the links of a person.
func (m *model) of(person upstreamtest.Person) []*link {
	return slices.DeleteFunc(m.all(), func(l *link) bool { return l.person.Subject != person.Subject })
}

// pick returns a random link, half the time one of the newest, or nil.
func (m *model) pick(rng *rand.Rand) *link {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.links) == 0 {
		return nil
	}
	first := 0
	if rng.IntN(2) == 0 {
		first = max(0, len(m.links)-25)
	}
	return m.links[first+rng.IntN(len(m.links)-first)]
}

// pickLive returns a random live link, or nil if it found none.
func (m *model) pickLive(rng *rand.Rand) *link {
	for range 20 {
		if l := m.pick(rng); l == nil || l.locked((*link).live) {
			return l
		}
	}
	return nil
}

// forget removes links that were revoked before the time, or whose accounts ended then, and counts the live ones.
func (m *model) forget(before time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.live = 0
	m.links = slices.DeleteFunc(m.links, func(l *link) bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.revokedAt.IsZero() {
			m.live++
			return !l.doomedAt.IsZero() && l.doomedAt.Before(before)
		}
		if !l.revokedAt.Before(before) {
			return false
		}
		m.ended = append(m.ended, l.id)
		return true
	})
}

// stamp formats a message with the seconds since the experiment started.
func (e *experiment) stamp(format string, arguments ...any) string {
	return fmt.Sprintf("%9.3f ", time.Since(e.started).Seconds()) + fmt.Sprintf(format, arguments...)
}
