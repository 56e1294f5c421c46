package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// The model, by which every answer is judged.
//
// A link is in it from the moment at which its first token arrived. All times are the suite's own: when a request was sent
// and when its answer came. A request without an answer, and any 503, has an unknown outcome: it may have taken effect, or
// may do so later.
//
//  1. A link may have ended as soon as anything was sent that ends it (an attempt). Without an attempt an inactive answer, or
//     an invalid_grant, is a token lost: a violation at any time.
//  2. A link has ended for certain when an attempt was acknowledged, or when an answer said so while an attempt was open.
//     What was sent later must read inactive: at once in the process that acknowledged the only attempt there was; 1 s later
//     at a replica that was certainly in reach of the store for that second; and lookup.max_staleness later anywhere.
//     An attempt with an unknown outcome is made again elsewhere until it is acknowledged.
//  3. A token that was given out for a request sent after the end is a violation.
//  4. While a replica is certainly cut off, no answer of it can come from the store: inactive is a violation, and so is
//     active once the cut has lasted for lookup.max_staleness. Before that it must know what it answered shortly before.
//  5. A refresh token that rotates is live until a child of its parent or of itself is presented (bridge.MaxSuccessors is kept
//     out of reach). While a request with one has an unknown outcome no other token of the link is presented, until that
//     request can have no effect any more and the same token was presented again: a late one would be a replay.
//  6. After a backup was put in place, the model is what it was when the copy was made, together with what was sent
//     afterwards. Attempts that were under way stay open. Tokens from after the copy are gone, as if ended at that moment.
//  7. Anything else than these answers, 503 and no answer is a violation, and so is a process that ends by itself.

// skill is a skill of the suite.
type skill struct {
	id, secret string
	rotates    bool
}

// link is one link of the model.
type link struct {
	number int
	skill  *skill
	lane   sync.Mutex // held while a refresh token of it is on its way

	mu      sync.Mutex
	id      string // once a lookup has told it
	state   linkState
	gone    []*accessToken // of after a backup that is in place again
	history []string
}

// linkState is what a backup can bring back.
type linkState struct {
	access   []*accessToken
	refresh  []refreshToken
	loose    *looseRequest // a refresh with an unknown outcome
	code     string        // redeemed, and within a second
	redeemed time.Time     // when the answer came
	attempts int           // to end it, without a certain outcome so far
	ended    time.Time     // zero: not for certain
	by       *life         // which ended it all by itself
	inferred bool          // from an answer, not by an acknowledgement
	absent   bool          // the backup that is in place does not have it
}

func (s *linkState) clone() linkState {
	copied := *s
	copied.access, copied.refresh = slices.Clone(s.access), slices.Clone(s.refresh)
	return copied
}

// accessToken is an access token that arrived.
type accessToken struct {
	link   *link
	number int
	text   string
	gone   time.Time           // its link did not end, but it went with what came after a backup
	warm   map[*life]time.Time // when a process last answered active
}

// recent is the tokens that a replica answered last.
type recent struct {
	mu     sync.Mutex
	tokens []*accessToken
}

func (k *recent) add(token *accessToken) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !slices.Contains(k.tokens, token) {
		k.tokens = append(k.tokens, token)
	}
	if len(k.tokens) > 40 {
		k.tokens = slices.Delete(k.tokens, 0, 10)
	}
}

// pick draws a token. nil: there is none.
func (k *recent) pick(draw *rand.Rand) *accessToken {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.tokens) == 0 {
		return nil
	}
	return k.tokens[draw.IntN(len(k.tokens))]
}

// looseRequest is a refresh of which nobody knows whether it took effect, or still will.
type looseRequest struct {
	token int
	at    *replica
	when  time.Time
}

// note writes something into the link's history. It needs the lock.
func (l *link) note(o *ordeal, format string, arguments ...any) {
	l.history = append(l.history, fmt.Sprintf("%9.3f ", time.Since(o.began).Seconds())+fmt.Sprintf(format, arguments...))
	if len(l.history) > 400 {
		l.history = append(l.history[:100:100], l.history[200:]...)
	}
}

// alive says that the link has not ended and that nothing was sent that may end it. It needs the lock.
func (l *link) alive() bool { return l.state.attempts == 0 && l.state.ended.IsZero() }

// over learns that the link has ended by a moment. It needs the lock.
func (l *link) over(at time.Time, by *life) {
	if l.state.ended.IsZero() || at.Before(l.state.ended) {
		l.state.ended = at
	}
	l.state.by = by
}

func (l *link) addAccess(text string) *accessToken {
	token := &accessToken{link: l, number: len(l.state.access) + len(l.gone), text: text, warm: map[*life]time.Time{}}
	l.state.access = append(l.state.access, token)
	return token
}

// model is all links that are watched.
type model struct {
	mu    sync.Mutex
	links []*link
	made  int
	live  int
}

// add needs the lock.
func (m *model) add(l *link) {
	m.made++
	l.number = m.made
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

// pick draws a link, one in two among the newest. nil: there is none yet.
func (m *model) pick(draw *rand.Rand) *link {
	m.mu.Lock()
	defer m.mu.Unlock()
	first := 0
	if draw.IntN(2) == 0 {
		first = max(0, len(m.links)-25)
	}
	if len(m.links) == 0 {
		return nil
	}
	return m.links[first+draw.IntN(len(m.links)-first)]
}

// pickLive draws a link that has not ended as far as is known. nil: none was found.
func (m *model) pickLive(draw *rand.Rand) *link {
	for range 20 {
		l := m.pick(draw)
		if l == nil {
			return nil
		}
		l.mu.Lock()
		alive := l.alive()
		l.mu.Unlock()
		if alive {
			return l
		}
	}
	return nil
}

// forget drops links that ended long ago, and counts those that live.
func (m *model) forget(longAgo time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.live = 0
	m.links = slices.DeleteFunc(m.links, func(l *link) bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.state.ended.IsZero() {
			m.live++
		}
		return !l.state.ended.IsZero() && l.state.ended.Before(longAgo)
	})
}

// token draws an access token. nil: there is none. It needs no lock.
func (l *link) token(draw *rand.Rand) *accessToken {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.gone) > 0 && draw.IntN(4) == 0 {
		return l.gone[draw.IntN(len(l.gone))]
	}
	if len(l.state.access) == 0 {
		return nil
	}
	return l.state.access[draw.IntN(len(l.state.access))]
}
