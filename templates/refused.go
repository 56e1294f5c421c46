package templates

import "net/http"

// RefusedPage is what a person sees whose account may not link a skill.
type RefusedPage struct {
	Skill       string // the skill's name
	Name        string // the person's, may be empty
	Email       string // may be empty
	Subject     string // shown when there is neither name nor e-mail
	Flow, Token string // as in [ConsentPage]
	Account     bool   // false: without the account, after a reload
	Reference   string // by which the log line is found; empty: not shown
}

type refusedData struct {
	RefusedPage
	frame
}

// Refused writes the page for an account that may not link the skill. It offers another account.
func (p *Pages) Refused(w http.ResponseWriter, page RefusedPage) error {
	return p.write(w, http.StatusForbidden, formsElsewhere, p.refused, refusedData{page, p.frame})
}
