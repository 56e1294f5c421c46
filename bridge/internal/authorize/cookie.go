package authorize

import (
	"cmp"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/internal/sealedcookie"
	"alexa-oidc-bridge/bridge/keys"
)

const (
	cookiePurpose = "cookie: pending login"
	// maxFlows is how many flows one browser keeps. More would make its requests too large for a proxy.
	maxFlows = 2
)

// cookieJar keeps flows in the browser, each in a sealed cookie of its own, so that two sign-ins at once do not
// collide.
type cookieJar struct {
	*sealedcookie.Jar
	prefix string // of the names of flows
}

func newCookieJar(ring *keys.Ring, secure bool) *cookieJar {
	jar := sealedcookie.New(ring, cookiePurpose, secure, flowLifetime)
	return &cookieJar{jar, jar.Name("login-")}
}

var flowIDPattern = regexp.MustCompile(`^[A-Za-z0-9_-]{16}$`)

// find returns the flow with an id, if this browser has it and it has not expired.
func (j *cookieJar) find(r *http.Request, id string, now time.Time) (*flow, bool) {
	if !flowIDPattern.MatchString(id) {
		return nil, false
	}
	cookie, err := r.Cookie(j.prefix + id)
	if err != nil {
		return nil, false
	}
	f, ok := j.open(cookie)
	if !ok || f.expired(now) || f.id() != id {
		return nil, false
	}
	return f, true
}

func (j *cookieJar) open(cookie *http.Cookie) (*flow, bool) {
	values, ok := j.Open(cookie)
	if !ok {
		return nil, false
	}
	seed, _ := values["seed"].(string)
	started, _ := values["began"].(int64)
	signedIn, _ := values["signed_in"].(int64)
	request, _ := values["request"].(string)
	parts := strings.SplitN(request, separator, 7)
	if len(seed) != bridge.TokenSeedSize || len(parts) != 7 {
		return nil, false
	}
	f := &flow{
		seed:     [bridge.TokenSeedSize]byte([]byte(seed)),
		started:  time.Unix(started, 0),
		inCookie: true,
		provider: parts[0],
		request: bridge.AuthorizationRequest{
			ClientID:      parts[1],
			RedirectURI:   parts[2],
			ResponseType:  parts[3],
			Scope:         parts[4],
			CodeChallenge: parts[5],
			State:         parts[6],
		},
	}
	if signedIn != 0 {
		f.signedIn = time.Unix(signedIn, 0)
	}
	ended, _ := values["outcome"].(string)
	f.outcome = outcome(ended)
	forWhat, _ := values["purpose"].(string)
	f.purpose = purpose(forWhat)
	f.request.ScopeReduced, _ = values["scope_reduced"].(bool)
	return f, true
}

// separator separates the parts of a request in the cookie. A long state nearly fills the cookie, so there is no room
// for a more verbose encoding. Only the state, which comes last, may contain it.
const separator = "\x00"

// put sets the cookie of a flow and removes the oldest flows beyond maxFlows. It fails with errCookieTooLarge.
func (j *cookieJar) put(w http.ResponseWriter, r *http.Request, f *flow) error {
	name := j.prefix + f.id()
	values := map[any]any{
		"seed":  string(f.seed[:]),
		"began": f.started.Unix(),
		"request": strings.Join([]string{f.provider, f.request.ClientID, f.request.RedirectURI, f.request.ResponseType,
			f.request.Scope, f.request.CodeChallenge, f.request.State}, separator),
	}
	if !f.signedIn.IsZero() {
		values["signed_in"] = f.signedIn.Unix()
	}
	if f.outcome != "" {
		values["outcome"] = string(f.outcome)
	}
	if f.purpose != purposeLink {
		values["purpose"] = string(f.purpose)
	}
	if f.request.ScopeReduced {
		values["scope_reduced"] = true
	}
	if err := j.Put(w, r, name, values); err != nil {
		return fmt.Errorf("%w: %w", errCookieTooLarge, err)
	}
	f.inCookie = true
	j.dropOldest(w, r, name)
	return nil
}

// dropOldest removes the oldest flows until there is room for the named one. Cookies that cannot be opened are the
// oldest. Of more cookies than any browser has, only a few are looked at, so that a stranger cannot make this
// expensive.
func (j *cookieJar) dropOldest(w http.ResponseWriter, r *http.Request, name string) {
	type cookieAge struct {
		name    string
		started int64
	}
	var flows []cookieAge
	for _, cookie := range r.Cookies() {
		id, ours := strings.CutPrefix(cookie.Name, j.prefix)
		if !ours || cookie.Name == name || !flowIDPattern.MatchString(id) || len(flows) == 4*maxFlows {
			continue
		}
		var started int64
		if f, ok := j.open(cookie); ok {
			started = f.started.Unix()
		}
		flows = append(flows, cookieAge{cookie.Name, started})
	}
	slices.Reverse(flows) // browsers send the oldest first, which orders those of one second (RFC 6265 §5.4)
	slices.SortStableFunc(flows, func(a, b cookieAge) int { return cmp.Compare(b.started, a.started) })
	for i, f := range flows {
		if i >= maxFlows-1 {
			http.SetCookie(w, j.Removal(f.name))
		}
	}
}

// end puts an outcome into the cookie of a flow, and returns the header that does so, or nil if there is no room.
func (j *cookieJar) end(r *http.Request, f *flow, outcome outcome) http.Header {
	f.outcome = outcome
	w := headerWriter{}
	if err := j.put(w, r, f); err != nil {
		return nil
	}
	return http.Header(w)
}

// putTicket binds the ticket of a test sign-in to the browser.
func (j *cookieJar) putTicket(w http.ResponseWriter, r *http.Request, handle bridge.Hash) error {
	return j.Put(w, r, j.Name("try"), map[any]any{"ticket": string(handle)})
}

// hasTicket reports whether a ticket is bound to this browser.
func (j *cookieJar) hasTicket(r *http.Request, handle bridge.Hash) bool {
	values, ok := j.Find(r, j.Name("try"))
	return ok && values["ticket"] == string(handle)
}

// headerWriter is a response that has only a header yet.
type headerWriter http.Header

func (w headerWriter) Header() http.Header         { return http.Header(w) }
func (headerWriter) Write([]byte) (n int, _ error) { return 0, nil }
func (headerWriter) WriteHeader(int)               {}

// removal returns a cookie that removes a flow from the browser.
func (j *cookieJar) removal(f *flow) *http.Cookie { return j.Removal(j.prefix + f.id()) }
