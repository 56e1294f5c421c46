package authorize

import (
	"cmp"
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
	// maxFlows is how many flows one browser keeps; more would only make its requests too large for a proxy.
	maxFlows = 2
	// maxCookie is the longest value that browsers keep: 4096 bytes with the name.
	maxCookie = 4096 - len("__Host-login-") - flowIDLength
)

// cookieJar keeps flows in the browser: one sealed cookie each, so that two sign-ins at once do not disturb one another.
type cookieJar struct {
	store  *sessions.CookieStore
	prefix string
}

func newCookieJar(ring *keys.Ring, secure bool) *cookieJar {
	var pairs [][]byte
	for _, key := range ring.Derive(cookiePurpose, 64) {
		pairs = append(pairs, key[:32], key[32:]) // to authenticate, to encrypt
	}
	store := sessions.NewCookieStore(pairs...)
	// All of them, since the library's defaults would send the cookie across sites, to scripts, and for 30 days.
	store.Options = &sessions.Options{
		Path:     "/",
		Secure:   secure,
		HttpOnly: true,
		SameSite: http.SameSiteLaxMode, // comes along when the provider redirects back, never with a foreign form
	}
	store.MaxAge(int(flowLifetime.Seconds())) // the cookie's and the codecs'
	for _, codec := range store.Codecs {
		codec.(*securecookie.SecureCookie).MaxLength(maxCookie)
	}
	jar := &cookieJar{store: store, prefix: "login-"}
	if secure {
		jar.prefix = "__Host-login-" // no sibling domain can set one
	}
	return jar
}

var flowIDForm = regexp.MustCompile(`^[A-Za-z0-9_-]{16}$`)

// find returns the flow of that id, if this browser has it and its time is not over.
func (j *cookieJar) find(r *http.Request, id string, now time.Time) (*flow, bool) {
	if !flowIDForm.MatchString(id) {
		return nil, false
	}
	cookie, err := r.Cookie(j.prefix + id)
	if err != nil {
		return nil, false
	}
	f, ok := j.open(cookie)
	if !ok || f.over(now) || f.id() != id {
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
	began, _ := values["began"].(int64)
	signedIn, _ := values["signed_in"].(int64)
	request, _ := values["request"].(string)
	parts := strings.SplitN(request, separator, 7)
	if len(seed) != bridge.TokenSeedSize || len(parts) != 7 {
		return nil, false
	}
	f := &flow{
		seed:     [bridge.TokenSeedSize]byte([]byte(seed)),
		began:    time.Unix(began, 0),
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
	return f, true
}

// separator stands between the parts of a request in a cookie, which is nearly full with a long state. Only the state,
// which comes last, may hold one.
const separator = "\x00"

// put gives the browser the flow, and takes its oldest ones away beyond maxFlows. It fails when the flow does not fit into
// a cookie.
func (j *cookieJar) put(w http.ResponseWriter, r *http.Request, f *flow) error {
	session := sessions.NewSession(j.store, j.prefix+f.id())
	options := *j.store.Options
	session.Options = &options
	session.Values = map[any]any{
		"seed":  string(f.seed[:]),
		"began": f.began.Unix(),
		"request": strings.Join([]string{f.provider, f.request.ClientID, f.request.RedirectURI, f.request.ResponseType,
			f.request.Scope, f.request.CodeChallenge, f.request.State}, separator),
	}
	if !f.signedIn.IsZero() {
		session.Values["signed_in"] = f.signedIn.Unix()
	}
	if err := j.store.Save(r, w, session); err != nil {
		return err
	}
	j.dropOldest(w, r, session.Name())
	return nil
}

// dropOldest leaves room for the flow of that name beside the newest others. Cookies that cannot be opened go first. Who
// sends more of them than any browser has gets a few dropped at a time, so that it costs us nothing.
func (j *cookieJar) dropOldest(w http.ResponseWriter, r *http.Request, name string) {
	type kept struct {
		name  string
		began int64
	}
	var flows []kept
	for _, cookie := range r.Cookies() {
		id, ours := strings.CutPrefix(cookie.Name, j.prefix)
		if !ours || cookie.Name == name || !flowIDForm.MatchString(id) || len(flows) == 4*maxFlows {
			continue
		}
		var began int64
		if f, ok := j.open(cookie); ok {
			began = f.began.Unix()
		}
		flows = append(flows, kept{cookie.Name, began})
	}
	slices.Reverse(flows) // browsers send the oldest first, which tells those of one second apart (RFC 6265 §5.4)
	slices.SortStableFunc(flows, func(a, b kept) int { return cmp.Compare(b.began, a.began) })
	for i, f := range flows {
		if i >= maxFlows-1 {
			j.expire(w, f.name)
		}
	}
}

// drop takes a flow away from the browser.
func (j *cookieJar) drop(w http.ResponseWriter, f *flow) { j.expire(w, j.prefix+f.id()) }

func (j *cookieJar) expire(w http.ResponseWriter, name string) {
	options := *j.store.Options
	options.MaxAge = -1
	http.SetCookie(w, sessions.NewCookie(name, "", &options))
}
