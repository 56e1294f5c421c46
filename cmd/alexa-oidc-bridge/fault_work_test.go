package main

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"

	"alexa-oidc-bridge/bridge/alexa"
	"alexa-oidc-bridge/bridge/simulator"
)

const (
	workers = 14
	// enoughLinks is how many live links there are at most.
	enoughLinks = 60
)

// source is a source of random choices for one goroutine, from the seed of the run.
func (o *ordeal) source(n uint64) *rand.Rand { return rand.New(rand.NewPCG(o.seed, n)) }

// draw draws a replica, and rarely one that is dead or frozen.
func (o *ordeal) draw(draw *rand.Rand) *replica {
	r := o.replicas[draw.IntN(len(o.replicas))]
	for range 10 {
		if !r.frozen.Load() || draw.IntN(25) == 0 {
			break
		}
		r = o.replicas[draw.IntN(len(o.replicas))]
	}
	return r
}

// toil does one thing after another until the run ends.
func (o *ordeal) toil(draw *rand.Rand) {
	for o.pause(time.Duration(5+draw.IntN(40)) * time.Millisecond) {
		r := o.draw(draw)
		switch n := draw.IntN(100); {
		case n < 5:
			o.linkSomebody(r, draw)
		case n < 8:
			o.endSome(r, draw)
		case n < 9:
			if l := o.model.pickLive(draw); l != nil && draw.IntN(2) == 0 {
				o.command(l, draw)
			}
		default:
			o.useSome(r, draw)
		}
	}
}

// useSome looks tokens up, refreshes, and presents codes again.
func (o *ordeal) useSome(r *replica, draw *rand.Rand) {
	l := o.model.pick(draw)
	if l == nil {
		return
	}
	switch n := draw.IntN(100); {
	case n < 20:
		o.refresh(r, l, draw)
	case n < 22:
		o.replayCode(r, l)
	default:
		if token := l.token(draw); token != nil {
			o.lookup(r, token)
		}
	}
}

// endSome ends a link and looks its tokens up everywhere, the process that ended it first.
func (o *ordeal) endSome(r *replica, draw *rand.Rand) {
	l := o.model.pickLive(draw)
	if o.model.countLive() < enoughLinks/2 {
		return
	}
	for range draw.IntN(2) * 10 {
		if l != nil && !l.replayable() {
			l = o.model.pickLive(draw)
		}
	}
	switch {
	case l == nil:
		return
	case l.replayable():
		o.replay(r, l, draw)
	default:
		o.revoke(r, l, draw)
	}
	for range 6 {
		if token := l.token(draw); token != nil {
			o.lookup(r, token)
		}
		r = o.draw(draw)
	}
}

// probe looks tokens up at one replica whatever state it is in, every other one that the replica has answered. It keeps to a
// pace, so that a replica that does not answer is asked all the same.
func (o *ordeal) probe(r *replica, draw *rand.Rand) {
	for o.pause(40 * time.Millisecond) {
		token := r.known.pick(draw)
		if l := o.model.pick(draw); l != nil && (token == nil || draw.IntN(2) == 0) {
			token = l.token(draw)
		}
		if token != nil {
			o.work.Go(func() { o.lookup(r, token) })
		}
	}
}

// watchReady asks a replica whether it is ready.
func (o *ordeal) watchReady(r *replica) {
	client := readyClient()
	for o.pause(200 * time.Millisecond) {
		by, sent := r.now.Load(), time.Now()
		response, err := client.Get("http://" + r.admin + "/readyz")
		came := time.Now()
		if err != nil {
			client.CloseIdleConnections()
			continue
		}
		response.Body.Close()
		o.judgeReady(r, by, response.StatusCode, sent, came)
	}
}

func (o *ordeal) judgeReady(r *replica, by *life, status int, sent, came time.Time) {
	cut := r.cutThroughout(sent, came)
	from := came.Add(-o.limit + recovery)
	switch {
	case status == http.StatusServiceUnavailable && r.calmWithin(from, came):
		o.later(func() {
			if r.calmWithin(from, came) {
				o.violation(nil, "%v is not ready at %.3f, though it reached the store within lookup.max_staleness", r, came.Sub(o.began).Seconds())
			}
		})
	case status == http.StatusOK && cut != nil && sent.Sub(cut.from) > o.limit && by == r.now.Load():
		o.violation(nil, "%v is ready though it is cut off for %v", r, sent.Sub(cut.from))
	case status == http.StatusServiceUnavailable:
		o.counts.add("checked: not ready when cut off for long")
	}
}

