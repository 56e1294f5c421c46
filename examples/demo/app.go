package main

import (
	"bytes"
	"embed"
	"errors"
	"html/template"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/upstreamtest"
)

//go:embed pages
var pageFiles embed.FS

var pages = template.Must(template.New("").Funcs(template.FuncMap{"indented": indented}).ParseFS(pageFiles, "pages/*.html"))

// indented keeps a line's indentation from being taken for a place to break the line.
func indented(line string) string {
	text := strings.TrimLeft(line, " ")
	return strings.Repeat("\u00a0", len(line)-len(text)) + text
}

// app is what the browser sees of the demo: the Alexa app, the page at Alexa's redirect URI, the operator's desk, and the
// story.
type app struct {
	world *world
}

func newApp(w *world) http.Handler {
	a := &app{world: w}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", a.home)
	mux.HandleFunc("POST /enable", a.enable)
	mux.HandleFunc("GET "+implicitPath, a.arrival)
	mux.HandleFunc("POST /arrived", a.arrived)
	mux.HandleFunc("GET "+codePath, a.codeArrived)
	mux.HandleFunc("POST /ask", a.ask)
	mux.HandleFunc("POST /later", a.later)
	mux.HandleFunc("POST /disable", a.disable)
	mux.HandleFunc("POST /revoke", a.revoke)
	mux.HandleFunc("GET /configuration", a.configuration)
	mux.HandleFunc("GET /style.css", a.file)
	mux.HandleFunc("GET /arrival.js", a.file)
	return a.guard(http.NewCrossOriginProtection().Handler(mux))
}

// guard answers only those who came by the demo's own address, so that no page from elsewhere can point a name of its own
// at this port, and sets what every answer needs.
func (a *app) guard(next http.Handler) http.Handler {
	at := a.world.origins
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(at.Alexa, "http://"))
	hosts := []string{"127.0.0.1:" + port, "localhost:" + port}
	// Browsers hold every redirect after a form to form-action, and linking begins with two.
	policy := "default-src 'none'; style-src 'self'; script-src 'self'; img-src data:; base-uri 'none'; frame-ancestors 'none'; " +
		"form-action 'self' " + at.Bridge + " " + at.Provider
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !slices.Contains(hosts, r.Host) {
			http.Error(w, "this is not an address of the demo", http.StatusMisdirectedRequest)
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

// homePage is what pages/home.html shows.
type homePage struct {
	Skill    string
	Account  account
	Notice   notice
	Guide    guide
	Chapters []chapter // the latest first
	People   []upstreamtest.Person
	Origins  origins
}

func (a *app) home(w http.ResponseWriter, r *http.Request) {
	account := a.world.alexa.now()
	chapters := a.world.story.told()
	slices.Reverse(chapters)
	a.show(w, http.StatusOK, "home.html", homePage{
		Skill: skillName, Account: account, Notice: noticeOf(account),
		Guide:    guideOf(account),
		Chapters: chapters, People: a.world.people, Origins: a.world.origins,
	})
}

func (a *app) enable(w http.ResponseWriter, r *http.Request) {
	grant := bridge.Grant(r.PostFormValue("grant"))
	if grant != bridge.GrantImplicit && grant != bridge.GrantAuthorizationCode {
		a.fail(w, http.StatusBadRequest, "Nothing was begun", errors.New("the form names no grant that there is"))
		return
	}
	http.Redirect(w, r, a.world.alexa.enable(grant), http.StatusSeeOther)
}

// arrival is the page at Alexa's redirect URI for the implicit grant. What matters is in the fragment, which only its script can read.
func (a *app) arrival(w http.ResponseWriter, r *http.Request) {
	a.show(w, http.StatusOK, "arrival.html", homePage{Skill: skillName})
}

func (a *app) arrived(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxRequest)
	if err := a.world.alexa.arrive(r.PostFormValue("fragment")); err != nil {
		a.fail(w, http.StatusBadRequest, "Nothing was linked", err)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// codeArrived is Alexa's redirect URI for the code grant. All that matters is in the query, so no page is needed.
func (a *app) codeArrived(w http.ResponseWriter, r *http.Request) {
	if err := a.world.alexa.arriveWithCode(r.Context(), r.URL.RawQuery); err != nil {
		a.fail(w, http.StatusBadRequest, "Nothing was linked", err)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (a *app) ask(w http.ResponseWriter, r *http.Request) {
	if _, err := a.world.alexa.ask(r.Context()); err != nil {
		a.fail(w, http.StatusBadGateway, "Alexa has no answer", err)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (a *app) later(w http.ResponseWriter, r *http.Request) {
	a.world.alexa.hourLater()
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (a *app) disable(w http.ResponseWriter, r *http.Request) {
	a.world.alexa.disable()
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (a *app) revoke(w http.ResponseWriter, r *http.Request) {
	if err := a.world.endLinks(r.Context()); err != nil {
		a.fail(w, http.StatusInternalServerError, "The link was not ended", err)
		return
	}
	a.world.alexa.linkEnded()
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// configurationPage is what pages/configuration.html shows.
type configurationPage struct {
	Path, Text string
}

func (a *app) configuration(w http.ResponseWriter, r *http.Request) {
	text, err := a.world.settings.text()
	if err != nil {
		a.fail(w, http.StatusInternalServerError, "The configuration cannot be shown", err)
		return
	}
	a.show(w, http.StatusOK, "configuration.html", configurationPage{filepath.Join(a.world.folder, configurationFile), text})
}

// faultPage is what pages/fault.html shows.
type faultPage struct {
	Title, Why string
}

func (a *app) fail(w http.ResponseWriter, status int, title string, err error) {
	a.show(w, status, "fault.html", faultPage{title, err.Error()})
}

// show writes a whole page, or says that it cannot.
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
