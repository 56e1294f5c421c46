// Package alexa is what this program knows about Alexa itself: where it sends people back to.
package alexa

import (
	"errors"
	"regexp"
)

// Hosts are the three hosts that Alexa redirects to. Which one comes is decided by the region of the customer's Amazon
// account, not by the skill: North and South America; Europe and India; Japan and Australia.
func Hosts() []string {
	return []string{"pitangui.amazon.com", "layla.amazon.com", "alexa.amazon.co.jp"}
}

// RedirectURIs returns the exact redirect URIs of one Amazon vendor id: both path forms at all three regional hosts.
// Alexa uses the first form for the code grant and the second for the implicit one, but skills exist that do otherwise,
// so neither says anything about the grant.
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

var vendorIDForm = regexp.MustCompile(`^[A-Z0-9]{8,32}$`)

// CheckVendorID says whether a text can be an Amazon vendor id: capital letters and digits, as the last part of the
// "Alexa Redirect URLs" in the developer console.
func CheckVendorID(vendorID string) error {
	if !vendorIDForm.MatchString(vendorID) {
		return errors.New("not a vendor id: 8 to 32 capital letters and digits, usually starting with M")
	}
	return nil
}