// linkSomebody goes the whole way through a browser.
func (o *ordeal) linkSomebody(r *replica, draw *rand.Rand) {
	s, responseType := o.skills[draw.IntN(3)%2], []string{"token", "code", "code", "code"}[draw.IntN(4)]
	if o.model.countLive() >= enoughLinks {
		return
	}
	era := o.eras.now()
	phone := simulator.NewPhone()
	phone.Client.Transport, phone.Client.Timeout = r.phones, 8*time.Second
	request := simulator.Request{AuthorizationURI: r.origin + "/authorize", ClientID: s.id, ResponseType: responseType,
		State: simulator.NewState(), RedirectURI: alexa.RedirectURIs("M2AAAAAAAAAAAA")[0]}
	login, err := phone.Open(request.URL())
	if !o.good(r, login, err, era) {
		return
	}
	consent, err := phone.Submit(login, url.Values{"login": {ada.Login}, "password": {ada.Password}, "action": {"sign-in"}})
	if !o.good(r, consent, err, era) {
		return
	}
	answer, sent, era := o.decide(r, phone, request, consent, era)
	switch {
	case answer == nil:
	case responseType == "token":
		o.take(s, answer.Get("access_token"), "", era, sent)
	default:
		o.exchange(o.draw(draw), s, answer.Get("code"), era)
	}
}

// good says whether a page is one to go on from. Anything but 503 and no answer would be a violation.
func (o *ordeal) good(r *replica, page *simulator.Page, err error, era int) bool {
	switch {
	case err != nil:
		o.counts.add("requests: pages: no answer")
		return false
	case page.Arrived || page.Status == http.StatusOK:
		return true
	case page.Status != http.StatusServiceUnavailable && era == o.eras.now() && era%2 == 0:
		o.violation(nil, "a page of %v%s has status %d:\n%s", r, page.URL.Path, page.Status, page.Body)
	}
	o.counts.add("requests: pages: 503")
	return false
}

// decide gives consent, again when no answer comes: the same decision has the same result.
func (o *ordeal) decide(r *replica, phone *simulator.Phone, request simulator.Request, consent *simulator.Page, began int) (url.Values, time.Time, int) {
	o.steady.RLock()
	defer o.steady.RUnlock()
	for range 3 {
		era, sent := o.eras.now(), time.Now()
		arrived, err := phone.Submit(consent, url.Values{"decision": {"link"}})
		if o.good(r, arrived, err, began) {
			answer, err := request.Answer(arrived.URL)
			if err == nil && answer.Get("state") != request.State {
				err = errors.New("another state")
			}
			if err != nil || answer.Get("access_token") == "" && answer.Get("code") == "" {
				o.violation(nil, "%v answered Alexa with %v, %v", r, answer.Get("error"), err)
				return nil, sent, era
			}
			return answer, sent, era
		}
		if !o.pause(300 * time.Millisecond) {
			break
		}
	}
	return nil, time.Time{}, 0
}

// exchange redeems a code. One that may have been redeemed is not tried again: that could be a replay.
func (o *ordeal) exchange(r *replica, s *skill, code string, era int) {
	o.steady.RLock()
	defer o.steady.RUnlock()
	a := o.post(r, "/token", s.id, s.secret, url.Values{"grant_type": {"authorization_code"}, "code": {code}})
	switch {
	case a.status == 200:
		given := o.tokensIn(a)
		l := o.take(s, given.AccessToken, given.RefreshToken, a.era, a.sent)
		if l != nil && a.came.Sub(a.sent) < time.Second {
			l.mu.Lock()
			l.state.code, l.state.redeemed = code, a.came
			l.mu.Unlock()
		}
	case a.status == 400 && a.era == era && o.same(a):
		o.violation(nil, "a code that left the process is refused at %v: %s", r, a.body)
	}
}

// take adds a link to the model, unless a backup was put in place since its request was sent.
func (o *ordeal) take(s *skill, access, refresh string, era int, sent time.Time) *link {
	l := &link{skill: s}
	l.addAccess(access)
	if refresh != "" {
		l.state.refresh = []refreshToken{{text: refresh, parent: -1}}
	}
	l.note(o, "linked (sent %.3f)", sent.Sub(o.began).Seconds())
	o.model.mu.Lock()
	defer o.model.mu.Unlock()
	if o.eras.now() != era || era%2 == 1 {
		return nil
	}
	o.model.add(l)
	return l
}
