//go:build strict

package chaostest

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"alexa-oidc-bridge/bridge/upstreamtest"
)

const (
	workers  = 14
	maxLinks = 75 // live ones
)

// rng returns a source of random choices for one goroutine, derived from the seed.
func (e *experiment) rng(n uint64) *rand.Rand { return rand.New(rand.NewPCG(e.seed, n)) }

// pickReplica returns a random replica, rarely one that is down.
func (e *experiment) pickReplica(rng *rand.Rand) *replica {
	r := e.replicas[rng.IntN(len(e.replicas))]
	for range 10 {
		if !r.down.Load() || rng.IntN(25) == 0 {
			break
		}
		r = e.replicas[rng.IntN(len(e.replicas))]
	}
	return r
}

// work performs random operations, and links the skills for people, until the experiment ends.
func (e *experiment) work(rng *rand.Rand, people *staff) {
	for e.pause(time.Duration(5+rng.IntN(40)) * time.Millisecond) {
		r, l := e.pickReplica(rng), e.model.pick(rng)
		if time.Now().After(people.until) {
			e.leave(people, rng)
		}
		switch n := rng.IntN(200); {
		case n < 10 || l == nil:
			e.linkSome(r, rng, people.person())
		case n < 16:
			e.revokeSome(r, rng)
		case n < 17:
			if live := e.model.pickLive(rng); live != nil {
				e.revokeByCommand(live, rng)
			}
		case n < 53:
			e.refresh(r, l, rng)
		case n < 57:
			e.replayCode(r, l)
		default:
			e.lookup(r, l.token(rng))
		}
	}
}

// revokeSome revokes a link and looks its tokens up, first in the process that revoked it.
func (e *experiment) revokeSome(r *replica, rng *rand.Rand) {
	l := e.model.pickLive(rng)
	for range rng.IntN(2) * 10 {
		if l != nil && !l.locked((*link).hasSuperseded) {
			l = e.model.pickLive(rng)
		}
	}
	switch {
	case l == nil || e.model.countLive() < maxLinks/2:
		return
	case l.locked((*link).hasSuperseded):
		e.replayRefresh(r, l, rng)
	default:
		e.revoke(r, l.token(rng), rng)
	}
	for range 6 {
		e.lookup(r, l.token(rng))
		r = e.pickReplica(rng)
	}
}

// poll looks tokens up at one replica in whatever state it is, half of them tokens that it has answered. It keeps its
// pace when the replica does not respond.
func (e *experiment) poll(r *replica, rng *rand.Rand) {
	for e.pause(40 * time.Millisecond) {
		if token := e.pickToken(rng, r.process.Load()); token != nil {
			e.goroutines.Go(func() { e.lookup(r, token) })
		}
	}
}

// pickToken returns a random token, half the time one that the process has in its cache, or nil.
func (e *experiment) pickToken(rng *rand.Rand, p *process) (token *accessToken) {
	for range 1 + 20*rng.IntN(2) {
		l := e.model.pick(rng)
		if l == nil {
			return nil
		}
		if token = l.token(rng); token.activeIn(p) {
			break
		}
	}
	return token
}

// pollReady checks /readyz of a replica: 503 only if it has not read from the store for max_staleness, and always if
// the store was out of reach for that long.
//
// When it read last is what the replica said of itself while it was ready. That detectStalls reached the store proves
// nothing: it needs one round trip on an open connection, while a replica whose connection was cut needs a dozen, and
// the hash of a password, and gives a read up after 1 s. On a busy machine it can fail at that for max_staleness, and
// 503 is right then. The age counts from the start of the read, as in the replica, so no tolerance is needed. A
// replica that does not read although it could is found by checkRevoked and at the end by waitUntilReady.
func (e *experiment) pollReady(r *replica) {
	client := &http.Client{Timeout: 2 * time.Second, Transport: newTransport()}
	defer client.CloseIdleConnections()
	var lastRead time.Time // at this time or later
	for e.pause(200 * time.Millisecond) {
		process, sent := r.process.Load(), time.Now()
		status, _, err := get(e.ctx, client, r, "/readyz")
		received := time.Now()
		if err != nil {
			continue
		}
		p := r.partitionDuring(sent, received)
		switch {
		case status == http.StatusServiceUnavailable && received.Sub(lastRead) < e.maxStaleness:
			e.violation("%v is not ready %v after it read from the store", r, received.Sub(lastRead))
		case status == http.StatusServiceUnavailable:
			e.counts.add("checked: not ready during a long partition")
		case p != nil && sent.Sub(p.from) > e.maxStaleness && process == r.process.Load():
			e.violation("%v is ready though it is partitioned for %v", r, sent.Sub(p.from))
		}
		asked := time.Now()
		if age, ok := feedAge(e.ctx, client, r); ok && asked.Add(-age).After(lastRead) {
			lastRead = asked.Add(-age)
		}
	}
}

