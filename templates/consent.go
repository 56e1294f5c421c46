package templates

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ConsentPage is what the consent page shows: it asks a person whether a skill may know them.
type ConsentPage struct {
	Skill   string // the skill's name
	Name    string // the person's, may be empty
	Email   string // may be empty
	Subject string // shown when there is no e-mail: a name alone is what the person calls themselves
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
	frame
	SkillInitial, PersonInitial string
	Rows                        []Learn // Learns without a value that the page shows already
	OneScope                    bool
	ShortName                   bool // for copies of an earlier consent.html
}

// maxHeadingName is the longest name in bytes for which ShortName is set.
const maxHeadingName = 40

func (p *Pages) consentData(page ConsentPage) consentData {
	return consentData{
		ConsentPage:   page,
		frame:         p.frame,
		SkillInitial:  initial(page.Skill),
		PersonInitial: initial(page.Name + page.Email + page.Subject),
		Rows:          distinctRows(page),
		OneScope:      !strings.Contains(page.Scopes, ","),
		ShortName:     page.Name != "" && len(page.Name) <= maxHeadingName,
	}
}

// distinctRows merges claims with the same value into one row. Of a value that is shown with the person, the row says
// that it is above.
func distinctRows(page ConsentPage) []Learn {
	shown := []string{page.Name, cmp.Or(page.Email, page.Subject)}
	var rows []Learn
	labels := map[string][]string{} // by value
	for _, claim := range page.Learns {
		if claim.Value != "" && slices.Contains(shown, claim.Value) {
			claim.Value = "shown above"
		}
		if claim.Value == "" || labels[claim.Value] == nil {
			rows = append(rows, claim)
		}
		labels[claim.Value] = append(labels[claim.Value], claim.What)
	}
	for i, row := range rows {
		if row.Value != "" {
			rows[i].What = enumeration(labels[row.Value])
		}
	}
	return rows
}

// enumeration joins labels as in "Name, groups and UPN".
func enumeration(labels []string) string {
	text := labels[0]
	for i, label := range labels[1:] {
		separator := ", "
		if i == len(labels)-2 {
			separator = " and "
		}
		text += separator + uncapitalized(label)
	}
	return text
}

// uncapitalized returns a label as it is written within a sentence. Abbreviations stay.
func uncapitalized(label string) string {
	first, size := utf8.DecodeRuneInString(label)
	if second, _ := utf8.DecodeRuneInString(label[size:]); unicode.IsUpper(second) {
		return label
	}
	return string(unicode.ToLower(first)) + label[size:]
}

// Consent writes the consent page.
func (p *Pages) Consent(w http.ResponseWriter, page ConsentPage) error {
	return p.write(w, http.StatusOK, formsElsewhere, p.consent, p.consentData(page))
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
