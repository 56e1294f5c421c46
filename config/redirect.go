package config

import (
	"net/url"
	"regexp"
	"slices"
	"strings"

	"alexa-oidc-bridge/bridge/alexa"
)

// maxRedirectURI keeps the authorization request small enough for a cookie.
const maxRedirectURI = 255

var redirectURIPattern = regexp.MustCompile(`^[!-~]+$`)

func (b *builder) redirectURIs(key func(string) string, form skillForm) []string {
	var uris []string
	add := func(path string, more ...string) {
		for _, uri := range more {
			b.reject(slices.Contains(uris, uri), path, "listed twice", "remove one of the two")
			uris = append(uris, uri)
		}
	}
	for i, id := range form.VendorIDs {
		path := element(key("vendor_ids"), i)
		if err := alexa.CheckVendorID(id); err != nil {
			b.problem(path, err.Error(), `copy the last part of an "Alexa Redirect URL" in the developer console`)
			continue
		}
		add(path, alexa.RedirectURIs(id)...)
	}
	for i, uri := range form.RedirectURIs {
		path := element(key("redirect_uris"), i)
		b.redirectURI(path, uri)
		add(path, uri)
	}
	none := len(form.VendorIDs)+len(form.RedirectURIs) == 0 && !b.isFaulty(key("redirect_uris"))
	b.reject(none, key("vendor_ids"), "missing",
		`set the last part of an "Alexa Redirect URL" in the developer console; it is the same for all regions`)
	return uris
}

func (b *builder) redirectURI(path, uri string) {
	parsed, err := url.Parse(uri)
	switch {
	case err != nil || !redirectURIPattern.MatchString(uri) || parsed.Host == "" || parsed.User != nil:
		b.problem(path, "not an absolute URI", "set it exactly as authorization requests contain it")
	case strings.Contains(uri, "#"):
		b.problem(path, "has a fragment", "remove the fragment (RFC 6749, section 3.1.2)")
	case !IsSecure(parsed):
		b.problem(path, "not https", "set an https URI; http is accepted for a loopback host only")
	case len(uri) > maxRedirectURI:
		b.problem(path, "longer than 255 bytes", "use a shorter URI")
	}
}

// warnLoopback warns about redirect URIs on the person's machine in a configuration that is not for one.
func (b *builder) warnLoopback(skills []skillForm, publicURL string) {
	for i, skill := range skills {
		for j, uri := range skill.RedirectURIs {
			if strings.HasPrefix(publicURL, "https:") && strings.HasPrefix(uri, "http:") {
				b.warn(element(element("skills", i)+".redirect_uris", j), "for tests only: other programs on the person's machine "+
					"can receive the code or the token; remove it when the test is over")
			}
		}
	}
}

// warnRegions warns about redirect URIs of Alexa that are not those of all regions.
func (b *builder) warnRegions(path string, uris []string) {
	var missing []string
	for _, host := range alexa.Hosts() {
		has := func(uri string) bool { return strings.HasPrefix(uri, "https://"+host+"/") }
		if !slices.ContainsFunc(uris, has) {
			missing = append(missing, host)
		}
	}
	if len(missing) > 0 && len(missing) < len(alexa.Hosts()) {
		b.warn(path, "Alexa's redirect URIs of some regions only: people elsewhere cannot link; set vendor_ids, "+
			"which stands for those of all regions, or add those of "+strings.Join(missing, " and "))
	}
}
