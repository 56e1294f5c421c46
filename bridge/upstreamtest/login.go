package upstreamtest

import (
	_ "embed"
	"html/template"
	"net/http"
	"net/url"

	"github.com/zitadel/oidc/v3/pkg/op"
)

const loginPath = "/login/username" // where zitadel/oidc's clients send people

//go:embed login.html
var loginText string

var loginPage = template.Must(template.New("login").Parse(loginText))

func (p *Provider) showLogin(w http.ResponseWriter, requestID, fault string) {
	p.mu.Lock()
	people := append([]Person(nil), p.people...)
	p.mu.Unlock()
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	loginPage.Execute(w, struct {
		Name, RequestID, Fault string
		People                 []Person
	}{p.name, requestID, fault, people})
}

func (p *Provider) takeLogin(w http.ResponseWriter, r *http.Request) {
	requestID := r.PostFormValue("id")
	if r.PostFormValue("action") == "cancel" {
		p.cancel(w, r, requestID)
		return
	}
	login := r.PostFormValue("login")
	if p.storage.CheckUsernamePassword(login, r.PostFormValue("password"), requestID) != nil {
		p.showLogin(w, requestID, "That is not a user name with its password.")
		return
	}
	http.Redirect(w, r, op.AuthCallbackURL(p.op)(op.ContextWithIssuer(r.Context(), p.issuer), requestID), http.StatusFound)
}

// cancel sends the person back without a code (OIDC Core §3.1.2.6).
func (p *Provider) cancel(w http.ResponseWriter, r *http.Request, requestID string) {
	request, err := p.storage.AuthRequestByID(r.Context(), requestID)
	if err != nil {
		http.Error(w, "there is no such sign-in", http.StatusBadRequest)
		return
	}
	answer := url.Values{"error": {"access_denied"}, "error_description": {"the person cancelled"}, "state": {request.GetState()}}
	http.Redirect(w, r, request.GetRedirectURI()+"?"+answer.Encode(), http.StatusFound)
}
