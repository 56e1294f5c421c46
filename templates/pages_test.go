package templates_test

import (
	"html"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"alexa-oidc-bridge/templates"
)

// contoso is an operator with a name and a URL.
func contoso() templates.Operator {
	return templates.Operator{Name: "Contoso IT", URL: "https://help.contoso.com/alexa"}
}

// consentPage is a consent page for five claims, three of which have a value that the page shows with the person.
func consentPage() templates.ConsentPage {
	return templates.ConsentPage{
		Skill: "Contoso Pizza", Name: "Ada Lovelace", Email: "ada@contoso.com", Subject: "248289761001",
		Learns: []templates.Learn{
			{What: "E-mail address", Value: "ada@contoso.com"}, {What: "Name", Value: "Ada Lovelace"},
			{What: "Groups", Value: "alexa-users, engineering"}, {What: "employee_number", Value: "1815"},
			{What: "User name", Value: "ada@contoso.com"},
		},
		Scopes: "orders", Flow: "the-flow", Token: "the-token",
	}
}

func refusedPage() templates.RefusedPage {
	return templates.RefusedPage{Skill: "Contoso Pizza", Name: "Ada Lovelace", Email: "ada@example.com", Subject: "17",
		Flow: "the-flow", Token: "the-token", Account: true, Reference: "K7QF-2M9D"}
}

func setupFaultPage() templates.SetupFaultPage {
	return templates.SetupFaultPage{Skill: "Contoso Pizza", Flow: "the-flow", Token: "the-token", Reference: "K7QF-2M9D"}
}

func errorPage() templates.ErrorData {
	return templates.ErrorData{Page: templates.PageSignInOutdated, Retry: templates.RetryRestart,
		Flow: "the-flow", Token: "the-token", Reference: "K7QF-2M9D"}
}

// pageWriters returns one page of each kind.
func pageWriters(p *templates.Pages) map[string]func(http.ResponseWriter) error {
	return map[string]func(http.ResponseWriter) error{
		"consent":     func(w http.ResponseWriter) error { return p.Consent(w, consentPage()) },
		"refused":     func(w http.ResponseWriter) error { return p.Refused(w, refusedPage()) },
		"setup-fault": func(w http.ResponseWriter) error { return p.SetupFault(w, setupFaultPage()) },
		"error":       func(w http.ResponseWriter) error { return p.Error(w, http.StatusBadRequest, errorPage()) },
		"home": func(w http.ResponseWriter) error {
			return p.Home(w, []string{"Contoso Pizza", "Contoso Lights"})
		},
		"links": func(w http.ResponseWriter) error { return p.Links(w, linksPage()) },
		"links-none": func(w http.ResponseWriter) error {
			return p.Links(w, templates.LinksPage{Email: "ada@contoso.com", Token: "the-token", Switch: "/links?account=other"})
		},
		"links-sign-in": func(w http.ResponseWriter) error { return p.LinksSignIn(w, http.StatusOK, linksSignIn()) },
	}
}

// render returns the status and the HTML of a page.
func render(t *testing.T, write func(http.ResponseWriter) error) (int, string) {
	t.Helper()
	recorder := httptest.NewRecorder()
	if err := write(recorder); err != nil {
		t.Fatal(err)
	}
	return recorder.Code, recorder.Body.String()
}

// visibleText returns what a person reads in the body of a page.
func visibleText(page string) string {
	_, body, _ := strings.Cut(page, "<body>")
	text := regexp.MustCompile(`<[^>]*>`).ReplaceAllString(body, " ")
	return strings.Join(strings.Fields(html.UnescapeString(text)), " ")
}

