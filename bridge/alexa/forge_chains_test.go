//go:build strict

package alexa_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"slices"
	"strings"
	"testing"
	"time"
)

// urls are good requests that say that the certificate is elsewhere. A good one is there, too.
func (f *forge) urls(t *testing.T) (cases []*forgery) {
	t.Helper()
	const file = "https://s3.amazonaws.com/echo.api/cert.pem"
	for _, tt := range []struct {
		url      string
		accepted bool
		because  string
	}{
		{file, true, ""},
		{"HTTPS://S3.AmazonAWS.com/echo.api/cert.pem", true, ""},
		{"https://s3.amazonaws.com:443/echo.api/cert.pem", true, ""},
		{"https://s3.amazonaws.com/echo.api/../echo.api/cert.pem", true, ""},
		{"https://s3.amazonaws.com/x/../echo.api/cert.pem", true, loosePath},
		{"https://s3.amazonaws.com//echo.api/cert.pem", true, loosePath},
		{"https://s3.amazonaws.com/echo.api/../evil/cert.pem", false, loosePath},
		{"https://s3.amazonaws.com/echo.api/%2e%2e/evil/cert.pem", false, loosePath},
		{`https://s3.amazonaws.com/echo.api/..\evil\cert.pem`, false, loosePath},
		{"https://s3.amazonaws.com/echo.api/", false, loosePath},
		{"https://s3.amazonaws.com:/echo.api/cert.pem", false, looseURL},
		{"https://user@s3.amazonaws.com/echo.api/cert.pem", false, looseURL},
		{file + "?x=1", false, looseURL},
		{file + "#x", false, looseURL},
		{"http://s3.amazonaws.com/echo.api/cert.pem", false, ""},
		{"ftp://s3.amazonaws.com/echo.api/cert.pem", false, ""},
		{"//s3.amazonaws.com/echo.api/cert.pem", false, ""},
		{"cert.pem", false, ""},
		{"https://s3.amazonaws.com:563/echo.api/cert.pem", false, ""},
		{"https://s3.amazonaws.com:80/echo.api/cert.pem", false, ""},
		{"https://notamazon.com/echo.api/cert.pem", false, ""},
		{"https://s3.amazonaws.com./echo.api/cert.pem", false, ""},
		{"https://s3.amazonaws.com.evil.example/echo.api/cert.pem", false, ""},
		{"https://s3.amazonaws.com@evil.example/echo.api/cert.pem", false, ""},
		{"https://evil.example#@s3.amazonaws.com/echo.api/cert.pem", false, ""},
		{`https://evil.example\@s3.amazonaws.com/echo.api/cert.pem`, false, ""},
		{"https://[::1]/echo.api/cert.pem", false, ""},
		{"https://s3.amazonaws.com/EcHo.aPi/cert.pem", false, ""},
		{"https://s3.amazonaws.com/invalid.path/cert.pem", false, ""},
		{"https://s3.amazonaws.com/echo.apievil/cert.pem", false, ""},
		{"https://s3.amazonaws.com/", false, ""},
	} {
		c := f.signed(t, f.body("LaunchRequest", 0))
		c.header.Set("SignatureCertChainUrl", tt.url)
		cases = append(cases, c.as(tt.url, tt.accepted, tt.because))
	}
	return cases
}

// responses are good requests whose chain cannot be fetched.
func (f *forge) responses(t *testing.T) (cases []*forgery) {
	t.Helper()
	for status, name := range map[int]string{
		0: "no connection", 301: "a redirect", 403: "forbidden", 404: "no certificate", 503: "Amazon's server is down",
	} {
		c := f.signed(t, f.body("LaunchRequest", 0))
		c.status = status
		cases = append(cases, c.as(name, false))
	}
	return cases
}

