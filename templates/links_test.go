package templates_test

import (
	"net/http"
	"strings"
	"testing"

	"alexa-oidc-bridge/templates"
)

// linksPage is the page of a person with three links, one of which was just ended.
func linksPage() templates.LinksPage {
	return templates.LinksPage{
		Name: "Ada Lovelace", Email: "ada@contoso.com", Subject: "248289761001", Token: "the-token",
		Links: []templates.LinkRow{
			{ID: "lnk_3", Skill: "Contoso Pizza", Since: "27 November 2026"},
			{ID: "lnk_2", Skill: "Contoso Lights", Since: "3 November 2026", LastUsed: "28 November 2026"},
			{ID: "lnk_1", Skill: "Contoso Pizza", Since: "14 February 2025", LastUsed: "9 October 2026"},
		},
		Switch: "/links?account=other&provider=corp",
		Notice: templates.LinksNotice{Event: templates.NoticeUnlinked, Skill: "Contoso Doors"},
	}
}

func linksSignIn() templates.LinksSignIn {
	return templates.LinksSignIn{Choices: []templates.SignInChoice{
		{Host: "login.contoso.com", Skills: "Contoso Pizza, Contoso Lights", URL: "/links?provider=corp"},
		{Host: "login.microsoftonline.com", Skills: "Contoso Doors", URL: "/links?provider=entra"},
	}}
}

// The page of a person's links says what there is, and what was done.
func TestLinksPages(t *testing.T) {
	p := newPages(t, contoso())
	links := func(page templates.LinksPage) func(http.ResponseWriter) error {
		return func(w http.ResponseWriter) error { return p.Links(w, page) }
	}
	noticed := func(event templates.LinksEvent) func(http.ResponseWriter) error {
		page := linksPage()
		page.Notice.Event = event
		return links(page)
	}
	one := linksPage()
	one.Links, one.Notice = one.Links[:1], templates.LinksNotice{}
	many := linksPage()
	many.More = 40
	signIn := func(status, choices int, event templates.LinksEvent) func(http.ResponseWriter) error {
		page := linksSignIn()
		page.Choices, page.Notice.Event = page.Choices[:choices], event
		return func(w http.ResponseWriter) error { return p.LinksSignIn(w, status, page) }
	}
	for name, test := range map[string]pageTest{
		"three links": {noticed(""), 200, []string{"Ada Lovelace ada@contoso.com Skills that know you",
			"Contoso Pizza Linked 27 November 2026 Never used yet Unlink",
			"Contoso Lights Linked 3 November 2026 Last used 28 November 2026 Unlink", `name="link_id" value="lnk_2"`,
			`name="decision" value="all">Unlink all 3<`, `value="sign_out">Sign out<`, `name="token" value="the-token"`,
			`href="/links?account=other&amp;provider=corp">Use another account<`, "run by Contoso IT"},
			[]string{`role="status"`, "See or end your links", "248289761001"}},
		"one link": {links(one), 200, []string{"Unlink"}, []string{"Unlink all"}},
		"many":     {links(many), 200, []string{"And 40 more.", "Unlink all 43"}, nil},
		"none":     {pageWriters(p)["links-none"], 200, []string{"No skill is linked", "Enable to use"}, []string{"Unlink"}},
		"unlinked": {noticed(templates.NoticeUnlinked), 200, []string{"Contoso Doors is unlinked."}, []string{"Nothing was"}},
		"all":      {noticed(templates.NoticeUnlinkedAll), 200, []string{"All your links have ended."}, []string{"Doors"}},
		"no link":  {noticed(templates.NoticeNoLink), 200, []string{"Nothing was changed."}, []string{"Doors"}},
		"one place": {signIn(200, 1, ""), 200, []string{">Sign in<", "at login.contoso.com"},
			[]string{"Where", `role="status"`}},
		"two places": {signIn(200, 2, ""), 200, []string{"Where do you sign in?",
			"login.contoso.com for Contoso Pizza, Contoso Lights"}, []string{">Sign in<", "<form"}},
		"signed out": {signIn(200, 1, templates.NoticeSignedOut), 200, []string{"You are signed out of this page."}, nil},
		"expired":    {signIn(403, 1, templates.NoticeExpired), 403, []string{"Nothing was changed.", "10 minutes"}, nil},
	} {
		t.Run(name, func(t *testing.T) { wantPage(t, test) })
	}
}

// Every page for people says once where to end a link, but those that are about that.
func TestWhereToEndALink(t *testing.T) {
	p := newPages(t, contoso())
	for name, write := range pageWriters(p) {
		want := 1
		if strings.HasPrefix(name, "links") {
			want = 0
		}
		if _, page := render(t, write); strings.Count(page, `href="/links"`) != want {
			t.Errorf("%s: not %d times:\n%s", name, want, page)
		}
	}
	again := errorPage()
	again.Retry = templates.RetryLinks
	_, page := render(t, func(w http.ResponseWriter) error { return p.Error(w, http.StatusForbidden, again) })
	if strings.Count(page, `href="/links"`) != 1 || !strings.Contains(page, "Go to your links") {
		t.Errorf("an error on the way there: %s", page)
	}
}
