//go:build strict

package chaostest

import (
	"fmt"
	"math/rand/v2"
	"time"

	"alexa-oidc-bridge/bridge/upstreamtest"
)

const (
	// guests link the skill of the flaky provider, so few that it is asked about each link every second or two.
	guests, linksPerGuest = 4, 4
	recheckLimit          = 8 * time.Second
	// rechecksAtOnce is how many questions a process may have on the way to one provider: so many answers are lost with
	// it.
	rechecksAtOnce = 4
	// unasked is how long after the last question about a link nobody will ask soon, because the lease of a process that
	// was killed lasts.
	unasked = 6 * time.Second
)

const (
	accountRemoved = "ended: account at the flaky provider"
	endedByRecheck = "ended: by a recheck"
)

// guest returns who has the login of a guest.
func guest(n, which int) upstreamtest.Person {
	person := ada
	person.Subject, person.Login = fmt.Sprintf("guest-%d-%d", n, which), fmt.Sprintf("guest%d", n)
	return person
}

// workWithGuest links the skill of the flaky provider for a guest some times, uses all links of the provider, and then
// ends the account.
func (e *experiment) workWithGuest(rng *rand.Rand, n int) {
	which, until := 0, time.Now()
	for e.pause(time.Duration(20+rng.IntN(80)) * time.Millisecond) {
		links, own := e.model.limited(), countLive(e.model.of(guest(n, which)))
		switch {
		case own < linksPerGuest && rng.IntN(4) == 0:
			e.link(e.pickReplica(rng), rng, e.rechecked, guest(n, which))
		case own > 0 && time.Now().After(until) && !e.calm.Load():
			which++
			e.endAccount(guest(n, which-1), guest(n, which))
			until = time.Now().Add(time.Duration(2000+rng.IntN(7000)) * time.Millisecond)
		case len(links) > 0:
			e.lookup(e.pickReplica(rng), links[rng.IntN(len(links))].token(rng))
		}
	}
}

// endAccount removes an account at the flaky provider, and gives its login to another person.
func (e *experiment) endAccount(person, next upstreamtest.Person) {
	links := e.model.of(person)
	for _, l := range links {
		l.locked(func(l *link) bool { l.doomed = true; return true })
	}
	e.flaky.SetPerson(next)
	at := time.Now()
	for _, l := range links {
		l.locked(func(l *link) bool { l.doomedAt = at; l.note(e, "its account is gone"); return true })
	}
	e.counts.add(accountRemoved)
}

// checkLimit checks a successful response against the recheck_limit, which counts from the last answer about an
// account, and so ends soon after the account itself. It needs the link's lock.
func (e *experiment) checkLimit(l *link, a *response) {
	const clockGrain = time.Second
	if late := a.sent.Sub(l.doomedAt); !l.doomedAt.IsZero() && late > recheckLimit+clockGrain {
		e.linkViolation(l, "still good at %v %v after its account was removed", a.replica, late)
	}
}

// limited returns the links of the flaky provider.
func (m *model) limited() (links []*link) {
	for _, l := range m.all() {
		if l.skill.limited {
			links = append(links, l)
		}
	}
	return links
}

func countLive(links []*link) (n int) {
	for _, l := range links {
		if l.locked((*link).live) {
			n++
		}
	}
	return n
}

// checkAccounts waits, once all faults are over, until each link of the flaky provider is at each replica what its
// account is: active, or inactive. A link may go on to be answered by 503 only if an answer about it was lost for good.
func (e *experiment) checkAccounts(rng *rand.Rand) {
	waiting := map[*link][]*replica{}
	for _, l := range e.model.limited() {
		waiting[l] = e.replicas
	}
	deadline := time.Now().Add(time.Minute) // a provider is left alone for half of it
	for ; len(waiting) > 0 && time.Now().Before(deadline); e.pause(100 * time.Millisecond) {
		for l, replicas := range waiting {
			if replicas = e.unsettled(l, replicas, rng); len(replicas) > 0 {
				waiting[l] = replicas
			} else {
				delete(waiting, l)
			}
		}
		if e.allLost(waiting) || e.ctx.Err() != nil {
			break
		}
	}
	for l := range waiting {
		e.counts.add("checked: unknown since an answer was lost")
		if !e.allLost(map[*link][]*replica{l: nil}) {
			l.locked(func(l *link) bool {
				e.linkViolation(l, "unknown, or active without an account, though all faults are over and no answer was lost")
				return true
			})
		}
	}
}

// unsettled looks a link up, and returns the replicas that do not respond as its account is.
func (e *experiment) unsettled(l *link, replicas []*replica, rng *rand.Rand) (not []*replica) {
	doomed := l.locked(func(l *link) bool { return l.doomed })
	for _, r := range replicas {
		if active, definite := e.lookup(r, l.token(rng)); !definite || active && doomed {
			not = append(not, r)
		}
	}
	return not
}

// allLost reports whether an answer about each of the links was lost: the provider has seen that the refresh token in
// the store is an old one, it refuses one after it has not answered, or a process was killed that may have asked last,
// and nobody asks again while its lease lasts.
func (e *experiment) allLost(links map[*link][]*replica) bool {
	bySubject, gone, killed := map[string]int{}, map[string]bool{}, 0
	for l := range links {
		if l.locked(func(l *link) bool { return l.doomed && time.Since(l.doomedAt) < recheckLimit+time.Second }) {
			return false // it may still be active
		}
		bySubject[l.person.Subject]++
		gone[l.person.Subject] = l.locked(func(l *link) bool { return l.doomed })
	}
	for subject, n := range bySubject {
		broken, silent := e.flaky.lost(subject, gone[subject], time.Now().Add(-unasked))
		if n > broken+silent {
			return false
		}
		killed += max(0, n-broken)
	}
	return killed <= rechecksAtOnce*e.kills()
}

// kills returns how many processes were killed.
func (e *experiment) kills() (n int) {
	for _, r := range e.replicas {
		n += int(r.kills.Load())
	}
	return n
}
