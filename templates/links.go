package templates

import "net/http"

// LinksPage is what a person sees of their links.
type LinksPage struct {
	Name    string // the person's, may be empty
	Email   string // may be empty
	Subject string // shown when there is no e-mail: a name alone is what the person calls themselves
	Links   []LinkRow
	More    int    // how many links are not among Links
	Token   string // proves that the form comes from this page
	Switch  string // the URL for another account
	Notice  LinksNotice
}

// LinkRow is one link.
type LinkRow struct {
	ID, Skill       string
	Since, LastUsed string // days; LastUsed is empty if the link was never used
}

// Count returns how many links the person has.
func (p LinksPage) Count() int { return len(p.Links) + p.More }

// LinksNotice says what was done with the form before. The zero value: nothing.
type LinksNotice struct {
	Event LinksEvent
	Skill string // for NoticeUnlinked
}

// LinksEvent is what was done with the form of [LinksPage].
type LinksEvent string

// Events.
const (
	NoticeUnlinked    LinksEvent = "unlinked"
	NoticeUnlinkedAll LinksEvent = "unlinked_all"
	NoticeNoLink      LinksEvent = "no_link"    // there was no such link, or not any more
	NoticeSignedOut   LinksEvent = "signed_out" // because the person wanted it
	NoticeExpired     LinksEvent = "expired"    // so that nothing was done
)

// LinksSignIn is the page on which a person begins to sign in to see their links.
type LinksSignIn struct {
	Choices []SignInChoice
	Notice  LinksNotice
}

// SignInChoice is one provider at which a person can sign in.
type SignInChoice struct {
	Host   string // of the provider
	Skills string // of which people sign in there, joined; may be empty
	URL    string
}

type linksData struct {
	LinksPage
	frame
	PersonInitial string
}

type linksSignInData struct {
	LinksSignIn
	frame
}

func (p *Pages) linksData(page LinksPage) linksData {
	return linksData{page, p.frame, initial(page.Name + page.Email + page.Subject)}
}

// Links writes the page of a person's links.
func (p *Pages) Links(w http.ResponseWriter, page LinksPage) error {
	return p.write(w, http.StatusOK, formsHere, p.links, p.linksData(page))
}

// LinksSignIn writes the page on which a person begins to sign in to see their links.
func (p *Pages) LinksSignIn(w http.ResponseWriter, status int, page LinksSignIn) error {
	return p.write(w, status, noForms, p.linksSignIn, linksSignInData{page, p.frame})
}
