package main

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"html/template"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"

	"alexa-oidc-bridge/bridge"
)

//go:embed pages
var pageFiles embed.FS

var pages = template.Must(template.New("").Funcs(template.FuncMap{"indented": indented}).ParseFS(pageFiles,
	"pages/*.html"))

// indented replaces the indentation of a line by spaces at which it is not broken.
func indented(line string) string {
	text := strings.TrimLeft(line, " ")
	return strings.Repeat("\u00a0", len(line)-len(text)) + text
}

// app serves the demo's pages: the Alexa app, Alexa's redirect URIs, the operator's desk and the transcript.
type app struct {
	demo *demo
}

func newApp(w *demo) http.Handler {
	a := &app{demo: w}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", a.home)
	mux.HandleFunc("POST /enable", a.enable)
	mux.HandleFunc("GET "+implicitPath, a.arrival)
	mux.HandleFunc("POST /arrived", a.arrived)
	mux.HandleFunc("GET "+codePath, a.codeArrived)
	mux.HandleFunc("POST /ask", a.ask)
	mux.HandleFunc("POST /later", a.later)
	mux.HandleFunc("POST "+string(actionDisableSkill), a.do("Alexa’s event was not accepted", w.alexa.disableSkill, ""))
	mux.HandleFunc("POST "+string(actionGateway), a.do("The skill was not disabled", w.disableUnnoticed, ""))
	mux.HandleFunc("POST "+string(actionRevoke), a.do("The link was not revoked", w.revokeLinks, endingRevoked))
	mux.HandleFunc("POST "+string(actionAPI), a.do("The link was not revoked", w.revokeByAPI, endingRevoked))
	mux.HandleFunc("POST "+string(actionDisable), a.change(w.company.disable, endingDisabled))
	mux.HandleFunc("POST "+string(actionSignOut), a.change(w.company.signOut, endingSignedOut))
	mux.HandleFunc("POST "+string(actionDeactivate), a.change(w.company.deactivate, endingDeactivated))
	mux.HandleFunc("POST "+string(actionEnable), a.enableAccount)
	mux.HandleFunc("GET /configuration", a.configuration)
	mux.HandleFunc("GET /style.css", a.file)
	mux.HandleFunc("GET /arrival.js", a.file)
	return a.guard(http.NewCrossOriginProtection().Handler(mux))
}

// guard rejects requests for another host, against DNS rebinding, and sets the headers of every response.
func (a *app) guard(next http.Handler) http.Handler {
	at := a.demo.origins
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(at.Alexa, "http://"))
	hosts := []string{"127.0.0.1:" + port, "localhost:" + port}
	// Browsers apply form-action to every redirect after a form, and linking starts with two.
	policy := "default-src 'none'; style-src 'self'; script-src 'self'; img-src data:; base-uri 'none'; " +
		"frame-ancestors 'none'; form-action 'self' " + at.Bridge + " " + at.Provider
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !slices.Contains(hosts, r.Host) {
			http.Error(w, "not an address of the demo", http.StatusMisdirectedRequest)
			return
		}
		header := w.Header()
		header.Set("Content-Security-Policy", policy)
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Referrer-Policy", "same-origin")
		header.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

func (a *app) file(w http.ResponseWriter, r *http.Request) {
	http.ServeFileFS(w, r, pageFiles, "pages"+r.URL.Path)
}

// homePage is the data of pages/home.html.
type homePage struct {
	Skill    string
	Account  account
	Link     *lastLink // nil: nobody has linked yet
	Notice   notice
	Guide    guide
	Sections []section // latest first
	People   []employee
	Origins  origins
	Commands commands
}

func (a *app) home(w http.ResponseWriter, r *http.Request) {
	account := a.demo.alexa.snapshot()
	link, err := a.demo.lastLink(r.Context())
	if err != nil {
		a.fail(w, http.StatusInternalServerError, "The links cannot be read", err)
		return
	}
	if link != nil && !link.Live {
		a.demo.alexa.linkEnded(account)
		account = a.demo.alexa.snapshot()
	}
	sections := a.demo.transcript.snapshot()
	slices.Reverse(sections)
	a.show(w, http.StatusOK, "home.html", homePage{
		Skill: skillName, Account: account, Link: link, Notice: noticeOf(account),
		Guide:    guideOf(account),
		Sections: sections, People: a.demo.company.snapshot(), Origins: a.demo.origins,
		Commands: a.demo.commands(link),
	})
}

