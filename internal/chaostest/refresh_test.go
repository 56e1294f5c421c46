//go:build strict

package chaostest

import (
	"encoding/json"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	maxSuccessors = 8  // of a refresh token, well below bridge.MaxSuccessors
	maxAccess     = 30 // access tokens of a link
)

// refreshToken is a refresh token that was received.
type refreshToken struct {
	text       string
	parent     int // index into link.refresh; -1: the first token
	superseded bool
	successors int // upper bound
}

// present applies the presentation of a live token to the model.
func (l *link) present(token int) {
	parent := l.refresh[token].parent
	for i := range l.refresh {
		if parent >= 0 && i != token && (i == parent || l.refresh[i].parent == parent) {
			l.refresh[i].superseded = true
		}
	}
}

// pickRefresh returns the index of a random refresh token, most often the newest, or -1.
func (l *link) pickRefresh(superseded bool, rng *rand.Rand) int {
	var candidates []int
	for i, t := range l.refresh {
		if t.superseded == superseded && t.successors < maxSuccessors {
			candidates = append(candidates, i)
		}
	}
	switch {
	case len(candidates) == 0:
		return -1
	case rng.IntN(3) > 0:
		return candidates[len(candidates)-1]
	}
	return candidates[rng.IntN(len(candidates))]
}

// refresh presents a live refresh token, one time in ten at several replicas concurrently. All requests must succeed.
func (e *experiment) refresh(r *replica, l *link, rng *rand.Rand) {
	if !l.refreshing.TryLock() {
		return
	}
	defer l.refreshing.Unlock()
	token, text := l.nextRefresh(rng)
	if token < 0 {
		return
	}
	replicas := []*replica{r}
	if rng.IntN(10) == 0 {
		replicas = append(replicas, e.pickReplica(rng), e.pickReplica(rng))
	}
	responses := make([]*response, len(replicas))
	var group sync.WaitGroup
	for i, r := range replicas {
		group.Go(func() { responses[i] = e.postRefresh(r, l, text) })
	}
	group.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range responses {
		switch {
		case a.status == 200:
			e.refreshed(l, token, a)
		case a.definite():
			e.refreshDenied(l, token, a)
		}
	}
	for _, a := range responses { // after those that confirm the token
		if !a.definite() {
			e.refreshUnknown(l, token, a)
		}
	}
}

func (e *experiment) refreshUnknown(l *link, token int, a *response) {
	l.note(e, "%v refresh token %d: outcome unknown, status %d", a.replica, token, a.status)
	l.refresh[token].successors++
	if l.skill.rotates {
		l.unconfirmed = &unconfirmedRefresh{token, a.replica, time.Now()}
	}
}

func (e *experiment) postRefresh(r *replica, l *link, token string) *response {
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
	return e.post(r, "/token", l.skill.id, l.skill.secret, form)
}

// nextRefresh returns the token to present, or -1: that of the refresh with an unknown outcome, once that can have no
// further effect, before any other.
func (l *link) nextRefresh(rng *rand.Rand) (token int, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	u := l.unconfirmed
	switch {
	case len(l.access) >= maxAccess:
		return -1, ""
	case u == nil:
		token = l.pickRefresh(false, rng)
	case u.at.settled(u.when) && l.refresh[u.token].successors < maxSuccessors:
		token = u.token
	default:
		return -1, ""
	}
	if token < 0 {
		return -1, ""
	}
	return token, l.refresh[token].text
}

// refreshed adds the tokens of a response to the model.
func (e *experiment) refreshed(l *link, token int, a *response) {
	given := e.tokens(a)
	l.note(e, "%v refresh token %d gave access token %d", a.replica, token, len(l.access))
	if !l.revokedAt.IsZero() && a.sent.After(l.revokedAt) {
		e.linkViolation(l, "refresh token %d was accepted at %v after the revocation", token, a.replica)
	}
	e.checkLimit(l, a)
	l.addAccess(given.AccessToken)
	if !l.skill.rotates {
		if given.RefreshToken != l.refresh[token].text {
			e.linkViolation(l, "a stable refresh token was replaced")
		}
		return
	}
	l.unconfirmed = nil
	l.present(token)
	l.refresh[token].successors++
	l.refresh = append(l.refresh, refreshToken{text: given.RefreshToken, parent: token})
}

