// Package people shows people their own links, and ends them:
//
//	GET  /links         shows the links of the person who is signed in, or offers to sign in; with provider, begins to
//	POST /links/unlink  ends one link or all of them, or signs the person out of the page
//
// A person signs in at a provider, as for a link; package authorize does that, and hands the person over to
// [Handler.SignedIn]. From then on they are in a sealed cookie of their browser, for ten minutes. It permits nothing
// but to see and to end links, so it is not withdrawn when an account ends: that ends the links themselves.
//
// The links of a person are those with the same issuer, subject, and claim that the subject is from. The provider must
// be configured as it was when the person signed in: else the same subject could be somebody else. A link of another
// person is as one that does not exist.
package people

import (
	"net/http"
	"net/url"
	"strings"

	"alexa-oidc-bridge/bridge/internal/endpoint"
	"alexa-oidc-bridge/bridge/internal/httperror"
	"alexa-oidc-bridge/bridge/internal/oauth"
	"alexa-oidc-bridge/bridge/internal/reference"
	"alexa-oidc-bridge/bridge/internal/sealedcookie"
	"alexa-oidc-bridge/bridge/keys"
	"alexa-oidc-bridge/templates"
)

// Path is where the page is.
const Path = "/links"

// Deps are the dependencies of a [Handler]. All are required.
type Deps struct {
	endpoint.Deps
	Keys      *keys.Ring
	Pages     *templates.Pages
	Sampler   *httperror.Sampler // of log lines
	Providers []string           // the ids of the providers, in the order in which people choose
	// SignIn sends the browser to a provider; with another, to choose another account there. When the person has signed
	// in, [Handler.SignedIn] is called.
	SignIn func(w http.ResponseWriter, r *http.Request, provider string, another bool) error
}

// Handler serves /links and /links/unlink. It is safe for concurrent use.
type Handler struct {
	Deps
	cookies *sealedcookie.Jar
}

// New returns a handler.
func New(deps Deps) *Handler {
	secure := strings.HasPrefix(deps.PublicURL, "https://")
	return &Handler{deps, sealedcookie.New(deps.Keys, cookiePurpose, secure, sessionLifetime)}
}

// Links serves GET /links. Without a provider nobody is sent anywhere before they press a button.
func (h *Handler) Links(w http.ResponseWriter, r *http.Request) error {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err == nil {
		err = oauth.CheckRepeated(query, "provider", "account")
	}
	if err != nil {
		return unknownProvider(err.Error())
	}
	another := query.Get("account") == otherAccount
	if id := query.Get("provider"); id != "" {
		if h.Clients.Provider(id).ID == "" {
			return unknownProvider("no provider has this id")
		}
		return h.SignIn(w, r, id, another)
	}
	s := h.session(r)
	if s == nil || another {
		page := templates.LinksSignIn{Choices: h.choices(another), Notice: h.takeNotice(w, r)}
		h.logPage(r, h.Pages.LinksSignIn(w, http.StatusOK, page))
		return nil
	}
	return h.showLinks(w, r, s)
}

// otherAccount is the value of account in the query by which the provider is asked to let the person choose.
const otherAccount = "other"

// choices returns the providers at which a person can sign in.
func (h *Handler) choices(another bool) []templates.SignInChoice {
	var choices []templates.SignInChoice
	for _, id := range h.Providers {
		choice := templates.SignInChoice{Skills: h.skillsOf(id), URL: signInURL(id, another)}
		if issuer, err := url.Parse(h.Clients.Provider(id).Issuer); err == nil {
			choice.Host = issuer.Host
		}
		choices = append(choices, choice)
	}
	return choices
}

// signInURL returns the URL that begins a sign-in. Without a provider it offers the choice of one.
func signInURL(provider string, another bool) string {
	query := url.Values{}
	if provider != "" {
		query.Set("provider", provider)
	}
	if another {
		query.Set("account", otherAccount)
	}
	return Path + "?" + query.Encode()
}

// skillsOf returns the names of the skills whose people sign in at a provider.
func (h *Handler) skillsOf(provider string) string {
	var names []string
	for _, skill := range h.Clients.Skills() {
		if skill.Provider == provider {
			names = append(names, skill.Name)
		}
	}
	return templates.Displayable(strings.Join(names, ", "))
}

// logPage logs that a page could not be written, if it could not.
func (h *Handler) logPage(r *http.Request, err error) {
	h.Sampler.LogPage(r.Context(), h.Log.With("ref", reference.FromContext(r.Context())), err)
}