// feedAge returns how long ago a replica's last successful read of the feed started.
func feedAge(ctx context.Context, client *http.Client, r *replica) (age time.Duration, ok bool) {
	_, metrics, _ := get(ctx, client, r, "/metrics")
	_, value, _ := strings.Cut(metrics, "\nbridge_feed_age_seconds ")
	value, _, _ = strings.Cut(value, "\n")
	seconds, err := strconv.ParseFloat(value, 64)
	return time.Duration(seconds * float64(time.Second)), err == nil
}

// waitUntilReady waits for a replica once all faults are over.
func (e *experiment) waitUntilReady(r *replica) {
	for range 40 {
		if status, _, _ := get(e.ctx, http.DefaultClient, r, "/readyz"); status == http.StatusOK {
			return
		}
		e.pause(500 * time.Millisecond)
	}
	e.violation("%v is not ready though all faults are over", r)
}

// linkSome links a random skill of the provider without faults.
func (e *experiment) linkSome(r *replica, rng *rand.Rand, person upstreamtest.Person) {
	if e.model.countLive() < maxLinks {
		e.link(r, rng, []*skill{e.rotates, e.rotates, e.stable}[rng.IntN(3)], person)
	}
}

// link links a skill through a browser, and redeems the code at any replica.
func (e *experiment) link(r *replica, rng *rand.Rand, s *skill, person upstreamtest.Person) {
	responseType := "code"
	if rng.IntN(4) == 0 {
		responseType = "token"
	}
	f, err := s.signIn(r, responseType, person)
	if !e.checkPage(r, err) {
		return
	}
	received, err := f.consent()
	for range 2 { // the same decision has the same result
		if err != nil && e.pause(300*time.Millisecond) {
			received, err = f.consent()
		}
	}
	if !e.checkPage(r, err) {
		return
	}
	if responseType == "token" {
		e.addLink(&link{skill: s, person: person}, received.Get("access_token"))
		return
	}
	e.redeem(e.pickReplica(rng), &link{skill: s, person: person}, received.Get("code"))
}

// checkPage reports whether a flow may continue. Beside status 503 and no response, an error is a violation.
func (e *experiment) checkPage(r *replica, err error) bool {
	unexpected, ok := errors.AsType[*unexpectedError](err)
	switch {
	case err == nil:
		return true
	case !ok:
		e.counts.add("requests: pages: no response")
	case unexpected.status == http.StatusServiceUnavailable:
		e.counts.add("requests: pages: 503")
	default:
		e.violation("%v: %v", r, err)
	}
	return false
}

// redeem redeems a code once. If the outcome is unknown, a second time could be a replay.
func (e *experiment) redeem(r *replica, l *link, code string) {
	a := e.postCode(r, l.skill, code)
	switch a.status {
	case 200:
		given := e.tokens(a)
		l.refresh = []refreshToken{{text: given.RefreshToken, parent: -1}}
		if a.received.Sub(a.sent) < time.Second {
			l.code, l.redeemedAt = code, a.received
		}
		e.addLink(l, given.AccessToken)
	case 400:
		e.violation("%v does not accept a code that a browser received: %s", r, a.body)
	}
}

func (e *experiment) addLink(l *link, access string) {
	l.addAccess(access)
	l.note(e, "linked")
	e.model.add(l)
}
