package templates

import (
	"html/template"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ConsentPage is what the consent page shows: it asks a person whether a skill may know them.
type ConsentPage struct {
	Skill   string // the skill's name
	Name    string // the person's, may be empty
	Email   string // may be empty
	Subject string // shown when there is neither name nor e-mail
	Learns  []Learn
	Scopes  string // joined by commas, may be empty
	Flow    string // the id of the flow in the browser's cookie
	Token   string // proves that the decision comes from this page
}

// Learn is one claim that the skill's backend will receive.
type Learn struct {
	What, Value string
}

type consentData struct {
	ConsentPage
	SkillInitial, PersonInitial string
	ShortName                   bool // the name fits into the heading
	Style                       template.CSS
}

// maxHeadingName is the longest name in bytes that the heading shows. A longer one is shown below the heading only.
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

// initial returns the first letter or digit of a text, in upper case.
func initial(text string) string {
	i := strings.IndexFunc(text, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) })
	if i < 0 {
		return "·"
	}
	first, _ := utf8.DecodeRuneInString(text[i:])
	return string(unicode.ToUpper(first))
}