func newPages(t *testing.T, operator templates.Operator) *templates.Pages {
	t.Helper()
	p, err := templates.New(nil, operator)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// pageTest is a page with the status and the texts that it has, in its HTML or as a person reads it, and has not.
type pageTest struct {
	write   func(http.ResponseWriter) error
	status  int
	want    []string
	without []string
}

func wantPage(t *testing.T, test pageTest) {
	t.Helper()
	status, page := render(t, test.write)
	if status != test.status {
		t.Errorf("status %d, want %d", status, test.status)
	}
	for _, want := range test.want {
		if !strings.Contains(page, want) && !strings.Contains(visibleText(page), want) {
			t.Errorf("the page lacks %q:\n%s", want, visibleText(page))
		}
	}
	for _, unwanted := range test.without {
		if strings.Contains(page, unwanted) {
			t.Errorf("the page has %q:\n%s", unwanted, visibleText(page))
		}
	}
}

// Each page has its status, says what happened, and offers what the person can do.
func TestPages(t *testing.T) {
	p := newPages(t, templates.Operator{})
	reloaded := refusedPage()
	reloaded.Account = false
	for name, test := range map[string]pageTest{
		"consent": {pageWriters(p)["consent"], 200, []string{"Link Contoso Pizza to Alexa?",
			"An ID by which it recognizes you", "The permission orders", `value="link">Link<`,
			`value="cancel">Cancel<`, `value="switch">Use another account<`},
			[]string{"nothing else", "May use", "server is run by"}},
		"refused": {pageWriters(p)["refused"], 403, []string{"You are signed in as Ada Lovelace (ada@example.com). " +
			"This account may not link Contoso Pizza.", `value="switch">Use another account<`, `value="cancel">Cancel<`,
			`name="flow" value="the-flow"`, `name="token" value="the-token"`, "K7QF-2M9D"}, []string{`value="link"`, " 17"}},
		"refused, reloaded": {func(w http.ResponseWriter) error { return p.Refused(w, reloaded) }, 403,
			[]string{"may not link Contoso Pizza", `value="switch">`, `value="cancel">`}, []string{"Ada", "ada@"}},
		"set-up fault": {pageWriters(p)["setup-fault"], 500, []string{"not set up for each other", "K7QF-2M9D",
			"Only whoever runs this server can", `value="cancel">Back to Alexa<`, `value="the-token"`},
			[]string{`value="switch"`, `value="link"`, "ry again"}},
		"error": {pageWriters(p)["error"], 400, []string{"took too long, or it was finished before",
			`value="switch">Start again<`, "K7QF-2M9D"}, nil},
		"home": {pageWriters(p)["home"], 200, []string{"Contoso Pizza Contoso Lights", "This server links Alexa skills"},
			[]string{"It is run by", "<form"}},
	} {
		t.Run(name, func(t *testing.T) { wantPage(t, test) })
	}
}

// The consent page shows each value once, whichever claims are kept.
func TestConsentShowsValuesOnce(t *testing.T) {
	p := newPages(t, contoso())
	nameOnly, subjectOnly, twins := consentPage(), consentPage(), consentPage()
	nameOnly.Email = ""
	nameOnly.Learns = nameOnly.Learns[1:4]
	subjectOnly.Name, subjectOnly.Email = "", ""
	subjectOnly.Learns = []templates.Learn{{What: "oid", Value: "248289761001"}}
	twins.Learns = append(twins.Learns, templates.Learn{What: "UPN", Value: "1815"})
	for name, test := range map[string]struct {
		page   templates.ConsentPage
		values []string
		rows   string
	}{
		"five claims": {consentPage(), []string{"Ada Lovelace", "ada@contoso.com", "alexa-users", "1815"},
			"E-mail address, name and user name shown above Groups"},
		"no e-mail":    {nameOnly, []string{"Ada Lovelace", "alexa-users", "1815"}, "Name shown above Groups"},
		"subject only": {subjectOnly, []string{"248289761001"}, "oid shown above The permission orders"},
		"two claims with one value": {twins, []string{"1815"},
			"employee_number and UPN 1815"},
	} {
		t.Run(name, func(t *testing.T) {
			_, page := render(t, func(w http.ResponseWriter) error { return p.Consent(w, test.page) })
			text := visibleText(page)
			for _, value := range test.values {
				if got := strings.Count(text, value); got != 1 {
					t.Errorf("%q is shown %d times, want once:\n%s", value, got, text)
				}
			}
			if !strings.Contains(text, test.rows) {
				t.Errorf("the page lacks %q:\n%s", test.rows, text)
			}
		})
	}
}

func TestConsentWithoutClaims(t *testing.T) {
	p := newPages(t, templates.Operator{})
	for scopes, want := range map[string]string{
		"":               "An ID by which it recognizes you, and nothing else",
		"orders, offers": "An ID by which it recognizes you The permissions orders, offers",
	} {
		page := consentPage()
		page.Learns, page.Scopes = nil, scopes
		_, got := render(t, func(w http.ResponseWriter) error { return p.Consent(w, page) })
		if !strings.Contains(visibleText(got), want) {
			t.Errorf("scopes %q: the page lacks %q:\n%s", scopes, want, visibleText(got))
		}
	}
}

// Every page says once who runs the server.
func TestOperator(t *testing.T) {
	const help = `href="https://help.contoso.com/alexa"`
	for name, test := range map[string]struct {
		operator templates.Operator
		want     string
		links    int
	}{
		"name and URL": {contoso(), "run by Contoso IT", 1},
		"name":         {templates.Operator{Name: "Contoso IT"}, "run by Contoso IT", 0},
		"URL":          {templates.Operator{URL: contoso().URL}, "run by https://help.contoso.com/alexa", 1},
		"neither":      {templates.Operator{}, "", 0},
	} {
		for page, write := range pageWriters(newPages(t, test.operator)) {
			_, body := render(t, write)
			text := visibleText(body)
			if !strings.Contains(text, test.want) || test.want == "" && strings.Contains(text, "run by") {
				t.Errorf("%s, %s: want %q in\n%s", page, name, test.want, text)
			}
			if got := strings.Count(body, help); got != test.links {
				t.Errorf("%s, %s: %d links to the operator, want %d", page, name, got, test.links)
			}
		}
	}
}

func TestOperatorURLIsNoScript(t *testing.T) {
	for page, write := range pageWriters(newPages(t, templates.Operator{Name: "X", URL: "javascript:alert(1)"})) {
		if _, body := render(t, write); strings.Contains(body, "javascript:") {
			t.Errorf("%s: the URL is on the page as it came", page)
		}
	}
}

// Without a cookie for the outcome, a page has no button that could do nothing.
func TestPagesWithoutFlow(t *testing.T) {
	p, err := templates.New(nil, contoso())
	if err != nil {
		t.Fatal(err)
	}
	for name, write := range map[string]func(http.ResponseWriter) error{
		"refused": func(w http.ResponseWriter) error { return p.Refused(w, templates.RefusedPage{Skill: "Contoso Pizza"}) },
		"setup-fault": func(w http.ResponseWriter) error {
			return p.SetupFault(w, templates.SetupFaultPage{Skill: "Contoso Pizza"})
		},
	} {
		if _, body := render(t, write); strings.Contains(body, "<form") || !strings.Contains(body, "Alexa app") {
			t.Errorf("%s: %s", name, body)
		}
	}
}

// A name alone is what the person calls themselves, so something else stands beside it.
func TestPagesShowMoreThanAName(t *testing.T) {
	p, err := templates.New(nil, contoso())
	if err != nil {
		t.Fatal(err)
	}
	for name, write := range map[string]func(http.ResponseWriter) error{
		"consent": func(w http.ResponseWriter) error {
			return p.Consent(w, templates.ConsentPage{Skill: "Contoso Pizza", Name: "Press Link", Subject: "248289761001"})
		},
		"refused": func(w http.ResponseWriter) error {
			return p.Refused(w, templates.RefusedPage{Skill: "Contoso Pizza", Account: true, Name: "Press Link",
				Subject: "248289761001"})
		},
	} {
		if _, body := render(t, write); !strings.Contains(body, "248289761001") {
			t.Errorf("%s: %s", name, body)
		}
	}
}

// Folders made for the version before this one still work, and do not take the buttons from the new pages.
func TestPagesOfEarlierVersion(t *testing.T) {
	const (
		oldConsent = `{{define "title"}}Link{{end}}{{define "main"}}{{.SkillInitial}} {{.PersonInitial}} {{.ShortName}}
{{.Name}} {{.Email}} {{.Subject}} {{range .Learns}}{{.What}} {{.Value}}{{end}}
{{.Scopes}} {{.Flow}} {{.Token}}{{end}}`
		oldError = `{{define "title"}}{{.Title}}{{end}}{{define "main"}}{{.Sentence}} {{.Cure}} {{.Hint}} {{.Host}}
{{.Retry}} {{.RetryLabel}} {{.Flow}} {{.Token}} {{.Reference}} {{.Page}}{{end}}`
		oldHome = `{{define "title"}}Ours{{end}}{{define "main"}}Ours{{end}}`
		oldBase = `<title>{{block "title" .}}{{end}}</title><style>{{.Style}}</style><body>{{block "main" .}}{{end}}`
	)
	rename := strings.NewReplacer(`"main"`, `"content"`, `"title"`, `"name"`)
	for name, folder := range map[string]fstest.MapFS{
		"consent and error": {"consent.html": {Data: []byte(oldConsent)}, "error.html": {Data: []byte(oldError)}},
		"base":              {"base.html": {Data: []byte(oldBase)}},
		"all with other block names": {"base.html": {Data: []byte(rename.Replace(oldBase))},
			"consent.html": {Data: []byte(rename.Replace(oldConsent))},
			"error.html":   {Data: []byte(rename.Replace(oldError))},
			"home.html":    {Data: []byte(rename.Replace(oldHome))}},
		"all with templates of their own": {"base.html": {Data: []byte(`<body>{{template "whole" .}}`)},
			"consent.html": {Data: []byte(`{{define "whole"}}{{.Skill}} the-token{{end}}`)},
			"error.html":   {Data: []byte(`{{define "whole"}}{{.Title}} the-token{{end}}`)},
			"home.html":    {Data: []byte(`{{define "whole"}}Ours{{end}}`)}},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := templates.New(folder, contoso())
			if err != nil {
				t.Fatal(err)
			}
			for page, write := range pageWriters(p) {
				want := map[string]string{"home": "", "links-sign-in": "login.contoso.com"}
				shown, ok := want[page]
				if !ok {
					shown = "the-token"
				}
				if _, body := render(t, write); !strings.Contains(body, shown) {
					t.Errorf("%s: the page has no form:\n%s", page, body)
				}
			}
		})
	}
}

