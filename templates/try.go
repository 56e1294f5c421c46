package templates

import "net/http"

// TryStart is the page before a test sign-in.
type TryStart struct {
	Skill string // the skill's name
}

// TryResult is the result of a test sign-in, for an operator.
type TryResult struct {
	Skill           string
	Failure, Hint   string // why the sign-in failed and what to do; empty: it did not fail, nothing is known
	Issuer, Subject string
	Allowed         bool       // the person may link the skill
	Rules           []TryRule  // of allow
	Kept            []TryClaim // what a link would keep
	Sent            []TryClaim // what the provider sent
	Problems        []string   // what could not be read
}

// TryRule is a rule of allow, applied to the person.
type TryRule struct {
	Name   string
	Holds  bool
	Detail string // why it does not hold
}

// TryClaim is a claim with its value as JSON.
type TryClaim struct {
	Source, Name, Value string
}

type tryData struct {
	TryResult
	Started bool
	frame
}

// TryStart writes the page before a test sign-in.
func (p *Pages) TryStart(w http.ResponseWriter, page TryStart) error {
	return p.write(w, http.StatusOK, formsElsewhere, p.try, tryData{TryResult{Skill: page.Skill}, false, p.frame})
}

// TryResult writes the result of a test sign-in.
func (p *Pages) TryResult(w http.ResponseWriter, page TryResult) error {
	return p.write(w, http.StatusOK, noForms, p.try, tryData{page, true, p.frame})
}
