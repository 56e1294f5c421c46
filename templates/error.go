package templates

import "net/http"

// Retry says how a person can try again after an error.
type Retry string

// Retries.
const (
	RetryNone    Retry = ""
	RetryReload  Retry = "reload"  // by loading the same URL again
	RetryRestart Retry = "restart" // by starting the sign-in again with the flow in the browser's cookie
	RetryLinks   Retry = "links"   // by going to the page of the person's links
)

// ErrorData is what an error page shows.
type ErrorData struct {
	Page        ErrorPage
	Host        string // of the redirect URI that was asked for; empty: not shown
	Retry       Retry
	Flow, Token string // for RetryRestart, as in [ConsentPage]
	Reference   string // by which the log line is found
}

type errorData struct {
	ErrorData
	frame
	Title, Sentence, Hint, RetryLabel string
}

// Cure returns Hint under its former name, which pages that operators copied may still use.
func (d errorData) Cure() string { return d.Hint }

func (p *Pages) errorData(data ErrorData) errorData {
	text := p.texts[data.Page]
	label := "Try again"
	switch data.Page {
	case PageEmbeddedBrowser:
		label = "Continue here anyway"
	case PageSignInOutdated:
		label = "Start again"
	}
	return errorData{data, p.frame, text.title, text.sentence, text.hint, label}
}

// Error writes an error page.
func (p *Pages) Error(w http.ResponseWriter, status int, data ErrorData) error {
	forms := noForms
	if data.Retry == RetryRestart {
		forms = formsElsewhere
	}
	return p.write(w, status, forms, p.errors, p.errorData(data))
}
