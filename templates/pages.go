// Package templates holds the pages that people see, and their texts. Pages are plain HTML and CSS without any script. An
// operator can put files of the same names into a folder to replace the embedded ones.
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
	"strings"
	"unicode"
	"unicode/utf8"
)

//go:embed *.html style.css
var embedded embed.FS

// Pages renders pages. It is safe for concurrent use.
type Pages struct {
	consent, fault, home *template.Template
	texts                map[Fault]faultText
	style                template.CSS
	policy               string
}

// New reads the pages: from the folder those that it has, and the embedded ones otherwise. A nil folder has none. Each
// page is tried once, so that a mistake in one shows now and not to a person.
func New(folder fs.FS) (*Pages, error) {
	style, err := readFile(folder, "style.css")
	if err != nil {
		return nil, err
	}
	hash := sha256.Sum256(style)
	p := &Pages{
		texts: faultTexts(),
		style: template.CSS(style),
		// No form-action: browsers hold every redirect after a form to it, and ours ends at Alexa.
		policy: "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(hash[:]) +
			"'; img-src data:; base-uri 'none'; frame-ancestors 'none'",
	}
	for name, page := range map[string]**template.Template{
		"consent.html": &p.consent, "error.html": &p.fault, "home.html": &p.home,
	} {
		if *page, err = parse(folder, name); err != nil {
			return nil, err
		}
	}
	return p, p.try()
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

func (p *Pages) try() error {
	for _, retry := range []Retry{RetryNone, RetryReload, RetryRestart} {
		if err := p.fault.Execute(io.Discard, p.faultData(ErrorPage{Fault: FaultInternal, Host: "host", Retry: retry})); err != nil {
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

// ConsentPage asks a person whether a skill may know them.
type ConsentPage struct {
	Skill   string // the skill's name
	Name    string // the person's, may be empty
	Email   string // may be empty
	Subject string // shown when there is neither name nor e-mail
	Learns  []Learn
	Scopes  string // joined by commas, may be empty
	Flow    string // which of the browser's flows this is
	Token   string // proves that the answer comes from this page
}

// Learn is one thing that the skill's backend will be told.
type Learn struct {
	What, Value string
}

type consentData struct {
	ConsentPage
	SkillInitial, PersonInitial string
	ShortName                   bool // the name is fit for a heading
	Style                       template.CSS
}

// maxHeadingName is the longest name that stands in the heading too, in bytes; a longer one stands below only.
const maxHeadingName = 40

func (p *Pages) consentData(page ConsentPage) consentData {
	person := page.Name + page.Email + page.Subject
	short := page.Name != "" && len(page.Name) <= maxHeadingName
	return consentData{page, initial(page.Skill), initial(person), short, p.style}
}

// Consent writes the consent page.
func (p *Pages) Consent(w http.ResponseWriter, page ConsentPage) error {
	return p.write(w, http.StatusOK, true, p.consent, p.consentData(page))
}

// Retry is how a fault can be tried again.
type Retry string

// Retries.
const (
	RetryNone    Retry = ""
	RetryReload  Retry = "reload"  // by opening the same address again
	RetryRestart Retry = "restart" // by beginning the sign-in again, with what the browser's cookie still knows
)

// ErrorPage says what went wrong.
type ErrorPage struct {
	Fault       Fault
	Host        string // that was asked for, shown as it is; empty: not shown
	Retry       Retry
	Flow, Token string // for RetryRestart, as in ConsentPage
	Reference   string
}

type faultData struct {
	ErrorPage
	Title, Sentence, Cure, RetryLabel string
	Style                             template.CSS
}

func (p *Pages) faultData(page ErrorPage) faultData {
	text := p.texts[page.Fault]
	label := "Try again"
	if page.Fault == FaultEmbeddedBrowser {
		label = "Continue here anyway"
	}
	return faultData{page, text.title, text.sentence, text.cure, label, p.style}
}

// Error writes an error page.
func (p *Pages) Error(w http.ResponseWriter, status int, page ErrorPage) error {
	return p.write(w, status, page.Retry == RetryRestart, p.fault, p.faultData(page))
}

type homeData struct {
	Style template.CSS
}

// Home writes the landing page.
func (p *Pages) Home(w http.ResponseWriter) error {
	return p.write(w, http.StatusOK, false, p.home, homeData{p.style})
}

// write renders the whole page before anything of it leaves.
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
		// With no-referrer browsers send `Origin: null` with the form, and we could not tell who sent it.
		header.Set("Referrer-Policy", "same-origin")
	}
	w.WriteHeader(status)
	_, err := w.Write(body.Bytes())
	return err
}

// initial returns the first letter or digit of a text, in upper case.
func initial(text string) string {
	i := strings.IndexFunc(text, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) })
	if i < 0 {
		return "·"
	}
	first, _ := utf8.DecodeRuneInString(text[i:])
	return string(unicode.ToUpper(first))
}
