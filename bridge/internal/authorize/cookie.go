package authorize

import (
	"cmp"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/securecookie"
	"github.com/gorilla/sessions"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/keys"
)

const (
	cookiePurpose = "cookie: pending login"
	// maxFlows is how many flows one browser keeps. More would make its requests too large for a proxy.
	maxFlows = 2
	// maxCookie is the longest value that browsers accept: 4096 bytes together with the name.
	maxCookie = 4096 - len("__Host-login-") - flowIDLength
)

// cookieJar keeps flows in the browser, each in a sealed cookie of its own, so that two sign-ins at once do not
// collide.
type cookieJar struct {
	store  *sessions.CookieStore
	prefix string
}

func newCookieJar(ring *keys.Ring, secure bool) *cookieJar {
	var pairs [][]byte
	for _, key := range ring.Derive(cookiePurpose, 64) {
		pairs = append(pairs, key[:32], key[32:]) // for authentication, for encryption
	}
	store := sessions.NewCookieStore(pairs...)
	// Every option is set: by the library's defaults, the cookie would be sent across sites, be readable by scripts, and
	// live for 30 days.
	store.Options = &sessions.Options{
		Path:     "/",
		Secure:   secure,
		HttpOnly: true,
		SameSite: http.SameSiteLaxMode, // sent when the provider redirects back, never with the form of another site
	}
	store.MaxAge(int(flowLifetime.Seconds())) // of the cookie and of the codecs
	for _, codec := range store.Codecs {
		codec.(*securecookie.SecureCookie).MaxLength(maxCookie)
	}
	jar := &cookieJar{store: store, prefix: "login-"}
	if secure {
		jar.prefix = "__Host-login-" // sibling domains cannot set it
	}
	return jar
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
	values := map[any]any{}
	if err := securecookie.DecodeMulti(cookie.Name, cookie.Value, &values, j.store.Codecs...); err != nil {
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
	f.test, _ = values["test"].(bool)
	f.request.ScopeReduced, _ = values["scope_reduced"].(bool)
	return f, true
}

// separator separates the parts of a request in the cookie. A long state nearly fills the cookie, so there is no room
// for a more verbose encoding. Only the state, which comes last, may contain it.
const separator = "\x00"

// put sets the cookie of a flow and removes the oldest flows beyond maxFlows. It fails with errCookieTooLarge.
func (j *cookieJar) put(w http.ResponseWriter, r *http.Request, f *flow) error {
	session := sessions.NewSession(j.store, j.prefix+f.id())
	options := *j.store.Options
	session.Options = &options
	session.Values = map[any]any{
		"seed":  string(f.seed[:]),
		"began": f.started.Unix(),
		"request": strings.Join([]string{f.provider, f.request.ClientID, f.request.RedirectURI, f.request.ResponseType,
			f.request.Scope, f.request.CodeChallenge, f.request.State}, separator),
	}
	if !f.signedIn.IsZero() {
		session.Values["signed_in"] = f.signedIn.Unix()
	}
	if f.outcome != "" {
		session.Values["outcome"] = string(f.outcome)
	}
	if f.test {
		session.Values["test"] = true
	}
	if f.request.ScopeReduced {
		session.Values["scope_reduced"] = true
	}
	if err := j.store.Save(r, w, session); err != nil {
		return fmt.Errorf("%w: %w", errCookieTooLarge, err)
	}
	f.inCookie = true
	j.dropOldest(w, r, session.Name())
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
			http.SetCookie(w, j.expire(f.name))
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
	session := sessions.NewSession(j.store, j.ticketName())
	options := *j.store.Options
	session.Options = &options
	session.Values = map[any]any{"ticket": string(handle)}
	return j.store.Save(r, w, session)
}

// hasTicket reports whether a ticket is bound to this browser.
func (j *cookieJar) hasTicket(r *http.Request, handle bridge.Hash) bool {
	cookie, err := r.Cookie(j.ticketName())
	if err != nil {
		return false
	}
	values := map[any]any{}
	err = securecookie.DecodeMulti(cookie.Name, cookie.Value, &values, j.store.Codecs...)
	return err == nil && values["ticket"] == string(handle)
}

func (j *cookieJar) ticketName() string { return strings.TrimSuffix(j.prefix, "login-") + "try" }

// headerWriter is a response that has only a header yet.
type headerWriter http.Header

func (w headerWriter) Header() http.Header         { return http.Header(w) }
func (headerWriter) Write([]byte) (n int, _ error) { return 0, nil }
func (headerWriter) WriteHeader(int)               {}

// removal returns a cookie that removes a flow from the browser.
func (j *cookieJar) removal(f *flow) *http.Cookie { return j.expire(j.prefix + f.id()) }

func (j *cookieJar) expire(name string) *http.Cookie {
	options := *j.store.Options
	options.MaxAge = -1
	return sessions.NewCookie(name, "", &options)
}
