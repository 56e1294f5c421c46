//go:build strict

package chaostest

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"time"

	"alexa-oidc-bridge/bridge/upstreamtest"
)

const (
	peoplePerWorker = 5
	// rehireAfter is how long after a person left they come back: longer than a request about them can wait in a replica
	// that is frozen.
	rehireAfter = 2 * time.Minute
)

// staff is people for whom a worker links skills, one after another. Each worker has its own: only the newest pending
// consents of a person are kept (bridge.MaxPendingConsents), and a fault can leave many behind.
type staff struct {
	people  []upstreamtest.Person
	left    []time.Time // when the directory ended their account last
	current int
	until   time.Time // when the current person leaves
	users   int       // that the directory has created
}

func newStaff(worker int) *staff {
	s := &staff{left: make([]time.Time, peoplePerWorker), until: time.Now().Add(time.Duration(3+worker) * time.Second)}
	for n := range peoplePerWorker {
		person := ada
		person.Subject, person.Login = fmt.Sprintf("colleague-%d-%d", worker, n), fmt.Sprintf("colleague%d-%d", worker, n)
		s.people = append(s.people, person)
	}
	return s
}

func (s *staff) person() upstreamtest.Person { return s.people[s.current] }

// next returns who comes after the current person, or -1.
func (s *staff) next() int {
	next := (s.current + 1) % len(s.people)
	if time.Since(s.left[next]) < rehireAfter {
		return -1
	}
	return next
}

// leave ends the account of a worker's person by the directory. What it tells is repeated until it is acknowledged;
// then all links of the person are revoked, and so is a sign-in that waits for consent.
func (e *experiment) leave(s *staff, rng *rand.Rand) {
	person, next := s.person(), s.next()
	links := e.model.of(person)
	if len(links) == 0 || next < 0 {
		return
	}
	waiting, err := e.stable.signIn(e.pickReplica(rng), "token", person)
	var attempts []*attempt
	for _, l := range links {
		l.locked(func(l *link) bool { l.leaving = true; return true })
		attempts = append(attempts, e.attempt(l, "by the directory"))
	}
	s.users++
	a := e.deprovision(rng, person, fmt.Sprintf("%s-%d", person.Login, s.users))
	if a == nil {
		return
	}
	for _, attempt := range attempts {
		attempt.acknowledged(e, a.received, a.process)
		e.counts.add(endedByDirectory)
		e.lookup(a.replica, attempt.token(rng))
		e.lookup(e.pickReplica(rng), attempt.token(rng))
	}
	s.left[s.current], s.current = time.Now(), next
	s.until = time.Now().Add(time.Duration(5+rng.IntN(15)) * time.Second)
	if err == nil {
		e.checkRevokedSignIn(waiting)
	}
}

const endedByDirectory = "ended: by the directory"

// checkRevokedSignIn consents to a sign-in that the directory has ended.
func (e *experiment) checkRevokedSignIn(f *flow) {
	if received, err := f.consent(); err == nil {
		e.violation("a sign-in from before the directory ended the account made a link: %v", len(received))
		return
	}
	e.counts.add("checked: sign-in of an ended account refused")
}

// deprovision ends an account as directories do, and returns the acknowledgement, or nil if the experiment is over.
func (e *experiment) deprovision(rng *rand.Rand, person upstreamtest.Person, userName string) *response {
	user := fmt.Sprintf(`{"userName": %q, "externalId": %q, "active": `, userName, person.Subject)
	way := rng.IntN(3)
	if way == 0 {
		return e.tell(rng, "POST", "/Users", user+"false}", 201, 409)
	}
	if e.tell(rng, "POST", "/Users", user+"true}", 201, 409) == nil {
		return nil
	}
	id := e.directoryID(rng, userName)
	switch {
	case id == "":
		return nil
	case way == 1:
		const deactivate = `{"Operations": [{"op": "Replace", "path": "active", "value": "False"}]}`
		return e.tell(rng, "PATCH", "/Users/"+id, deactivate, 200, 200)
	}
	return e.tell(rng, "DELETE", "/Users/"+id, "", 204, 404)
}

// directoryID returns the id that a user has, or "" if the experiment is over.
func (e *experiment) directoryID(rng *rand.Rand, userName string) string {
	a := e.tell(rng, "GET", "/Users?filter="+url.QueryEscape(fmt.Sprintf("userName eq %q", userName)), "", 200, 200)
	if a == nil {
		return ""
	}
	var list struct{ Resources []struct{ ID string } }
	if err := json.Unmarshal(a.body, &list); err != nil || len(list.Resources) != 1 {
		e.violation("%v does not know a user whom it, or another replica, has created: %v, %s", a.replica, err, a.body)
		return ""
	}
	return list.Resources[0].ID
}

// tell sends a request of the directory until it gets the status for done. If an earlier one has an unknown outcome,
// the status for done before will do, too, and no process acknowledged the request as the only one.
func (e *experiment) tell(rng *rand.Rand, method, path, body string, done, doneBefore int) *response {
	authenticate := func(request *http.Request) {
		request.Header.Set("Content-Type", "application/scim+json")
		request.Header.Set("Authorization", "Bearer "+e.scimToken)
	}
	lawful := []int{done}
	for {
		a := send(e.pickReplica(rng), method, "/scim/corp/v2"+path, body, authenticate)
		e.checkStatus("SCIM "+method, a, lawful...)
		if slices.Contains(lawful, a.status) {
			if len(lawful) > 1 {
				a.process = nil
			}
			return a
		}
		if !e.pause(200 * time.Millisecond) {
			return nil
		}
		lawful = []int{done, doneBefore}
	}
}