// A page in the folder that cannot be rendered is an error when the server starts.
func TestMistakesInPages(t *testing.T) {
	for name, text := range map[string]string{
		"base.html": `{{.NoSuchField}}`, "consent.html": `{{define "main"}}{{.NoSuchField}}{{end}}`,
		"refused.html":     `{{define "main"}}{{.NoSuchField}}{{end}}`,
		"setup_fault.html": `{{define "main"}}{{.Account}}{{end}}`,
		"links.html":       `{{define "main"}}{{.Flow}}{{end}}`, "links_sign_in.html": `{{define "main"}}{{.Token}}{{end}}`,
		"error.html": `{{define "main"}}{{.NoSuchField}}{{end}}`, "home.html": `{{define "main"}}{{.Token}}{{end}}`,
	} {
		for _, text := range []string{text, "{{"} {
			if _, err := templates.New(fstest.MapFS{name: {Data: []byte(text)}}, templates.Operator{}); err == nil {
				t.Errorf("%s with %s is accepted", name, text)
			}
		}
	}
}

// Whatever way to try again a page offers, it says where to begin.
func TestErrorTexts(t *testing.T) {
	p := newPages(t, templates.Operator{})
	for _, page := range []templates.ErrorPage{templates.PageSignInOutdated, templates.PageFormReload} {
		_, body := render(t, func(w http.ResponseWriter) error {
			return p.Error(w, http.StatusBadRequest, templates.ErrorData{Page: page, Reference: "R"})
		})
		if text := visibleText(body); !strings.Contains(text, "Alexa app") {
			t.Errorf("%s does not say where to begin:\n%s", page, text)
		}
	}
}
