package main

import (
	"encoding/json"
	"net/url"
	"time"

	"alexa-oidc-bridge/bridge/lookup"
)

// lookup asks a replica for a token, and judges the answer. It says whether the answer was certain, and active.
func (o *ordeal) lookup(r *replica, token *accessToken) (active, certain bool) {
	a := o.post(r, "/lookup", "pizza-backend", o.backend, url.Values{"token": {token.text}})
	var said struct {
		lookup.Answer
		Active *bool `json:"active"`
	}
	if a.status == 200 {
		if err := json.Unmarshal(a.body, &said); err != nil || said.Active == nil {
			o.violation(nil, "not an answer: %s", a.body)
			return false, false
		}
	}
	l := token.link
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case o.eras.blurred(a.sent) || !o.same(a):
		return false, false
	case a.status == 400:
		o.violation(l, "a lookup was refused: %s", a.body)
	case a.status != 200:
		o.judgeNothing(token, a)
		return false, false
	case *said.Active:
		o.judgeBody(token, &said.Answer)
		o.judgeActive(token, a)
		token.warm[a.by] = a.came
		r.known.add(token)
		return true, true
	default:
		o.judgeInactive(token, a)
	}
	return false, a.status == 200
}

// judgeBody holds an active answer to what is known of the link.
func (o *ordeal) judgeBody(token *accessToken, said *lookup.Answer) {
	l := token.link
	if l.id == "" {
		l.id = said.LinkID
	}
	if said.LinkID != l.id || said.ClientID != l.skill.id || said.Subject != ada.Subject || said.UpstreamISS != o.provider.Issuer() {
		o.violation(l, "token %d: an answer about somebody else: %+v", token.number, said)
	}
}

// judgeInactive needs the link's lock, as do all that follow.
func (o *ordeal) judgeInactive(token *accessToken, a *answer) {
	l := token.link
	if cut := a.at.cutThroughout(a.sent, a.came); cut != nil {
		l.note(o, "%v token %d inactive", a.at, token.number)
		o.violation(l, "token %d reads inactive at %v, which was cut off since %.3f and could not know", token.number, a.at, cut.from.Sub(o.began).Seconds())
	}
	switch {
	case !token.gone.IsZero(), !l.state.ended.IsZero():
		o.counts.add("checked: ended reads inactive")
		o.countBound(token, a)
	case l.state.attempts == 0:
		l.note(o, "%v token %d inactive (sent %.3f)", a.at, token.number, a.sent.Sub(o.began).Seconds())
		o.violation(l, "token %d reads inactive at %v though nothing ended its link", token.number, a.at)
	default:
		l.note(o, "%v token %d inactive: the link has ended", a.at, token.number)
		l.over(a.came, nil)
		l.state.inferred = true
	}
}

// countBound counts the answers that the bounds were for.
func (o *ordeal) countBound(token *accessToken, a *answer) {
	late := a.sent.Sub(token.link.state.ended)
	if !token.gone.IsZero() {
		late = a.sent.Sub(token.gone)
	}
	switch _, known := token.warm[a.by]; {
	case !known || late < 0:
	case token.link.state.by == a.by:
		o.counts.add("checked: and had answered active, and ended it itself")
	case late >= time.Second && late < 3*time.Second && a.at.calm(a.sent.Add(-time.Second), a.sent):
		o.counts.add("checked: and had answered active, 1 to 3 s after the end")
	case late >= o.limit && !a.at.calm(a.sent, a.sent):
		o.counts.add("checked: and had answered active, disturbed after lookup.max_staleness")
	}
}

func (o *ordeal) judgeActive(token *accessToken, a *answer) {
	l := token.link
	if cut := a.at.cutThroughout(a.sent, a.came); cut != nil && a.sent.Sub(cut.from) >= o.limit {
		o.violation(l, "token %d reads active at %v, which is cut off for %v", token.number, a.at, a.sent.Sub(cut.from))
	} else if cut != nil {
		o.counts.add("checked: active from memory while cut off")
		o.judgeWarm(token, a, cut, true)
	}
	ended := l.state.ended
	if !token.gone.IsZero() {
		ended = token.gone
	}
	if ended.IsZero() {
		o.counts.add("checked: live reads active")
		return
	}
	o.judgeLate(token, a, ended)
}

// judgeLate judges an active answer after an end that is certain.
func (o *ordeal) judgeLate(token *accessToken, a *answer, ended time.Time) {
	l, late := token.link, a.sent.Sub(ended)
	if late < 0 {
		return
	}
	l.note(o, "%v token %d active %v after the end", a.at, token.number, late)
	o.counts.add("checked: active shortly after the end elsewhere")
	if a.at.calm(ended, a.came) {
		o.latency.stillActive(late)
	}
	switch {
	case l.state.by == a.by && token.gone.IsZero():
		o.violation(l, "token %d reads active at %v %v after that very process ended the link", token.number, a.at, late)
	case late >= o.limit:
		o.violation(l, "token %d reads active at %v %v after the end", token.number, a.at, late)
	case late >= time.Second && a.at.calm(a.sent.Add(-time.Second), a.sent):
		o.later(func() {
			if a.at.calm(a.sent.Add(-time.Second), a.sent) {
				l.mu.Lock()
				defer l.mu.Unlock()
				o.violation(l, "token %d reads active at %v %v after the end, though it reached the store", token.number, a.at, late)
			}
		})
	}
}

// later judges something when a stall of this machine that began meanwhile would have been noticed.
func (o *ordeal) later(judge func()) {
	o.suspect.Go(func() {
		time.Sleep(1500 * time.Millisecond)
		judge()
	})
}

// judgeNothing is about a lookup that cannot tell, or without an answer.
func (o *ordeal) judgeNothing(token *accessToken, a *answer) {
	if cut := a.at.cutThroughout(a.sent, a.came); cut != nil {
		o.judgeWarm(token, a, cut, false)
	}
}

// judgeWarm counts what a replica that is cut off answers of tokens that it answered shortly before. An end of another link
// may take an answer with it, so one that is missing proves nothing.
func (o *ordeal) judgeWarm(token *accessToken, a *answer, cut *span, answered bool) {
	_, warm := token.warm[a.by]
	age := a.came.Sub(cut.from) + 1500*time.Millisecond // the last reading of the feed began before the cut
	if !warm || !cut.fresh || !token.link.alive() || age >= o.limit {
		return
	}
	if answered {
		o.counts.add(warmAnswered)
		return
	}
	o.counts.add(warmMissing)
	token.link.note(o, "%v cut off for %v and does not know token %d: status %d", a.at, a.came.Sub(cut.from), token.number, a.status)
}

const (
	warmAnswered = "checked: warm token answered while cut off"
	warmMissing  = "checked: warm token NOT answered while cut off"
)

// judgeAllWarm is for the end of a run.
func (o *ordeal) judgeAllWarm() {
	answered, missing := o.counts.of(warmAnswered), o.counts.of(warmMissing)
	if missing > 5 && missing*10 > answered {
		o.violation(nil, "replicas that were cut off did not know %d of %d tokens that they had answered before", missing, answered+missing)
	}
}
