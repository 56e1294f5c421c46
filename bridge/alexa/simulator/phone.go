package simulator

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/html"

	"alexa-oidc-bridge/bridge/alexa"
)

// Phone is a browser without scripts, with its own cookies.
type Phone struct {
	Client *http.Client
	// Destinations are URIs, in addition to Alexa's own, at which a redirect is not followed. They are compared
	// without query and fragment.
	Destinations []string
	// Trace is called after every request unless it is nil.
	Trace func(Exchange)
}

// Exchange is one request of a [Phone] and its response.
type Exchange struct {
	Method   string
	URL      *url.URL
	Form     url.Values
	Status   int
	Location string
}

// Page is where a phone stopped: at a page, or at a redirect URI of Alexa, which is not requested and has no body.
type Page struct {
	URL     *url.URL
	Status  int
	Header  http.Header
	Body    string
	Arrived bool // at a redirect URI of Alexa, or at one of the phone's destinations
}

// NewPhone returns a phone without cookies.
func NewPhone() *Phone {
	jar, _ := cookiejar.New(nil) // never fails
	return &Phone{Client: &http.Client{
		Jar:           jar,
		Timeout:       30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Open requests an address as if it were typed, and follows redirects.
func (p *Phone) Open(address string) (*Page, error) {
	request, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	return p.Do(request)
}

// Submit sends the form of the page, with the given values instead of its own. A button is sent only if it is among
// them.
func (p *Phone) Submit(page *Page, values url.Values) (*Page, error) {
	request, err := page.FormRequest(values)
	if err != nil {
		return nil, err
	}
	return p.Do(request)
}

// Link opens an authorization request, and submits a form on each page that comes: that of the sign-in, which depends
// on the provider, and {"decision": {"link"}} for the consent page of this bridge. It returns the code or the access
// token as [Request.Response] does.
func (p *Phone) Link(request Request, forms ...url.Values) (url.Values, error) {
	page, err := p.Open(request.URL())
	for _, form := range forms {
		if err != nil {
			return nil, err
		}
		page, err = p.Submit(page, form)
	}
	switch {
	case err != nil:
		return nil, err
	case !page.Arrived:
		return nil, fmt.Errorf("simulator: the sign-in ends at a page of %s with status %d, and not at Alexa", page.URL.Host,
			page.Status)
	}
	return request.Response(page.URL)
}

// Do sends a request and follows redirects.
func (p *Phone) Do(request *http.Request) (*Page, error) {
	for range 20 {
		page, next, err := p.exchange(request)
		if err != nil || next == nil {
			return page, err
		}
		if p.stopsAt(next) {
			return &Page{URL: next, Status: page.Status, Header: page.Header, Arrived: true}, nil
		}
		if request, err = http.NewRequest(http.MethodGet, next.String(), nil); err != nil {
			return nil, err
		}
	}
	return nil, errors.New("simulator: more than 20 redirects")
}

// exchange sends one request. The second result is the target of a redirect, or nil.
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
	location := response.Header.Get("Location")
	if p.Trace != nil {
		p.Trace(Exchange{request.Method, request.URL, request.Form, response.StatusCode, location})
	}
	page := &Page{URL: request.URL, Status: response.StatusCode, Header: response.Header, Body: string(body)}
	if response.StatusCode/100 != 3 {
		return page, nil, nil
	}
	next, err := request.URL.Parse(location)
	return page, next, err
}

func (p *Phone) stopsAt(target *url.URL) bool {
	bare := url.URL{Scheme: target.Scheme, Host: target.Host, Path: target.Path}
	return slices.Contains(alexa.Hosts(), target.Host) || slices.Contains(p.Destinations, bare.String())
}

// FormRequest returns the request that a browser would send for the form of the page, with the given values instead
// of its own.
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
	maps.Copy(filled, values)
	request, err := http.NewRequest(http.MethodPost, action.String(), strings.NewReader(filled.Encode()))
	if err != nil {
		return nil, err
	}
	request.Form = filled // for Trace
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
	return nil, fmt.Errorf("simulator: the page at %s%s (status %d) has no form", page.URL.Host, page.URL.Path,
		page.Status)
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
