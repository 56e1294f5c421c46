//go:build strict

package server_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"alexa-oidc-bridge/bridge/alexa/simulator"
	"alexa-oidc-bridge/internal/testbridge"
)

// linksAttacks try to end a link of Ada's that is not the attacker's to end, or to see it.
func linksAttacks() []attack {
	return append(linksForgeries(), linksIntrusions()...)
}

// linksForgeries change a form of Ada's own browser, which would end one of her links.
func linksForgeries() []attack {
	forged := forgery("/links/unlink", func(v *target) (*simulator.Phone, url.Values) {
		return v.linksForm(testbridge.Ada().Login)
	})
	set, header := forged.set, forged.header
	return []attack{
		{"links", "no cookie", forged(func(_ *target, r *http.Request, _ url.Values) { r.Header.Del("Cookie") })},
		{"links", "no token", set("token", "")},
		{"links", "wrong token", set("token", strings.Repeat("A", 26))},
		{"links", "the token of another session", forged(func(v *target, _ *http.Request, form url.Values) {
			_, other := v.linksForm(testbridge.Ada().Login)
			form.Set("token", other.Get("token"))
		})},
		{"links", "two tokens", forged(func(_ *target, _ *http.Request, form url.Values) { form.Add("token", "x") })},
		{"links", "two links", forged(func(v *target, _ *http.Request, form url.Values) {
			form.Add("link_id", v.Links()[0].ID)
		})},
		{"links", "a link and all", set("decision", "all")},
		{"links", "another site", header("Sec-Fetch-Site", "cross-site")},
		{"links", "a sibling site", header("Sec-Fetch-Site", "same-site")},
		{"links", "another origin", header("Origin", "https://evil.example")},
		{"links", "JSON", header("Content-Type", "application/json")},
		{"links", "multipart", header("Content-Type", "multipart/form-data; boundary=x")},
		{"links", "in the URL", forged(func(_ *target, r *http.Request, form url.Values) {
			r.URL.RawQuery = form.Encode()
			clear(form)
		})},
		{"links", "eleven minutes later", forged(func(v *target, _ *http.Request, _ url.Values) {
			v.Clock.Advance(11 * time.Minute)
		})},
	}
}

// linksIntrusions come from somebody else who is signed in, or from nobody.
func linksIntrusions() []attack {
	asHedy := func(change func(v *target, form url.Values)) func(*target) string {
		return func(v *target) string {
			phone, form := v.linksForm(testbridge.Hedy().Login)
			change(v, form)
			response, _ := v.Do(withCookies(phone, v.NewRequest("POST", "/links/unlink", form)))
			page := v.Open(phone, v.Origin+response.Header.Get("Location"))
			if strings.Contains(page.Body, "unlinked") || strings.Contains(page.Body, testbridge.Ada().Email) {
				return page.Body
			}
			return "" // the end of the test finds a link that has ended
		}
	}
	cookie := func(name string) func(*target) string {
		return func(v *target) string {
			phone := simulator.NewPhone()
			v.CallbackURL(phone, v.Request())
			request := v.NewRequest("GET", "/links", nil)
			request.AddCookie(&http.Cookie{Name: name, Value: phone.Client.Jar.Cookies(mustParse(v.Origin))[0].Value})
			if response, body := v.Do(request); strings.Contains(body, "Ada") || response.StatusCode != http.StatusOK {
				return fmt.Sprintf("status %d: %s", response.StatusCode, body)
			}
			return ""
		}
	}
	return []attack{
		{"links", "another person's link", asHedy(func(v *target, form url.Values) { form.Set("link_id", v.Links()[0].ID) })},
		{"links", "all, of somebody without any", asHedy(func(_ *target, form url.Values) {
			form.Del("link_id")
			form.Set("decision", "all")
		})},
		{"links", "a pattern as link", asHedy(func(_ *target, form url.Values) { form.Set("link_id", "lnk_%") })},
		{"links", "SQL as link", asHedy(func(_ *target, form url.Values) { form.Set("link_id", "x') OR 1=1 --") })},
		{"links", "the cookie of a sign-in", cookie("links")},
		{"links", "the same, secure", cookie("__Host-links")},
		{"links", "HEAD", func(v *target) string { return v.refused(v.NewRequest("HEAD", "/links?provider=corp", nil)) }},
		{"links", "POST to the page", func(v *target) string {
			return v.refused(v.NewRequest("POST", "/links", form("link_id", v.Links()[0].ID)))
		}},
		{"links", "prefetch", func(v *target) string {
			request := v.NewRequest("GET", "/links?provider=corp", nil)
			request.Header.Set("Sec-Purpose", "prefetch")
			return v.refused(request)
		}},
		{"links", "within another page", func(v *target) string {
			request := v.NewRequest("GET", "/links?provider=corp", nil)
			request.Header.Set("Sec-Fetch-Dest", "iframe")
			return v.refused(request)
		}},
		{"links", "a provider that is none", func(v *target) string {
			return v.refused(v.NewRequest("GET", "/links?provider=https://evil.example", nil))
		}},
	}
}

// linksForm signs a person in on a new phone to see their links, and returns a form that ends the first link of Ada's.
func (v *target) linksForm(login string) (*simulator.Phone, url.Values) {
	v.Helper()
	person := testbridge.Ada()
	if login != person.Login {
		person = testbridge.Hedy()
	}
	phone := simulator.NewPhone()
	request, err := v.LinksSignedIn(phone, person).FormRequest(url.Values{"link_id": {v.Links()[0].ID}})
	if err != nil {
		v.Fatal(err)
	}
	return phone, request.Form
}