// tokenResponse is the body of a token response or of its error.
type tokenResponse struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	Error        string `json:"error"`
}

func (e *experiment) tokens(a *response) (given tokenResponse) {
	if err := json.Unmarshal(a.body, &given); err != nil || given.AccessToken == "" || given.RefreshToken == "" {
		e.violation("%v: not a token response: %v", a.replica, err)
	}
	return given
}

// refreshDenied checks the error for a refresh token that is live in the model.
func (e *experiment) refreshDenied(l *link, token int, a *response) {
	l.note(e, "%v refresh token %d: %s", a.replica, token, a.body)
	if !strings.Contains(string(a.body), "invalid_grant") || l.live() {
		e.linkViolation(l, "refresh token %d does not work at %v: %s", token, a.replica, a.body)
		return
	}
	e.counts.add("checked: refresh token of a revoked link denied")
	if l.revokedAt.IsZero() {
		l.markRevoked(a.received, nil)
		l.inferred = true
	}
}

// hasSuperseded reports whether the link has a superseded refresh token. It needs the lock.
func (l *link) hasSuperseded() bool {
	return slices.ContainsFunc(l.refresh, func(t refreshToken) bool { return t.superseded })
}

// replayRefresh presents a superseded refresh token, which revokes the link.
func (e *experiment) replayRefresh(r *replica, l *link, rng *rand.Rand) {
	if !l.refreshing.TryLock() {
		return
	}
	defer l.refreshing.Unlock()
	l.mu.Lock()
	token, unconfirmed, text := l.pickRefresh(true, rng), l.unconfirmed, ""
	if token >= 0 {
		text = l.refresh[token].text
	}
	l.mu.Unlock()
	if token < 0 || unconfirmed != nil {
		return
	}
	attempt := e.attempt(l, "a superseded refresh token at "+r.String())
	a := e.postRefresh(r, l, text)
	switch {
	case !a.definite():
	case a.status == 200:
		attempt.violation(e, "superseded refresh token %d was accepted at %v", token, r)
	default:
		e.counts.add("revoked: by a replayed refresh token")
		attempt.acknowledged(e, a.received, a.process)
	}
}

// replayCode presents a redeemed code. Within bridge.CodeReplayGrace, 10 s, that revokes nothing; later it revokes
// the link. The exchange took up to 1 s, so what happens around the bound is not checked.
func (e *experiment) replayCode(r *replica, l *link) {
	l.mu.Lock()
	code, redeemedAt := l.code, l.redeemedAt
	l.mu.Unlock()
	age := time.Since(redeemedAt)
	if code == "" || age > 4*time.Second && age < 12*time.Second {
		return
	}
	attempt := e.attempt(l, "a redeemed code at "+r.String())
	a := e.postCode(r, l.skill, code)
	switch since := a.received.Sub(redeemedAt); {
	case !a.definite():
	case a.status == 200:
		attempt.violation(e, "a code was accepted twice, the second time at %v", r)
	case age < 4*time.Second && since < 8*time.Second:
		e.counts.add("checked: a code replayed at once revokes nothing")
		attempt.withdrawn(e)
	case age >= 12*time.Second:
		e.counts.add("revoked: by a replayed code")
		attempt.acknowledged(e, a.received, a.process)
	}
}

func (e *experiment) postCode(r *replica, s *skill, code string) *response {
	return e.post(r, "/token", s.id, s.secret, url.Values{"grant_type": {"authorization_code"}, "code": {code}})
}
