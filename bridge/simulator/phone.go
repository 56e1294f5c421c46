// Package simulator plays Alexa and the person who holds the phone: it opens the authorization URI as the Alexa app does,
// follows redirects, fills in forms, and takes the answer at Alexa's redirect URI. It is for tests and for the demo.
package simulator

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/html"

	"alexa-oidc-bridge/bridge/alexa"
)

// Phone is a browser without scripts, with cookies of its own.
type Phone struct {
	Client *http.Client
	// Destinations are URIs besides Alexa's own at which a redirect is taken and not followed, compared without query and
	// fragment.
	Destinations []string
	// Trace, when set, is told every exchange.
	Trace func(Exchange)
}

// Exchange is one request of a [Phone] and what came of it.
type Exchange struct {
	Method   string
	URL      *url.URL
	Form     url.Values
	Status   int
	Location string
}

// Page is where a phone came to rest: a page, or one of Alexa's redirect URIs, which has no body.
type Page struct {
	URL     *url.URL
	Status  int
	Header  http.Header
	Body    string
	Arrived bool // at a redirect URI of Alexa's
}

// NewPhone returns a phone without cookies.
func NewPhone() *Phone {
	jar, err := cookiejar.New(nil)
	if err != nil {
		panic(err) // it never is
	}
	return &Phone{Client: &http.Client{
		Jar:           jar,
		Timeout:       30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Open goes to an address as if it had been typed, and follows redirects.
func (p *Phone) Open(address string) (*Page, error) {
	request, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	return p.Do(request)
}

// Submit sends the page's form with the values given in place of its own. A button counts only when it is among them.
func (p *Phone) Submit(page *Page, values url.Values) (*Page, error) {
	request, err := page.FormRequest(values)
	if err != nil {
		return nil, err
	}
	return p.Do(request)
}

// Do sends a request and follows redirects to where they end.
func (p *Phone) Do(request *http.Request) (*Page, error) {
	for range 20 {
		page, next, err := p.exchange(request)
		if err != nil || next == nil {
			return page, err
		}
		if p.arrived(next) {
			return &Page{URL: next, Status: page.Status, Header: page.Header, Arrived: true}, nil
		}
		if request, err = http.NewRequest(http.MethodGet, next.String(), nil); err != nil {
			return nil, err
		}
	}
	return nil, errors.New("simulator: more than 20 redirects")
}

// exchange sends one request. The second result is where it redirects to, if it does.
func (p *Phone) exchange(request *http.Request) (*Page, *url.URL, error) {
	response, err := p.Client.Do(request)
	if err != nil {
		return nil, nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return nil, nil, err
	}
	if p.Trace != nil {
		p.Trace(Exchange{Method: request.Method, URL: request.URL, Form: request.Form, Status: response.StatusCode,
			Location: response.Header.Get("Location")})
	}
	page := &Page{URL: request.URL, Status: response.StatusCode, Header: response.Header, Body: string(body)}
	if response.StatusCode/100 != 3 {
		return page, nil, nil
	}
	next, err := request.URL.Parse(response.Header.Get("Location"))
	return page, next, err
}

func (p *Phone) arrived(at *url.URL) bool {
	if slices.Contains(alexa.Hosts(), at.Host) {
		return true
	}
	bare := url.URL{Scheme: at.Scheme, Host: at.Host, Path: at.Path}
	return slices.Contains(p.Destinations, bare.String())
}

// FormRequest is the request that a browser would send for the page's form, with the values given in place of its own.
func (page *Page) FormRequest(values url.Values) (*http.Request, error) {
	form, err := page.form()
	if err != nil {
		return nil, err
	}
	action, err := page.URL.Parse(attribute(form, "action"))
	if err != nil {
		return nil, err
	}
	filled := inputs(form)
	for name, value := range values {
		filled[name] = value
	}
	request, err := http.NewRequest(http.MethodPost, action.String(), strings.NewReader(filled.Encode()))
	if err != nil {
		return nil, err
	}
	request.Form = filled // only for the trace
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Origin", page.URL.Scheme+"://"+page.URL.Host)
	request.Header.Set("Sec-Fetch-Site", "same-origin")
	return request, nil
}

func (page *Page) form() (*html.Node, error) {
	document, err := html.Parse(strings.NewReader(page.Body))
	if err != nil {
		return nil, err
	}
	for node := range document.Descendants() {
		if node.Type == html.ElementNode && node.Data == "form" {
			return node, nil
		}
	}
	return nil, fmt.Errorf("simulator: the page at %s%s (status %d) has no form", page.URL.Host, page.URL.Path, page.Status)
}

func inputs(form *html.Node) url.Values {
	values := url.Values{}
	for node := range form.Descendants() {
		if node.Type == html.ElementNode && node.Data == "input" && attribute(node, "name") != "" {
			values.Set(attribute(node, "name"), attribute(node, "value"))
		}
	}
	return values
}

func attribute(node *html.Node, name string) string {
	for _, attribute := range node.Attr {
		if attribute.Key == name {
			return attribute.Val
		}
	}
	return ""
}
