// Package templates holds the pages that people see, and their texts. Pages are HTML and CSS without any script.
// Operators can replace them by files of the same names in a folder.
package templates

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"net/http"
)

//go:embed *.html style.css
var embedded embed.FS

// Pages renders pages. It is safe for concurrent use.
type Pages struct {
	consent, refused, setupFault, try, errors, home, links, linksSignIn *template.Template

	frame  frame
	texts  map[ErrorPage]errorText
	policy string // the Content-Security-Policy
}

// Operator is who runs the server. Every page shows it.
type Operator struct {
	Name string // empty: the URL is shown
	URL  string // where people find help; empty: no link
}

// frame is what all pages have.
type frame struct {
	Style    template.CSS
	Operator Operator
}

// New parses the pages: those in the folder, and the embedded ones otherwise. A nil folder has none. Each page is
// rendered once, so that a mistake in one is an error now and not one in front of a person.
func New(folder fs.FS, operator Operator) (*Pages, error) {
	style, err := readFile(folder, "style.css")
	if err != nil {
		return nil, err
	}
	hash := sha256.Sum256(style)
	p := &Pages{
		frame: frame{template.CSS(style), operator},
		texts: errorTexts(),
		policy: "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(hash[:]) +
			"'; img-src data:; base-uri 'none'; frame-ancestors 'none'",
	}
	for name, page := range map[string]**template.Template{
		"consent.html": &p.consent, "error.html": &p.errors, "home.html": &p.home,
	} {
		if *page, err = parse(folder, name); err != nil {
			return nil, err
		}
	}
	if err := p.parseNewer(folder); err != nil {
		return nil, err
	}
	if p.try, err = parse(nil, "try.html"); err != nil { // for the operator, who does not replace it
		return nil, err
	}
	return p, p.tryAll()
}