func (a *app) enable(w http.ResponseWriter, r *http.Request) {
	grant := bridge.Grant(r.PostFormValue("grant"))
	if grant != bridge.GrantImplicit && grant != bridge.GrantAuthorizationCode {
		a.fail(w, http.StatusBadRequest, "Linking was not started", errors.New("the form contains no valid grant"))
		return
	}
	http.Redirect(w, r, a.demo.alexa.enable(grant), http.StatusSeeOther)
}

// arrival is the page at the redirect URI of the implicit grant. Its script reads the fragment.
func (a *app) arrival(w http.ResponseWriter, r *http.Request) {
	a.show(w, http.StatusOK, "arrival.html", homePage{Skill: skillName})
}

// maxForm is the largest form that is read, in bytes.
const maxForm = 128 << 10

func (a *app) arrived(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := a.demo.alexa.arrive(r.PostFormValue("fragment")); err != nil {
		a.fail(w, http.StatusBadRequest, "The account was not linked", err)
		return
	}
	a.linked(w, r)
}

// codeArrived is the redirect URI of the authorization code grant. The response is in the query.
func (a *app) codeArrived(w http.ResponseWriter, r *http.Request) {
	if err := a.demo.alexa.arriveWithCode(r.Context(), r.URL.RawQuery); err != nil {
		a.fail(w, http.StatusBadRequest, "The account was not linked", err)
		return
	}
	a.linked(w, r)
}

// linked ends a request by which the account may have been linked.
func (a *app) linked(w http.ResponseWriter, r *http.Request) {
	if err := a.demo.alexa.sendLinked(r.Context()); err != nil {
		a.fail(w, http.StatusBadGateway, "Alexa’s event was not accepted", err)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (a *app) ask(w http.ResponseWriter, r *http.Request) {
	if _, err := a.demo.alexa.ask(r.Context()); err != nil {
		a.fail(w, http.StatusBadGateway, "Alexa has no reply", err)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (a *app) later(w http.ResponseWriter, r *http.Request) {
	a.demo.alexa.hourLater()
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// do serves a way to end the link. Without by, Alexa knows of it.
func (a *app) do(failure string, end func(context.Context) error, by ending) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := end(r.Context()); err != nil {
			a.fail(w, http.StatusBadGateway, failure, err)
			return
		}
		if by != "" {
			a.demo.alexa.linkEnding(by)
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	}
}

// change serves a change of an account by the company.
func (a *app) change(change func(ctx context.Context, login string) error, by ending) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := change(r.Context(), r.PostFormValue("login")); err != nil {
			a.fail(w, http.StatusBadRequest, "The account was not changed", err)
			return
		}
		a.demo.alexa.linkEnding(by)
		http.Redirect(w, r, "/", http.StatusSeeOther)
	}
}

func (a *app) enableAccount(w http.ResponseWriter, r *http.Request) {
	login := r.PostFormValue("login")
	err := a.demo.company.enable(r.Context(), login)
	if err != nil {
		a.fail(w, http.StatusBadRequest, "The account was not enabled", err)
		return
	}
	link, err := a.demo.lastLink(r.Context())
	if err != nil {
		a.fail(w, http.StatusInternalServerError, "The links cannot be read", err)
		return
	}
	if link != nil && link.Person.Login == login {
		a.demo.alexa.accountEnabled(link.Live)
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// configurationPage is the data of pages/configuration.html.
type configurationPage struct {
	Path, Text string
}

func (a *app) configuration(w http.ResponseWriter, r *http.Request) {
	text, err := a.demo.settings.text()
	if err != nil {
		a.fail(w, http.StatusInternalServerError, "The configuration cannot be shown", err)
		return
	}
	a.show(w, http.StatusOK, "configuration.html",
		configurationPage{filepath.Join(a.demo.folder, configurationFile), text})
}

// errorPage is the data of pages/error.html.
type errorPage struct {
	Title, Why string
}

func (a *app) fail(w http.ResponseWriter, status int, title string, err error) {
	a.show(w, status, "error.html", errorPage{title, err.Error()})
}

// show renders a page completely before it writes it.
func (a *app) show(w http.ResponseWriter, status int, name string, page any) {
	var body bytes.Buffer
	if err := pages.ExecuteTemplate(&body, name, page); err != nil {
		http.Error(w, "the page cannot be shown: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	w.Write(body.Bytes())
}
