// Package sealedcookie keeps in the cookies of a browser what only the server may read and nobody may change.
package sealedcookie

import (
	"net/http"
	"time"

	"github.com/gorilla/securecookie"
	"github.com/gorilla/sessions"

	"alexa-oidc-bridge/bridge/keys"
)

// MaxName is the length of the longest name that a cookie may have, without its prefix.
const MaxName = len("login-") + 16

const (
	// securePrefix keeps sibling domains from setting a cookie (RFC 6265bis §4.1.3.2).
	securePrefix = "__Host-"
	// maxValue is the longest value that browsers accept: 4096 bytes together with the name.
	maxValue = 4096 - len(securePrefix) - MaxName
)

// Jar seals values into cookies of one purpose, and opens those that it sealed. It is safe for concurrent use.
type Jar struct {
	store  *sessions.CookieStore
	prefix string
}

// New returns a jar for a purpose, whose cookies live for a time. They are secure unless the server is on plain http.
func New(ring *keys.Ring, purpose string, secure bool, lifetime time.Duration) *Jar {
	var pairs [][]byte
	for _, key := range ring.Derive(purpose, 64) {
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
	store.MaxAge(int(lifetime.Seconds())) // of the cookie and of the codecs
	for _, codec := range store.Codecs {
		codec.(*securecookie.SecureCookie).MaxLength(maxValue)
	}
	jar := &Jar{store: store}
	if secure {
		jar.prefix = securePrefix
	}
	return jar
}

// Name returns the whole name of a cookie.
func (j *Jar) Name(name string) string { return j.prefix + name }

// Put sets a cookie, given by its whole name. It fails if the values do not fit.
func (j *Jar) Put(w http.ResponseWriter, r *http.Request, name string, values map[any]any) error {
	session := sessions.NewSession(j.store, name)
	options := *j.store.Options
	session.Options, session.Values = &options, values
	return j.store.Save(r, w, session)
}

// Open returns the values of a cookie that this jar sealed under this name and that has not expired.
func (j *Jar) Open(cookie *http.Cookie) (values map[any]any, ok bool) {
	values = map[any]any{}
	err := securecookie.DecodeMulti(cookie.Name, cookie.Value, &values, j.store.Codecs...)
	return values, err == nil
}

// Find returns the values of the request's cookie with a whole name.
func (j *Jar) Find(r *http.Request, name string) (values map[any]any, ok bool) {
	cookie, err := r.Cookie(name)
	if err != nil {
		return nil, false
	}
	return j.Open(cookie)
}

// Removal returns a cookie that removes the one with a whole name from the browser.
func (j *Jar) Removal(name string) *http.Cookie {
	options := *j.store.Options
	options.MaxAge = -1
	return sessions.NewCookie(name, "", &options)
}