// parseNewer parses the pages that a folder made for an earlier version does not have. If the base.html of the folder
// does not show them, they have the embedded one.
func (p *Pages) parseNewer(folder fs.FS) (err error) {
	for _, newer := range []struct {
		name string
		page **template.Template
		data any
	}{
		{"refused.html", &p.refused, refusedData{RefusedPage{Token: sampleToken}, p.frame}},
		{"setup_fault.html", &p.setupFault, setupFaultData{SetupFaultPage{Token: sampleToken}, p.frame}},
		{"links.html", &p.links, p.linksData(LinksPage{Token: sampleToken})},
		{"links_sign_in.html", &p.linksSignIn,
			linksSignInData{LinksSignIn{Choices: []SignInChoice{{Host: sampleToken}}}, p.frame}},
	} {
		*newer.page, err = parse(folder, newer.name)
		if !has(folder, newer.name) && (err != nil || !showsForm(*newer.page, newer.data)) {
			*newer.page, err = parse(nil, newer.name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

const sampleToken = "the-token-of-a-form"

func showsForm(page *template.Template, data any) bool {
	var body bytes.Buffer
	return page.Execute(&body, data) == nil && bytes.Contains(body.Bytes(), []byte(sampleToken))
}

func has(folder fs.FS, name string) bool {
	if folder == nil {
		return false
	}
	_, err := fs.Stat(folder, name)
	return err == nil
}

func parse(folder fs.FS, name string) (*template.Template, error) {
	page := template.New("base.html").Option("missingkey=error")
	for _, file := range []string{"base.html", name} {
		text, err := readFile(folder, file)
		if err != nil {
			return nil, err
		}
		if page, err = page.Parse(string(text)); err != nil {
			return nil, fmt.Errorf("templates: %s: %w", file, err)
		}
	}
	return page, nil
}

func readFile(folder fs.FS, name string) ([]byte, error) {
	if folder != nil {
		text, err := fs.ReadFile(folder, name)
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return text, err
		}
	}
	return embedded.ReadFile(name)
}

// tryAll renders each page once.
func (p *Pages) tryAll() error {
	full := ConsentPage{Name: "name", Email: "email", Learns: []Learn{{"what", "value"}}, Scopes: "scope"}
	refused := RefusedPage{Name: "name", Email: "email", Account: true, Reference: "reference"}
	return errors.Join(
		try(p.errors, p.errorData(ErrorData{Page: PageInternal, Host: "host"})),
		try(p.errors, p.errorData(ErrorData{Page: PageInternal, Host: "host", Retry: RetryReload})),
		try(p.errors, p.errorData(ErrorData{Page: PageInternal, Host: "host", Retry: RetryRestart})),
		try(p.consent, p.consentData(ConsentPage{})),
		try(p.consent, p.consentData(full)),
		try(p.refused, refusedData{RefusedPage{}, p.frame}),
		try(p.refused, refusedData{refused, p.frame}),
		try(p.setupFault, setupFaultData{SetupFaultPage{}, p.frame}),
		try(p.try, tryData{TryResult{}, false, p.frame}),
		try(p.try, tryData{TryResult{Failure: "failure", Hint: "hint"}, true, p.frame}),
		try(p.try, tryData{TryResult{Rules: []TryRule{{}}, Kept: []TryClaim{{}}, Sent: []TryClaim{{}},
			Problems: []string{"problem"}}, true, p.frame}),
		try(p.home, homeData{p.frame, []string{"skill"}}),
		p.tryLinks(),
	)
}

func (p *Pages) tryLinks() error {
	errs := []error{
		try(p.errors, p.errorData(ErrorData{Page: PageInternal, Retry: RetryLinks})),
		try(p.linksSignIn, linksSignInData{LinksSignIn{Choices: []SignInChoice{{"host", "", "url"}}}, p.frame}),
	}
	row := LinkRow{"id", "skill", "since", "used"}
	events := []LinksEvent{"", NoticeUnlinked, NoticeUnlinkedAll, NoticeNoLink, NoticeSignedOut, NoticeExpired}
	for _, event := range events {
		notice := LinksNotice{event, "skill"}
		choices := []SignInChoice{{"host", "skills", "url"}, {"host", "", "url"}}
		full := LinksPage{Name: "name", Email: "email", Links: []LinkRow{row, {}}, More: 1, Notice: notice}
		errs = append(errs,
			try(p.links, p.linksData(full)),
			try(p.links, p.linksData(LinksPage{Notice: notice})),
			try(p.linksSignIn, linksSignInData{LinksSignIn{choices, notice}, p.frame}))
	}
	return errors.Join(errs...)
}

func try(page *template.Template, data any) error {
	if err := page.Execute(io.Discard, data); err != nil {
		return fmt.Errorf("templates: %w", err)
	}
	return nil
}

type homeData struct {
	frame
	Skills []string
}

// Home writes the landing page, with the names of the skills.
func (p *Pages) Home(w http.ResponseWriter, skills []string) error {
	return p.write(w, http.StatusOK, noForms, p.home, homeData{p.frame, skills})
}

// forms says what forms a page has.
type forms int

const (
	noForms        forms = iota
	formsHere            // whose responses are pages of ours, at once or after a redirect
	formsElsewhere       // whose responses redirect to Alexa or to a provider
)

// write renders the whole page before it sends any of it.
func (p *Pages) write(w http.ResponseWriter, status int, has forms, page *template.Template, data any) error {
	var body bytes.Buffer
	if err := page.Execute(&body, data); err != nil {
		http.Error(w, "the page cannot be shown", http.StatusInternalServerError)
		return fmt.Errorf("templates: %w", err)
	}
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Security-Policy", p.policy)
	if has == formsHere { // else not: browsers apply form-action to every redirect after a form
		header.Set("Content-Security-Policy", p.policy+"; form-action 'self'")
	}
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Frame-Options", "DENY")
	header.Set("Document-Policy", "force-load-at-top") // whatever fragment the URL has
	header.Set("Cache-Control", "no-store")
	header.Set("Referrer-Policy", "no-referrer")
	if has != noForms {
		// With no-referrer, browsers would send `Origin: null` with the form, which does not tell where it comes
		// from.
		header.Set("Referrer-Policy", "same-origin")
	}
	w.WriteHeader(status)
	_, err := w.Write(body.Bytes())
	return err
}
