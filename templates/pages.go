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
	consent, errors, home *template.Template
	texts                 map[ErrorPage]errorText
	style                 template.CSS
	policy                string // the Content-Security-Policy
}

// New parses the pages: those in the folder, and the embedded ones otherwise. A nil folder has none. Each page is
// rendered once, so that a mistake in one is an error now and not one in front of a person.
func New(folder fs.FS) (*Pages, error) {
	style, err := readFile(folder, "style.css")
	if err != nil {
		return nil, err
	}
	hash := sha256.Sum256(style)
	p := &Pages{
		texts: errorTexts(),
		style: template.CSS(style),
		// No form-action: browsers apply it to every redirect after a form, and ours ends at Alexa.
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
	return p, p.tryAll()
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
	for _, retry := range []Retry{RetryNone, RetryReload, RetryRestart} {
		data := p.errorData(ErrorData{Page: PageInternal, Host: "host", Retry: retry})
		if err := p.errors.Execute(io.Discard, data); err != nil {
			return fmt.Errorf("templates: %w", err)
		}
	}
	full := ConsentPage{Skill: "skill", Name: "name", Email: "email", Scopes: "scope", Learns: []Learn{{"what", "value"}}}
	for _, page := range []ConsentPage{{}, full} {
		if err := p.consent.Execute(io.Discard, p.consentData(page)); err != nil {
			return fmt.Errorf("templates: %w", err)
		}
	}
	if err := p.home.Execute(io.Discard, homeData{p.style}); err != nil {
		return fmt.Errorf("templates: %w", err)
	}
	return nil
}

type homeData struct {
	Style template.CSS
}

// Home writes the landing page.
func (p *Pages) Home(w http.ResponseWriter) error {
	return p.write(w, http.StatusOK, false, p.home, homeData{p.style})
}

// write renders the whole page before it sends any of it.
func (p *Pages) write(w http.ResponseWriter, status int, hasForm bool, page *template.Template, data any) error {
	var body bytes.Buffer
	if err := page.Execute(&body, data); err != nil {
		http.Error(w, "the page cannot be shown", http.StatusInternalServerError)
		return fmt.Errorf("templates: %w", err)
	}
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Security-Policy", p.policy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Frame-Options", "DENY")
	header.Set("Cache-Control", "no-store")
	header.Set("Referrer-Policy", "no-referrer")
	if hasForm {
		// With no-referrer, browsers would send `Origin: null` with the form, which does not tell where it comes
		// from.
		header.Set("Referrer-Policy", "same-origin")
	}
	w.WriteHeader(status)
	_, err := w.Write(body.Bytes())
	return err
}
