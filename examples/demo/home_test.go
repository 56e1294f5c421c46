package main

import (
	"net/http"
	"strings"
	"testing"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/alexa/simulator"
)

// The page has the code grant first, offers the operator's button while there is a link, and folds older steps.
func TestHome(t *testing.T) {
	const (
		button  = `action="/revoke"`
		chosen  = `value="authorization_code" checked`
		folds   = `earlier steps</label>`
		preview = "This is what to expect"
	)
	v := newVisit(t)
	v.grant = bridge.GrantAuthorizationCode
	press := func(path string) func() *simulator.Page {
		return func() *simulator.Page { return v.press(path, nil) }
	}
	link := func() *simulator.Page { return v.link("ada") }
	for _, at := range []struct {
		name    string
		open    func() *simulator.Page
		want    []string
		without []string
	}{
		{"start", press("/disable"), []string{chosen, "There is none now."}, []string{button}},
		{"linked", link, []string{button, folds, `class="older"`}, []string{preview}},
		{"revoked", press("/revoke"), []string{"There is none now."}, []string{button}},
		{"linked again", link, []string{button}, nil},
		{"disabled", press("/disable"), []string{"There is none now.", chosen}, []string{button}},
	} {
		page := at.open()
		v.want(page, http.StatusOK, at.want...)
		for _, text := range at.without {
			if strings.Contains(page.Body, text) {
				t.Errorf("%s: the page has %q", at.name, text)
			}
		}
		code := strings.Index(page.Body, `value="authorization_code"`)
		if code > strings.Index(page.Body, `value="implicit"`) {
			t.Errorf("%s: the implicit grant is first", at.name)
		}
	}
}
