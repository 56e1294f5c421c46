package alexa

import (
	"net/url"
	"path"
	"regexp"
	"strings"
)

const (
	// chainHost and chainFolder are where Amazon has the certificates of Alexa. Whoever sends a request says which one
	// it is, so nothing else may be fetched.
	chainHost   = "s3.amazonaws.com"
	chainFolder = "/echo.api/"
)

// chainPath is the path of a certificate, without escapes and without parts that some library might read otherwise.
var chainPath = regexp.MustCompile(`^/echo\.api/[A-Za-z0-9._/-]+$`)

// checkChainURL returns the URL of a certificate in its normal form. It may be on Amazon's host only, in the folder of
// Alexa, whatever path led there.
func checkChainURL(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || len(text) > 1024 {
		return "", refused("SignatureCertChainUrl is not a URL")
	}
	switch {
	case !strings.EqualFold(u.Scheme, "https"):
		return "", refused("the scheme of SignatureCertChainUrl is not https")
	case !strings.EqualFold(u.Hostname(), chainHost):
		return "", refused("the host of SignatureCertChainUrl is not %s", chainHost)
	case u.Port() != "" && u.Port() != "443", strings.HasSuffix(u.Host, ":"):
		return "", refused("the port of SignatureCertChainUrl is not 443")
	case u.User != nil, u.RawQuery != "", u.ForceQuery, u.Fragment != "", u.RawPath != "",
		strings.HasSuffix(text, "#"):
		return "", refused("SignatureCertChainUrl has more than a scheme, a host and a path")
	}
	cleaned := path.Clean(u.Path)
	if !chainPath.MatchString(cleaned) {
		return "", refused("the path of SignatureCertChainUrl is not below %s", chainFolder)
	}
	return "https://" + chainHost + cleaned, nil
}
