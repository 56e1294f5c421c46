package templates

import "net/http"

// SetupFaultPage is what a person sees when this server and the company's sign-in are not set up for each other.
type SetupFaultPage struct {
	Skill       string // the skill's name
	Flow, Token string // as in [ConsentPage]
	Reference   string // by which the log line is found
}

type setupFaultData struct {
	SetupFaultPage
	frame
}

// SetupFault writes the page for a mistake in the set-up. It offers the way back to Alexa only: the same would happen
// again.
func (p *Pages) SetupFault(w http.ResponseWriter, page SetupFaultPage) error {
	return p.write(w, http.StatusInternalServerError, formsElsewhere, p.setupFault, setupFaultData{page, p.frame})
}
