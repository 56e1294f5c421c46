//go:build strict

package chaostest

import (
	"math/rand/v2"
	"net/url"
	"strings"
	"time"
)

// attempt is a request that was sent to revoke a link. Unless it is acknowledged or withdrawn, its outcome is
// unknown.
type attempt struct {
	*link
	sole bool // no earlier attempt may have revoked the link
}

// attempt records an attempt before it is sent.
func (e *experiment) attempt(l *link, how string) *attempt {
	l.mu.Lock()
	defer l.mu.Unlock()
	sole := l.live()
	l.attempts++
	l.note(e, "to be revoked: %s", how)
	return &attempt{l, sole}
}

// acknowledged completes an attempt that succeeded in a process, or by a command (nil).
func (a *attempt) acknowledged(e *experiment, at time.Time, by *process) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.sole || a.attempts != 1 || !a.revokedAt.IsZero() {
		by = nil
	}
	a.attempts--
	a.inferred = false
	a.note(e, "revoked (only attempt: %v)", by != nil)
	a.markRevoked(at, by)
}

// withdrawn takes back an attempt that certainly revoked nothing.
func (a *attempt) withdrawn(e *experiment) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.attempts--
	a.note(e, "which revoked nothing")
	if a.inferred && a.attempts == 0 && !a.doomed {
		e.linkViolation(a.link, "the link was revoked though no attempt can have revoked it")
	}
}

func (a *attempt) violation(e *experiment, format string, arguments ...any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	e.linkViolation(a.link, format, arguments...)
}

// revoke revokes the link of an access token at a replica, as its skill or as a backend.
func (e *experiment) revoke(r *replica, token *accessToken, rng *rand.Rand) *response {
	id, secret := token.link.skill.id, token.link.skill.secret
	if rng.IntN(2) == 0 {
		id, secret = "backend", e.backendSecret
	}
	attempt := e.attempt(token.link, "/revoke at "+r.String())
	a := e.post(r, "/revoke", id, secret, url.Values{"token": {token.text}})
	switch a.status {
	case 200:
		attempt.acknowledged(e, a.received, a.process)
	case 400:
		attempt.violation(e, "%v: /revoke: %s", r, a.body)
	}
	return a
}

// repeatRevocations repeats attempts with an unknown outcome until one is acknowledged.
func (e *experiment) repeatRevocations(rng *rand.Rand) {
	for e.pause(100 * time.Millisecond) {
		for _, l := range e.model.all() {
			// Usually an attempt that is in progress is left alone.
			now, r := time.Now(), e.pickReplica(rng)
			mayRepeat := l.locked(func(l *link) bool { return l.mayBeRevoked() && !l.leaving })
			if e.ctx.Err() == nil && mayRepeat && rng.IntN(4) == 0 && r.undisturbed(now, now) {
				e.revoke(r, l.token(rng), rng)
			}
		}
	}
}

// revokeByCommand runs "links revoke", which is killed one time in four.
func (e *experiment) revokeByCommand(l *link, rng *rand.Rand) {
	l.mu.Lock()
	id := l.id
	l.mu.Unlock()
	if id == "" {
		return
	}
	timeout, kind := 10*time.Second, "links revoke"
	if rng.IntN(4) == 0 {
		timeout, kind = time.Duration(rng.IntN(300))*time.Millisecond, "links revoke, killed"
	}
	attempt := e.attempt(l, kind)
	code, output := runCommand(timeout, "links", "revoke", id, "--config", e.commandConfig)
	switch {
	case code == 0:
		attempt.acknowledged(e, time.Now(), nil)
		e.counts.add("requests: links revoke: done")
	case strings.Contains(output, "unknown") && strings.Contains(output, id), strings.Contains(output, "panic"):
		attempt.violation(e, "links revoke: %s", output)
	default:
		e.counts.add("requests: " + kind + ": failed")
	}
}

// checkPropagation revokes, now and then, a link that all replicas have just answered for, and looks it up in the
// others until it is inactive.
func (e *experiment) checkPropagation(rng *rand.Rand) {
	for e.pause(50 * time.Millisecond) {
		l := e.model.pickLive(rng)
		if l == nil || e.model.countLive() < maxLinks/2 {
			continue
		}
		token := l.token(rng)
		if !e.activeEverywhere(token) || e.revoke(e.replicas[rng.IntN(len(e.replicas))], token, rng).status != 200 {
			continue
		}
		for _, r := range e.replicas {
			for deadline := time.Now().Add(3 * time.Second); time.Now().Before(deadline) && e.pause(10*time.Millisecond); {
				if active, definite := e.lookup(r, token); definite && !active {
					e.counts.add("checked: revocation propagated")
					break
				}
			}
		}
	}
}

// activeEverywhere looks a token up in all replicas, which must be undisturbed.
func (e *experiment) activeEverywhere(token *accessToken) bool {
	for _, r := range e.replicas {
		if !r.undisturbed(time.Now().Add(-time.Second), time.Now()) {
			return false
		}
		if active, _ := e.lookup(r, token); !active {
			return false
		}
	}
	return true
}