// certificates are requests that are signed well, with other certificates than Alexa's.
func (f *forge) certificates(t *testing.T) []*forgery {
	t.Helper()
	leaf := func(changes ...func(*x509.Certificate)) *forgery {
		return f.signedBy(t, encode(f.certificate(t, f.root, &f.key.PublicKey, changes...)))
	}
	chain := func(certificates ...*x509.Certificate) *forgery { return f.signedBy(t, encode(certificates...)) }
	good := f.certificate(t, f.root, &f.key.PublicKey)
	hour := func(hours int) time.Time { return f.now.Add(time.Duration(hours) * time.Hour) }
	forClients := func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }
	return slices.Concat([]*forgery{
		chain(good).as("a good certificate", true),
		leaf(valid(hour(-48), hour(-1))).as("expired", false),
		leaf(valid(hour(1), hour(48))).as("not yet valid", false),
		leaf(forNames("evil.example")).as("for another name", false),
		leaf(forNames("*.amazon.com")).as("for all names of Amazon", false),
		leaf(forNames("echo-api.amazon.com.evil.example")).as("for a longer name", false),
		leaf(forNames()).as("the name in the subject only", false),
		leaf(forNames("www.amazon.com", "echo-api.amazon.com")).as("for two names", true),
		leaf(forClients).as("for clients", false, looseKeyUse),
		chain(f.certificate(t, nil, &f.key.PublicKey)).as("signed by itself", false),
		chain(good, f.root).as("with the root", true),
		f.signedBy(t, encode(f.certificate(t, f.root, ellipticKey(t)))).as("an elliptic key", false),
	}, f.intermediates(t, good), f.texts(t, good))
}

// intermediates are chains of more than one certificate.
func (f *forge) intermediates(t *testing.T, good *x509.Certificate) []*forgery {
	t.Helper()
	chain := func(certificates ...*x509.Certificate) *forgery { return f.signedBy(t, encode(certificates...)) }
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	middle := f.certificate(t, f.root, &f.key.PublicKey, asAuthority, named("Odd Intermediate"))
	last := f.certificate(t, middle, &f.key.PublicKey)
	noAuthority := f.certificate(t, f.root, &f.key.PublicKey, named("No Authority"))
	stranger := f.certificate(t, nil, &f.key.PublicKey, asAuthority, named("A Stranger's Root"))
	old := f.certificate(t, f.root, &f.key.PublicKey, asAuthority, named("Old Intermediate"),
		valid(f.now.Add(-48*time.Hour), f.now.Add(-time.Hour)))
	return []*forgery{
		chain(last, middle).as("with an intermediate", true),
		chain(last).as("without the intermediate", false),
		chain(middle, last).as("in a wrong order", false),
		chain(f.certificate(t, old, &f.key.PublicKey), old).as("an intermediate that has expired", false),
		chain(f.certificate(t, noAuthority, &f.key.PublicKey), noAuthority).as("an intermediate that is no authority", false),
		chain(f.certificate(t, stranger, &f.key.PublicKey), stranger).as("by an authority that is not trusted", false),
		chain(f.certificate(t, f.root, &other.PublicKey), good).as("the key of the second certificate", false),
	}
}

// texts are what else may be in place of a chain, or around it.
func (f *forge) texts(t *testing.T, good *x509.Certificate) []*forgery {
	t.Helper()
	text := func(content string) *forgery { return f.signedBy(t, []byte(content)) }
	goodText := string(encode(good))
	lines := bytes.ReplaceAll(encode(good), []byte("\n"), []byte("\r\n"))
	return []*forgery{
		text("").as("nothing", false),
		text("<html>").as("a page", false),
		text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").as("not a certificate", false),
		text(strings.ReplaceAll(goodText, "CERTIFICATE", "PRIVATE KEY")).as("not called a certificate", false),
		text("subject=Alexa\n"+goodText).as("a text before", true),
		text(string(lines)).as("lines that end with CR LF", true),
		text(goodText+"the end").as("a text after", true, onlyPEM),
		text(goodText+strings.Repeat("\n", 1<<16)).as("more than 64 KiB", false, noSizeLimit),
	}
}
