package main

import (
	"encoding/json"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	// maxBirths keeps the children of a refresh token well below those that the bridge remembers.
	maxBirths = 8
	// maxAccess bounds what is looked up of one link.
	maxAccess = 30
)

// refreshToken is a refresh token that arrived.
type refreshToken struct {
	text       string
	parent     int // -1: the first
	superseded bool
	births     int // how often it was presented, at most
}

// present does to the model what the presentation of a live token does.
func (s *linkState) present(token int) {
	parent := s.refresh[token].parent
	for i := range s.refresh {
		if parent >= 0 && i != token && (i == parent || s.refresh[i].parent == parent) {
			s.refresh[i].superseded = true
		}
	}
}

// draw draws a token that may be presented. -1: there is none.
func (s *linkState) draw(superseded bool, draw *rand.Rand) int {
	var good []int
	for i, t := range s.refresh {
		if t.superseded == superseded && t.births < maxBirths {
			good = append(good, i)
		}
	}
	if len(good) == 0 {
		return -1
	}
	if draw.IntN(3) > 0 {
		return good[len(good)-1]
	}
	return good[draw.IntN(len(good))]
}

// refresh presents a live refresh token of a link.
func (o *ordeal) refresh(r *replica, l *link, draw *rand.Rand) {
	if !l.lane.TryLock() {
		return
	}
	defer l.lane.Unlock()
	o.steady.RLock()
	defer o.steady.RUnlock()
	token, text := l.nextToken(draw)
	if token < 0 {
		return
	}
	a := o.post(r, "/token", l.skill.id, l.skill.secret, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {text}})
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case token >= len(l.state.refresh) || l.state.refresh[token].text != text: // gone with a backup meanwhile
	case !a.certain() || !o.same(a):
		l.note(o, "%v refresh token %d: outcome unknown, status %d", r, token, a.status)
		l.state.refresh[token].births++
		if l.skill.rotates {
			l.state.loose = &looseRequest{token, r, time.Now()}
		}
	case a.status == 200:
		o.refreshed(l, token, a)
	default:
		o.refused(l, token, a)
	}
}

// nextToken draws the token to be presented: the one of a request with an unknown outcome before any other, and only when
// that request can have no effect any more.
func (l *link) nextToken(draw *rand.Rand) (token int, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := &l.state
	switch {
	case len(s.access) >= maxAccess:
		return -1, ""
	case s.loose == nil:
		token = s.draw(false, draw)
	case s.loose.at.settled(s.loose.when) && s.refresh[s.loose.token].births < maxBirths:
		token = s.loose.token
	default:
		return -1, ""
	}
	if token < 0 {
		return -1, ""
	}
	return token, s.refresh[token].text
}

// refreshed takes what a refresh gave.
func (o *ordeal) refreshed(l *link, token int, a *answer) {
	given := o.tokensIn(a)
	l.note(o, "%v refresh token %d presented (sent %.3f), access token %d", a.at, token, a.sent.Sub(o.began).Seconds(), len(l.state.access)+len(l.gone))
	if !l.state.ended.IsZero() && a.sent.After(l.state.ended) {
		o.violation(l, "refresh token %d was good at %v after the end of the link", token, a.at)
	}
	l.addAccess(given.AccessToken)
	if !l.skill.rotates {
		if given.RefreshToken != l.state.refresh[token].text {
			o.violation(l, "a refresh token that stays was changed")
		}
		return
	}
	l.state.loose = nil
	l.state.present(token)
	l.state.refresh[token].births++
	l.state.refresh = append(l.state.refresh, refreshToken{text: given.RefreshToken, parent: token})
}

func (o *ordeal) tokensIn(a *answer) tokenAnswer {
	var given tokenAnswer
	if err := json.Unmarshal(a.body, &given); err != nil || given.AccessToken == "" || given.RefreshToken == "" {
		o.violation(nil, "%v answered a token request with %s", a.at, a.body)
	}
	return given
}

// refused judges the refusal of a refresh token that lives as far as the model knows.
func (o *ordeal) refused(l *link, token int, a *answer) {
	l.note(o, "%v refresh token %d refused: %s", a.at, token, a.body)
	if !strings.Contains(string(a.body), "invalid_grant") {
		o.violation(l, "a refresh was refused: %s", a.body)
		return
	}
	o.counts.add("checked: refresh token of an ended link refused")
	if l.alive() {
		o.violation(l, "refresh token %d is lost", token)
	}
	if l.state.ended.IsZero() {
		l.over(a.came, nil)
		l.state.inferred = true
	}
}

// replayable says whether there is a superseded refresh token.
func (l *link) replayable() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.state.refresh, func(t refreshToken) bool { return t.superseded })
}

// replay presents a superseded refresh token, which ends the link.
func (o *ordeal) replay(r *replica, l *link, draw *rand.Rand) {
	if !l.lane.TryLock() {
		return
	}
	defer l.lane.Unlock()
	o.steady.RLock()
	defer o.steady.RUnlock()
	l.mu.Lock()
	token, loose := l.state.draw(true, draw), l.state.loose
	text := ""
	if token >= 0 {
		text = l.state.refresh[token].text
	}
	l.mu.Unlock()
	if token < 0 || loose != nil {
		return
	}
	attempt := o.begin(l, "a superseded refresh token at "+r.String())
	a := o.post(r, "/token", l.skill.id, l.skill.secret, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {text}})
	switch {
	case !a.certain():
		attempt.unknown(o, "no answer")
	case a.status == 200:
		o.accuse(l, "superseded refresh token %d was good at %v", token, r)
	default:
		o.counts.add("ended by a replayed refresh token")
		attempt.acknowledged(o, a.came, a.by)
	}
}

// replayCode presents a redeemed code again. That ends nothing within bridge.CodeReplayGrace, which is 10 s, and the link
// later. The exchange took no more than 1 s.
func (o *ordeal) replayCode(r *replica, l *link) {
	o.steady.RLock()
	defer o.steady.RUnlock()
	l.mu.Lock()
	code, redeemed := l.state.code, l.state.redeemed
	l.mu.Unlock()
	age := time.Since(redeemed)
	if code == "" || age > 4*time.Second && age < 12*time.Second {
		return
	}
	attempt := o.begin(l, "a redeemed code at "+r.String())
	a := o.post(r, "/token", l.skill.id, l.skill.secret, url.Values{"grant_type": {"authorization_code"}, "code": {code}})
	switch since := a.came.Sub(redeemed); {
	case !a.certain():
		attempt.unknown(o, "no answer")
	case a.status == 200:
		o.accuse(l, "a code was good twice, the second time at %v", r)
	case age < 4*time.Second && since < 8*time.Second:
		o.counts.add("checked: a code replayed at once ends nothing")
		attempt.withdrawn(o)
	case age < 4*time.Second:
		attempt.unknown(o, "it came too late to be sure")
	default:
		o.counts.add("ended by a replayed code")
		attempt.acknowledged(o, a.came, a.by)
	}
}
