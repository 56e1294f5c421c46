package upstreamtest

import (
	_ "embed"
	"html/template"
	"net/http"
	"net/url"
	"slices"

	"github.com/zitadel/oidc/v3/pkg/op"
)

const loginPath = "/login/username" // the login URL of the clients of zitadel/oidc's storage

//go:embed login.html
var loginText string

var loginPage = template.Must(template.New("login").Parse(loginText))

func (p *Provider) showLogin(w http.ResponseWriter, requestID, problem string) {
	p.mu.Lock()
	people := slices.Clone(p.people)
	p.mu.Unlock()
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	loginPage.Execute(w, struct {
		Name, RequestID, Problem string
		People                   []Person
	}{p.name, requestID, problem, people})
}

func (p *Provider) login(w http.ResponseWriter, r *http.Request) {
	requestID := r.PostFormValue("id")
	if r.PostFormValue("action") == "cancel" {
		p.cancel(w, r, requestID)
		return
	}
	person, _ := p.find(func(person Person) bool { return person.Login == r.PostFormValue("login") })
	if person.Disabled {
		p.showLogin(w, requestID, "This account is disabled.")
		return
	}
	if p.storage.CheckUsernamePassword(r.PostFormValue("login"), r.PostFormValue("password"), requestID) != nil {
		p.showLogin(w, requestID, "Wrong user name or password.")
		return
	}
	ctx := op.ContextWithIssuer(r.Context(), p.issuer)
	http.Redirect(w, r, op.AuthCallbackURL(p.op)(ctx, requestID), http.StatusFound)
}

// cancel redirects to the relying party with an error (OIDC Core §3.1.2.6).
func (p *Provider) cancel(w http.ResponseWriter, r *http.Request, requestID string) {
	request, err := p.storage.AuthRequestByID(r.Context(), requestID)
	if err != nil {
		http.Error(w, "no such authorization request", http.StatusBadRequest)
		return
	}
	query := url.Values{"error": {"access_denied"}, "error_description": {"the person cancelled"},
		"state": {request.GetState()}}
	http.Redirect(w, r, request.GetRedirectURI()+"?"+query.Encode(), http.StatusFound)
}
