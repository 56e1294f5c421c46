package server_test

import (
	"maps"
	"slices"
	"time"

	"alexa-oidc-bridge/bridge"
)

// outcome is the result of presenting a code or a token.
type outcome string

const (
	issued      outcome = "tokens issued"
	rejected    outcome = "invalid_grant"
	replayed    outcome = "invalid_grant, link revoked"
	revokedLink outcome = "200, link revoked"
	ignored     outcome = "200, no effect"
)

// model holds the links and tokens that there should be, by the rules alone.
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
	holds       *modelRefresh // the newest that its client has
}

func (l *modelLink) live() bool { return l.revoked.IsZero() }

func (l *modelLink) revoke(reason bridge.Reason, now time.Time) {
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

// retention says whether the store has a refresh token. Which of several successors that were issued at once the
// limit has evicted is unknown until they are presented.
type retention int

const (
	unknown retention = iota
	kept
	evicted
)

type modelRefresh struct {
	text       string
	link       *modelLink
	parent     *modelRefresh
	superseded bool
	retention  retention
	among      *generation // nil: the first of its link
	children   []*generation
}

// generation is the successors of one token that were issued at once.
type generation struct {
	older  int // successors of the same parent before these
	tokens []*modelRefresh
}

func (t *modelRefresh) successors() int {
	if len(t.children) == 0 {
		return 0
	}
	last := t.children[len(t.children)-1]
	return last.older + len(last.tokens)
}

// retentions returns what is possible for a token, by how many of its generation the limit has evicted, and which of
// those are known.
func (t *modelRefresh) retentions() []retention {
	if t.among == nil {
		return []retention{kept}
	}
	if t.retention != unknown {
		return []retention{t.retention}
	}
	gone := min(max(t.parent.successors()-bridge.MaxSuccessors-t.among.older, 0), len(t.among.tokens))
	open := 0
	for _, token := range t.among.tokens {
		switch token.retention {
		case evicted:
			gone--
		case unknown:
			open++
		}
	}
	switch gone {
	case 0:
		return []retention{kept}
	case open:
		return []retention{evicted}
	}
	return []retention{kept, evicted}
}

// outcomes are the possible outcomes of presenting a refresh token, by its retention.
type outcomes map[retention]outcome

func (o outcomes) has(got outcome) bool {
	return slices.Contains(slices.Collect(maps.Values(o)), got)
}

// observe records the retention of a token, if the outcome shows it.
func (t *modelRefresh) observe(possible outcomes, got outcome) {
	if len(possible) < 2 || possible[kept] == possible[evicted] {
		return
	}
	t.retention = evicted
	if got == possible[kept] {
		t.retention = kept
	}
}

// refreshOutcomes are the outcomes at /token. A nil token is one that was never issued.
func (m *model) refreshOutcomes(t *modelRefresh, client string) outcomes {
	if t == nil {
		return outcomes{evicted: rejected}
	}
	possible := outcomes{}
	for _, retention := range t.retentions() {
		switch {
		case retention == evicted, t.link.client != client, !t.link.live():
			possible[retention] = rejected
		case t.superseded:
			possible[retention] = replayed
		default:
			possible[retention] = issued
		}
	}
	return possible
}

// revokeOutcomes are the outcomes at /revoke.
func (m *model) revokeOutcomes(t *modelRefresh, client string) outcomes {
	possible := outcomes{}
	for _, retention := range t.retentions() {
		possible[retention] = revokedLink
		if retention == evicted || t.link.client != client || !t.link.live() || t.superseded {
			possible[retention] = ignored
		}
	}
	return possible
}

// redeemOutcome is the outcome of presenting a code. It is empty in the second after the grace period, because the
// store has whole seconds.
func (m *model) redeemOutcome(l *modelLink, client string, now time.Time) outcome {
	late := now.Sub(l.redeemed)
	switch {
	case l.client != client, !l.live():
		return rejected
	case l.redeemed.IsZero() && now.Before(l.codeExpires):
		return issued
	case l.redeemed.IsZero(), late <= bridge.CodeReplayGrace:
		return rejected
	case late < bridge.CodeReplayGrace+time.Second:
		return ""
	}
	return replayed
}

// redeem adds the first tokens of a link.
func (m *model) redeem(l *modelLink, access, refresh string, now time.Time) {
	l.redeemed = now
	l.holds = &modelRefresh{text: refresh, link: l}
	m.refresh = append(m.refresh, l.holds)
	m.addAccess(l, access, now)
}

func (m *model) addAccess(l *modelLink, text string, now time.Time) {
	m.access = append(m.access, &modelAccess{text, l, now.Add(propertyLifetime).Truncate(time.Second)})
}

// supersede marks the parent and the siblings of a token as superseded, after the token was presented.
func (m *model) supersede(t *modelRefresh) {
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

// addSuccessors adds successors of a token that were issued at once.
func (m *model) addSuccessors(t *modelRefresh, texts []string) {
	added := &generation{older: t.successors()}
	for _, text := range texts {
		added.tokens = append(added.tokens, &modelRefresh{text: text, link: t.link, parent: t, among: added})
	}
	t.children = append(t.children, added)
	m.refresh = append(m.refresh, added.tokens...)
}

// sweep revokes links whose code expired and was never presented.
func (m *model) sweep(now time.Time) {
	for _, l := range m.links {
		if l.redeemed.IsZero() && !now.Before(l.codeExpires.Add(bridge.RedeemGrace)) {
			l.revoke(bridge.ReasonNotRedeemed, now)
		}
	}
}

// forget removes a link, of which the state is unknown, and its tokens.
func (m *model) forget(l *modelLink) {
	m.links = slices.DeleteFunc(m.links, func(other *modelLink) bool { return other == l })
	m.refresh = slices.DeleteFunc(m.refresh, func(t *modelRefresh) bool { return t.link == l })
	m.access = slices.DeleteFunc(m.access, func(a *modelAccess) bool { return a.link == l })
}

// has reports whether a token was issued before.
func (m *model) has(text string) bool {
	return slices.ContainsFunc(m.refresh, func(t *modelRefresh) bool { return t.text == text }) ||
		slices.ContainsFunc(m.access, func(a *modelAccess) bool { return a.text == text })
}
