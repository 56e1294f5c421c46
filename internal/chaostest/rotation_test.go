//go:build strict

package chaostest

import (
	"encoding/json"
	"flag"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"alexa-oidc-bridge/bridge"
)

// rotation checks two replicas against the rules of refresh token rotation.
type rotation struct {
	*cluster
	links []*rotatingLink
}

type rotatingLink struct {
	revoked bool
	refresh []*rotatingToken
	access  []string
}

type rotatingToken struct {
	text       string
	parent     *rotatingToken // nil: the first token
	superseded bool
	successors int // how many it was given
	position   int // among its parent's successors
}

// evicted reports that its parent has had too many later successors for it to be remembered.
func (t *rotatingToken) evicted() bool {
	return t.parent != nil && t.parent.successors-t.position >= bridge.MaxSuccessors
}

// TestRotation refreshes at random: with any token that was ever issued, in either replica, alone and concurrently, while
// processes are killed and links revoked by a command. The rules that need a clock are tested in process.
func TestRotation(t *testing.T) {
	if f := flag.Lookup("rapid.checks"); f.Value.String() == f.DefValue {
		f.Value.Set("18")
		t.Cleanup(func() { f.Value.Set(f.DefValue) })
	}
	c, _ := newSQLiteCluster(t, 2)
	c.start()
	rapid.Check(t, func(rt *rapid.T) {
		r := &rotation{cluster: c}
		r.links = []*rotatingLink{r.link(rt), r.link(rt)}
		rt.Repeat(map[string]func(*rapid.T){
			"refresh":              r.refresh,
			"refresh concurrently": r.refreshConcurrently,
			"kill":                 r.kill,
			"revoke":               r.revoke,
			"":                     r.check,
		})
	})
}

// pick draws an index, since rapid would print drawn values with all that they refer to.
func pick[T any](rt *rapid.T, label string, from []T) T {
	return from[rapid.IntRange(0, len(from)-1).Draw(rt, label)]
}

func (r *rotation) replica(rt *rapid.T) *replica {
	return pick(rt, "replica", r.replicas)
}

// link links through a browser, and redeems the code at any replica.
func (r *rotation) link(rt *rapid.T) *rotatingLink {
	f, err := r.rotates.signIn(r.replica(rt), "code")
	if err != nil {
		rt.Fatal(err)
	}
	received, err := f.consent()
	if err != nil {
		rt.Fatal(err)
	}
	status, given := r.token(r.replica(rt), url.Values{"grant_type": {"authorization_code"}, "code": {received.Get("code")}})
	if status != http.StatusOK {
		rt.Fatalf("redeem the code: status %d", status)
	}
	return &rotatingLink{refresh: []*rotatingToken{{text: given.RefreshToken}}, access: []string{given.AccessToken}}
}

func (r *rotation) token(at *replica, form url.Values) (status int, given tokenResponse) {
	a := post(at, "/token", r.rotates.id, r.rotates.secret, form)
	json.Unmarshal(a.body, &given)
	return a.status, given
}

func (r *rotation) present(at *replica, token *rotatingToken) (status int, given tokenResponse) {
	return r.token(at, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token.text}})
}

// present applies the presentation of a token to the model.
func (l *rotatingLink) present(token *rotatingToken) (accepted bool) {
	switch {
	case l.revoked || token.evicted():
		return false
	case token.superseded:
		l.revoked = true
		return false
	case token.parent != nil:
		token.parent.superseded = true
		for _, other := range l.refresh {
			if other.parent == token.parent && other != token {
				other.superseded = true
			}
		}
	}
	token.successors++
	return true
}

func (l *rotatingLink) pick(rt *rapid.T) *rotatingToken {
	return pick(rt, "token", l.refresh)
}

func (r *rotation) refresh(rt *rapid.T) {
	link := pick(rt, "link", r.links)
	token := link.pick(rt)
	status, given := r.present(r.replica(rt), token)
	if !link.present(token) {
		if status != http.StatusBadRequest || given.Error != "invalid_grant" {
			rt.Fatalf("dead refresh token: status %d, %s", status, given.Error)
		}
		return
	}
	if status != http.StatusOK {
		rt.Fatalf("live refresh token: status %d, %s", status, given.Error)
	}
	if lost := rapid.IntRange(0, 4).Draw(rt, "response lost") == 0; !lost {
		link.refresh = append(link.refresh, &rotatingToken{text: given.RefreshToken, parent: token, position: token.successors})
		link.access = append(link.access, given.AccessToken)
	}
}

// refreshConcurrently presents a live token six times at once. All requests succeed.
func (r *rotation) refreshConcurrently(rt *rapid.T) {
	link := pick(rt, "link", r.links)
	token := link.pick(rt)
	if link.revoked || token.superseded || token.evicted() {
		return
	}
	link.present(token)
	given, statuses := make([]tokenResponse, 6), make([]int, 6)
	var group sync.WaitGroup
	for i := range given {
		group.Go(func() { statuses[i], given[i] = r.present(r.replicas[i%2], token) })
	}
	group.Wait()
	for i, status := range statuses {
		if status != http.StatusOK {
			rt.Fatalf("request %d: status %d, %s", i, status, given[i].Error)
		}
	}
	// One successor is presented at once, which confirms it and supersedes the others.
	token.successors += len(given) - 1
	confirmed := &rotatingToken{text: pick(rt, "confirmed", given).RefreshToken, parent: token, position: token.successors}
	link.refresh = append(link.refresh, confirmed)
	link.present(confirmed)
	if status, given := r.present(r.replica(rt), confirmed); status != http.StatusOK {
		rt.Fatalf("successor: status %d, %s", status, given.Error)
	}
}

func (r *rotation) kill(rt *rapid.T) {
	killed := r.replica(rt)
	killed.kill()
	if err := killed.start(r.t.Context()); err != nil {
		rt.Fatal(err)
	}
}

func (r *rotation) revoke(rt *rapid.T) {
	if rapid.IntRange(0, 4).Draw(rt, "rarely") != 0 {
		return
	}
	if code, output := runCommand(time.Minute, "links", "revoke", "--subject", ada.Subject, "--config", r.commandConfig); code != 0 {
		rt.Fatalf("links revoke: exit code %d: %s", code, output)
	}
	for _, link := range r.links {
		link.revoked = true
	}
	r.links = append(r.links, r.link(rt))
}

// check looks up all access tokens in one replica each.
func (r *rotation) check(rt *rapid.T) {
	for i, link := range r.links {
		for j, token := range link.access {
			at := r.replicas[(i+j)%2]
			if link.revoked {
				r.wantInactive(at, token)
			} else if !r.active(at, token) {
				rt.Fatalf("link %d is inactive", i)
			}
		}
	}
}
