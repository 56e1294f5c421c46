// Package alexa contains what is specific to Alexa: the redirect URIs of account linking, the account linking settings
// of a skill, as the developer console and the Skill Management API show them, and a [Verifier] of the requests that
// Alexa sends to a skill.
package alexa

import (
	"errors"
	"regexp"
)

// Hosts returns the three hosts of Alexa's redirect URIs: for North and South America, for Europe and India, and for
// Japan and Australia. The region of the customer's Amazon account decides which one is used, not the skill.
func Hosts() []string {
	return []string{"pitangui.amazon.com", "layla.amazon.com", "alexa.amazon.co.jp"}
}

// RedirectURIs returns all redirect URIs of an Amazon vendor id: both forms of the path at each of [Hosts]. Alexa
// uses the first form for the authorization code grant and the second for the implicit grant, but some skills differ,
// so that a URI does not determine the grant.
func RedirectURIs(vendorID string) []string {
	var uris []string
	for _, host := range Hosts() {
		uris = append(uris,
			"https://"+host+"/api/skill/link/"+vendorID,
			"https://"+host+"/spa/skill/account-linking-status.html?vendorId="+vendorID,
		)
	}
	return uris
}

var vendorIDPattern = regexp.MustCompile(`^[A-Z0-9]{8,32}$`)

// CheckVendorID returns an error unless the text has the form of an Amazon vendor id: 8 to 32 upper-case letters and
// digits. It is the last part of the "Alexa Redirect URLs" in the developer console.
func CheckVendorID(vendorID string) error {
	if !vendorIDPattern.MatchString(vendorID) {
		return errors.New("not a vendor id: 8 to 32 upper-case letters and digits, usually starting with M")
	}
	return nil
}
