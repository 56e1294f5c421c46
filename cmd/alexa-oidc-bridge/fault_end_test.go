package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/url"
	"os/exec"
	"strings"
	"time"
)

// attempt is something that was sent and that ends a link.
type attempt struct {
	*link
	sole bool // nothing else was sent before that may have ended it
	era  int
	when time.Time
}

// begin notes an attempt before it is sent.
func (o *ordeal) begin(l *link, how string) *attempt {
	l.mu.Lock()
	defer l.mu.Unlock()
	sole := l.alive()
	l.state.attempts++
	l.note(o, "to be ended: %s", how)
	return &attempt{l, sole, o.eras.now(), time.Now()}
}

// acknowledged ends an attempt that was made for certain, by a process or by a command (nil).
func (a *attempt) acknowledged(o *ordeal, at time.Time, by *life) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if o.eras.now() != a.era || a.era%2 == 1 {
		a.note(o, "acknowledged while a backup was put in place")
		return
	}
	if !a.sole || a.state.attempts != 1 || !a.state.ended.IsZero() {
		by = nil
	}
	a.state.attempts--
	a.state.inferred = false
	a.note(o, "ended for certain (the answer came at %.3f, sole: %v)", at.Sub(o.began).Seconds(), by != nil)
	a.over(at, by)
}

// unknown leaves an attempt open: it may have ended the link, or may still.
func (a *attempt) unknown(o *ordeal, why string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.note(o, "outcome unknown: %s", why)
}

// withdrawn takes an attempt back that for certain ended nothing.
func (a *attempt) withdrawn(o *ordeal) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if o.eras.now() != a.era || a.era%2 == 1 {
		return
	}
	a.state.attempts--
	a.note(o, "which ended nothing")
	if a.state.inferred && a.state.attempts == 0 {
		o.violation(a.link, "the link ended though nothing may have ended it")
	}
}

// revoke ends a link at a replica by one of its access tokens, as its skill or as a backend.
func (o *ordeal) revoke(r *replica, l *link, draw *rand.Rand) *answer {
	token := l.token(draw)
	if token == nil || !token.gone.IsZero() {
		return nil
	}
	return o.revokeBy(r, token, draw)
}

func (o *ordeal) revokeBy(r *replica, token *accessToken, draw *rand.Rand) *answer {
	o.steady.RLock()
	defer o.steady.RUnlock()
	l := token.link
	id, secret := l.skill.id, l.skill.secret
	if draw.IntN(2) == 0 {
		id, secret = "pizza-backend", o.backend
	}
	attempt := o.begin(l, "/revoke at "+r.String())
	a := o.post(r, "/revoke", id, secret, url.Values{"token": {token.text}})
	switch {
	case a.status == 200:
		attempt.acknowledged(o, a.came, a.by)
	case a.status == 400:
		o.accuse(l, "/revoke of a good token: %s", a.body)
	default:
		attempt.unknown(o, r.String()+" gave no answer")
	}
	return a
}

// resolve makes an attempt with an unknown outcome again until it is acknowledged.
func (o *ordeal) resolve(draw *rand.Rand) {
	for o.pause(100 * time.Millisecond) {
		for _, l := range o.model.all() {
			if o.ctx.Err() == nil {
				o.resolveOne(l, draw)
			}
		}
	}
}

func (o *ordeal) resolveOne(l *link, draw *rand.Rand) {
	l.mu.Lock()
	open := l.state.attempts > 0 && l.state.ended.IsZero()
	l.mu.Unlock()
	// One that is under way only now is left alone most of the time.
	if r := o.draw(draw); open && draw.IntN(4) == 0 && r.calm(time.Now(), time.Now()) {
		o.revoke(r, l, draw)
	}
}

// command ends a link by a command, which is killed one time in four.
func (o *ordeal) command(l *link, draw *rand.Rand) {
	o.aside.RLock()
	defer o.aside.RUnlock()
	o.steady.RLock()
	defer o.steady.RUnlock()
	l.mu.Lock()
	id, absent := l.id, l.state.absent
	l.mu.Unlock()
	if id == "" || absent {
		return
	}
	patience, kind := 10*time.Second, "links revoke"
	if draw.IntN(4) == 0 {
		patience, kind = time.Duration(draw.IntN(300))*time.Millisecond, "links revoke, killed"
	}
	attempt := o.begin(l, kind)
	code, output := runWithin(patience, "links", "revoke", id, "--config", o.commands)
	switch {
	case code == exitDone:
		attempt.acknowledged(o, time.Now(), nil)
		o.counts.add("requests: links revoke: done")
	case strings.Contains(output, "unknown lnk_") && o.eras.now() == attempt.era:
		o.accuse(l, "the command does not know the link: %s", output)
	case strings.Contains(output, "panic"):
		o.accuse(l, "the command failed: %s", output)
	default:
		attempt.unknown(o, "exit code of the command")
		o.counts.add("requests: " + kind + ": failed")
	}
}

// runWithin runs a command in a process of its own, which is killed when it takes longer.
func runWithin(patience time.Duration, arguments ...string) (code int, output string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	plain := ourselves(arguments...)
	cmd := exec.CommandContext(ctx, plain.Path, arguments...)
	cmd.Env = plain.Env
	text, err := cmd.CombinedOutput()
	if exit, failed := errors.AsType[*exec.ExitError](err); failed {
		return exit.ExitCode(), string(text)
	}
	if err != nil {
		return exitFailed, err.Error()
	}
	return exitDone, string(text)
}
