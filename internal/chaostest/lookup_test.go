//go:build strict

package chaostest

import (
	"encoding/json"
	"net/url"
	"time"
)

// lookupResponse is the body of a lookup response.
type lookupResponse struct {
	Active         bool   `json:"active"`
	LinkID         string `json:"link_id"`
	ClientID       string `json:"client_id"`
	Subject        string `json:"sub"`
	UpstreamIssuer string `json:"upstream_iss"`
}

// lookup looks a token up and checks the response.
func (e *experiment) lookup(r *replica, token *accessToken) (active, definite bool) {
	a := e.post(r, "/lookup", "backend", e.backendSecret, url.Values{"token": {token.text}})
	var answer lookupResponse
	if a.status == 200 {
		if err := json.Unmarshal(a.body, &answer); err != nil {
			e.violation("%v: not a lookup response: %s", r, a.body)
			return false, false
		}
	}
	l := token.link
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case a.status == 400:
		e.linkViolation(l, "%v: lookup: %s", r, a.body)
	case a.status != 200:
		e.checkCached(token, a, false)
	case answer.Active:
		e.checkIdentity(token, &answer)
		e.checkActive(token, a)
		token.active[a.process] = true
		return true, true
	default:
		e.checkInactive(token, a)
		return false, true
	}
	return false, false
}

// checkIdentity needs the link's lock, as do all functions below.
func (e *experiment) checkIdentity(token *accessToken, answer *lookupResponse) {
	l := token.link
	if l.id == "" {
		l.id = answer.LinkID
	}
	issuer := e.provider.Issuer()
	if l.skill.limited {
		issuer = e.flaky.Issuer()
	}
	want := lookupResponse{true, l.id, l.skill.id, l.person.Subject, issuer}
	if *answer != want {
		e.linkViolation(l, "token %d: a response about another link: %+v", token.number, answer)
	}
}

func (e *experiment) checkInactive(token *accessToken, a *response) {
	l := token.link
	if p := a.replica.partitionDuring(a.sent, a.received); p != nil {
		e.linkViolation(l, "token %d inactive at %v, which is partitioned for %v and cannot know",
			token.number, a.replica, a.sent.Sub(p.from))
	}
	switch {
	case !l.revokedAt.IsZero():
		e.counts.add(checkedRevoked)
		if late := a.sent.Sub(l.revokedAt); token.active[a.process] && late < 3*time.Second {
			e.counts.add("checked: cached token inactive within 3 s of the revocation")
		}
	case l.attempts == 0 && !l.doomed:
		e.linkViolation(l, "token %d inactive at %v though nothing revoked its link", token.number, a.replica)
	default:
		if l.attempts == 0 {
			e.counts.add(endedByRecheck)
		}
		l.note(e, "%v token %d inactive: the link is revoked", a.replica, token.number)
		l.markRevoked(a.received, nil)
		l.inferred = true
	}
}

func (e *experiment) checkActive(token *accessToken, a *response) {
	l := token.link
	p := a.replica.partitionDuring(a.sent, a.received)
	if p != nil && a.sent.Sub(p.from) >= e.maxStaleness {
		e.linkViolation(l, "token %d active at %v, which is partitioned for %v", token.number, a.replica, a.sent.Sub(p.from))
	}
	e.checkLimit(l, a)
	e.checkCached(token, a, true)
	if l.revokedAt.IsZero() {
		e.counts.add(checkedLive)
		return
	}
	e.checkRevoked(token, a)
}

// checkRevoked checks an active response for a link that is revoked for certain.
func (e *experiment) checkRevoked(token *accessToken, a *response) {
	l, late := token.link, a.sent.Sub(token.link.revokedAt)
	if late < 0 {
		return
	}
	l.note(e, "%v token %d active %v after the revocation", a.replica, token.number, late)
	connected := func() bool { return a.replica.undisturbed(a.sent.Add(-time.Second), a.sent) }
	switch {
	case l.revokedBy == a.process:
		e.linkViolation(l, "token %d active at %v %v after the same process revoked it", token.number, a.replica, late)
	case late >= e.maxStaleness:
		e.linkViolation(l, "token %d active at %v %v after the revocation", token.number, a.replica, late)
	case late >= time.Second && connected():
		e.afterStalls(func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			if connected() {
				e.linkViolation(l, "token %d active at %v %v after the revocation, while connected to the store",
					token.number, a.replica, late)
			}
		})
	default:
		e.counts.add("checked: active within the bound after the revocation")
	}
}

// checkCached counts what a partitioned replica responds for tokens that it had answered before. A single miss proves
// nothing, since the revocation of another link may evict an entry; see [experiment.checkCachedShare].
func (e *experiment) checkCached(token *accessToken, a *response, answered bool) {
	p := a.replica.partitionDuring(a.sent, a.received)
	if p == nil || !p.isolated || !token.active[a.process] || !token.link.live() || token.link.skill.limited {
		return
	}
	age := a.received.Sub(p.from)
	if age+1500*time.Millisecond >= e.maxStaleness { // the last feed read started before the partition
		return
	}
	if answered {
		e.counts.add(cachedAnswered)
		return
	}
	e.counts.add(cachedMissed)
	token.link.note(e, "%v, partitioned for %v, responds to cached token %d with status %d",
		a.replica, age, token.number, a.status)
}

const (
	checkedLive    = "checked: live token active"
	checkedRevoked = "checked: revoked token inactive"
	cachedAnswered = "checked: cached token answered during a partition"
	cachedMissed   = "checked: cached token missed during a partition"
)

func (e *experiment) checkCachedShare() {
	answered, missed := e.counts.of(cachedAnswered), e.counts.of(cachedMissed)
	if missed > 5 && missed*10 > answered {
		e.violation("partitioned replicas missed %d of %d cached tokens", missed, answered+missed)
	}
}
