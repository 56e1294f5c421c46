package alexa

import (
	"net/url"
	"slices"
	"strings"
)

// VendorID returns the vendor id of one of Alexa's redirect URIs, or "" for another URI.
func VendorID(redirectURI string) string {
	parsed, err := url.Parse(redirectURI)
	if err != nil || !slices.Contains(Hosts(), parsed.Host) {
		return ""
	}
	id, found := strings.CutPrefix(parsed.Path, "/api/skill/link/")
	if !found {
		id = parsed.Query().Get("vendorId")
	}
	if CheckVendorID(id) != nil {
		return ""
	}
	return id
}
