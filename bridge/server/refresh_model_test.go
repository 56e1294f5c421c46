package server_test

import (
	"maps"
	"slices"
	"time"

	"alexa-oidc-bridge/bridge"
)

// verdict is what comes of presenting a code or a token.
type verdict string

const (
	issued   verdict = "tokens are given out"
	refused  verdict = "invalid_grant, and nothing changes"
	replayed verdict = "invalid_grant, and the link ends"
	ended    verdict = "200, and the link ends"
	passed   verdict = "200, and nothing changes"
)

// model is what there should be, by the rules alone. It knows no database and forgets nothing.
type model struct {
	links   []*modelLink
	refresh []*modelRefresh
	access  []*modelAccess
}

type modelLink struct {
	id, client, code string

	codeExpires time.Time
	redeemed    time.Time // zero: not yet
	revoked     time.Time // zero: not yet; a whole second
	reason      bridge.Reason
	holds       *modelRefresh // what its client believes to be the newest
}

func (l *modelLink) live() bool { return l.revoked.IsZero() }

func (l *modelLink) end(reason bridge.Reason, now time.Time) {
	if l.live() {
		l.revoked, l.reason = now.Truncate(time.Second), reason
	}
}

type modelAccess struct {
	text    string
	link    *modelLink
	expires time.Time // a whole second
}

func (a *modelAccess) active(now time.Time) bool { return a.link.live() && now.Before(a.expires) }

// fate is whether a refresh token is still there. Of children that were asked for at once nobody can tell which the limit
// has taken until they are presented.
type fate int

const (
	unknown fate = iota
	kept
	evicted
)

type modelRefresh struct {
	text       string
	link       *modelLink
	parent     *modelRefresh
	superseded bool
	fate       fate
	among      *generation // nil: the first of its link
	children   []*generation
}

// generation is children of one token that were asked for at once.
type generation struct {
	older  int // children of the same parent before them
	tokens []*modelRefresh
}

func (t *modelRefresh) births() int {
	if len(t.children) == 0 {
		return 0
	}
	last := t.children[len(t.children)-1]
	return last.older + len(last.tokens)
}

// fates says what can have become of a token: the limit has taken so many of its generation, of which some are known.
func (t *modelRefresh) fates() []fate {
	if t.among == nil {
		return []fate{kept}
	}
	if t.fate != unknown {
		return []fate{t.fate}
	}
	gone := min(max(t.parent.births()-bridge.MaxSuccessors-t.among.older, 0), len(t.among.tokens))
	open := 0
	for _, token := range t.among.tokens {
		switch token.fate {
		case evicted:
			gone--
		case unknown:
			open++
		}
	}
	switch gone {
	case 0:
		return []fate{kept}
	case open:
		return []fate{evicted}
	}
	return []fate{kept, evicted}
}

// verdicts say what may come of presenting a refresh token, by what may have become of it.
type verdicts map[fate]verdict

func (v verdicts) holds(got verdict) bool {
	return slices.Contains(slices.Collect(maps.Values(v)), got)
}

// learn takes down what an answer has shown of a token.
func (t *modelRefresh) learn(could verdicts, got verdict) {
	if len(could) < 2 || could[kept] == could[evicted] {
		return
	}
	t.fate = evicted
	if got == could[kept] {
		t.fate = kept
	}
}

// refreshVerdicts are those at /token. A nil token is one that was never given out.
func (m *model) refreshVerdicts(t *modelRefresh, client string) verdicts {
	if t == nil {
		return verdicts{evicted: refused}
	}
	could := verdicts{}
	for _, fate := range t.fates() {
		switch {
		case fate == evicted, t.link.client != client, !t.link.live():
			could[fate] = refused
		case t.superseded:
			could[fate] = replayed
		default:
			could[fate] = issued
		}
	}
	return could
}

// revokeVerdicts are those at /revoke.
func (m *model) revokeVerdicts(t *modelRefresh, client string) verdicts {
	could := verdicts{}
	for _, fate := range t.fates() {
		could[fate] = ended
		if fate == evicted || t.link.client != client || !t.link.live() || t.superseded {
			could[fate] = passed
		}
	}
	return could
}

// redeemVerdict says what comes of presenting a code. It is empty in the second after the grace: times have whole seconds.
func (m *model) redeemVerdict(l *modelLink, client string, now time.Time) verdict {
	late := now.Sub(l.redeemed)
	switch {
	case l.client != client, !l.live():
		return refused
	case l.redeemed.IsZero() && now.Before(l.codeExpires):
		return issued
	case l.redeemed.IsZero(), late <= bridge.CodeReplayGrace:
		return refused
	case late < bridge.CodeReplayGrace+time.Second:
		return ""
	}
	return replayed
}

// redeem gives a link its first pair.
func (m *model) redeem(l *modelLink, access, refresh string, now time.Time) {
	l.redeemed = now
	l.holds = &modelRefresh{text: refresh, link: l}
	m.refresh = append(m.refresh, l.holds)
	m.addAccess(l, access, now)
}

func (m *model) addAccess(l *modelLink, text string, now time.Time) {
	m.access = append(m.access, &modelAccess{text, l, now.Add(propertyLifetime).Truncate(time.Second)})
}

// present supersedes the parent and the siblings of a token whose presentation succeeded.
func (m *model) present(t *modelRefresh) {
	if t.parent == nil {
		return
	}
	t.parent.superseded = true
	for _, generation := range t.parent.children {
		for _, sibling := range generation.tokens {
			sibling.superseded = sibling != t
		}
	}
}

// bear adds children to a token, asked for at once.
func (m *model) bear(t *modelRefresh, texts []string) {
	born := &generation{older: t.births()}
	for _, text := range texts {
		born.tokens = append(born.tokens, &modelRefresh{text: text, link: t.link, parent: t, among: born})
	}
	t.children = append(t.children, born)
	m.refresh = append(m.refresh, born.tokens...)
}

// sweep ends the links whose code has been over for a while and was never presented.
func (m *model) sweep(now time.Time) {
	for _, l := range m.links {
		if l.redeemed.IsZero() && !now.Before(l.codeExpires.Add(bridge.RedeemGrace)) {
			l.end(bridge.ReasonNotRedeemed, now)
		}
	}
}

// knows says whether a text was given out before.
func (m *model) knows(text string) bool {
	return slices.ContainsFunc(m.refresh, func(t *modelRefresh) bool { return t.text == text }) ||
		slices.ContainsFunc(m.access, func(a *modelAccess) bool { return a.text == text })
}
