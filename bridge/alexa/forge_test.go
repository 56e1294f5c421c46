//go:build strict

package alexa_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"math/big"
	"net/http"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge/alexa/simulator"
)

var errNoConnection = errors.New("connection refused")

// forgery is a request, what is under the URL of its certificate, and what a verifier must make of it.
type forgery struct {
	name     string
	header   http.Header
	body     []byte
	status   int // of the response with the chain; 0: no connection
	chain    []byte
	accepted bool   // by ours
	because  string // why Amazon's verifier decides otherwise; empty: it decides alike
}

// forge makes requests, signed now by Alexa as the simulator plays it, or by certificates that Alexa would not use.
type forge struct {
	now       time.Time
	signer    *simulator.Signer
	root      *x509.Certificate // of the odd certificates
	key       *rsa.PrivateKey   // of all of these
	rootTexts []string          // PEM
}

func newForge(t *testing.T) *forge {
	t.Helper()
	signer, err := simulator.NewSigner(simulator.SignerConfig{})
	key, keyErr := rsa.GenerateKey(rand.Reader, 2048)
	if err := errors.Join(err, keyErr); err != nil {
		t.Fatal(err)
	}
	f := &forge{now: time.Now(), signer: signer, key: key}
	f.root = f.certificate(t, nil, &key.PublicKey, asAuthority, named("Odd Root"))
	f.rootTexts = []string{string(signer.Root), string(encode(f.root))}
	return f
}

// certificate issues a certificate by an issuer with the forge's key; nil: it signs itself.
func (f *forge) certificate(
	t *testing.T, issuer *x509.Certificate, key crypto.PublicKey, changes ...func(*x509.Certificate),
) *x509.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"echo-api.amazon.com"}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		NotBefore:   f.now.Add(-time.Hour), NotAfter: f.now.Add(time.Hour),
	}
	named("echo-api.amazon.com")(template)
	for _, change := range changes {
		change(template)
	}
	if issuer == nil {
		issuer = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, key, f.key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}

func asAuthority(c *x509.Certificate) {
	c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
	c.DNSNames, c.ExtKeyUsage = nil, nil
}

func named(name string) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.Subject.CommonName = name }
}

func forNames(names ...string) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.DNSNames = names }
}

func valid(notBefore, notAfter time.Time) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.NotBefore, c.NotAfter = notBefore, notAfter }
}

func encode(certificates ...*x509.Certificate) []byte {
	var text bytes.Buffer
	for _, c := range certificates {
		pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
	}
	return text.Bytes()
}

// signed returns a request with this body that is signed well.
func (f *forge) signed(t *testing.T, body string) *forgery {
	t.Helper()
	return &forgery{header: sign(t, f.signer, body), body: []byte(body), status: 200, chain: f.signer.Chain}
}

// signedBy returns a good request, signed by the forge's key.
func (f *forge) signedBy(t *testing.T, chain []byte) *forgery {
	t.Helper()
	c := f.signed(t, f.body("LaunchRequest", 0))
	c.chain = chain
	c.header.Set("Signature-256", f.signature(t, c.body))
	return c
}

func (f *forge) signature(t *testing.T, body []byte) string {
	t.Helper()
	digest := sha256.Sum256(body)
	return encodeSignature(t)(rsa.SignPKCS1v15(rand.Reader, f.key, crypto.SHA256, digest[:]))
}

// sha1Signature is that of the older header.
func (f *forge) sha1Signature(t *testing.T, body []byte) string {
	t.Helper()
	digest := sha1.Sum(body)
	return encodeSignature(t)(rsa.SignPKCS1v15(rand.Reader, f.key, crypto.SHA1, digest[:]))
}

func (f *forge) pssSignature(t *testing.T, body []byte) string {
	t.Helper()
	digest := sha256.Sum256(body)
	return encodeSignature(t)(rsa.SignPSS(rand.Reader, f.key, crypto.SHA256, digest[:], nil))
}

func encodeSignature(t *testing.T) func([]byte, error) string {
	return func(signature []byte, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return base64.StdEncoding.EncodeToString(signature)
	}
}

// body returns a request to the skill, sent so long ago, after changes of its text.
func (f *forge) body(requestType string, age time.Duration, changes ...string) string {
	sent := f.now.Add(-age).UTC().Format(time.RFC3339)
	return requestBody(append([]string{"IntentRequest", requestType, "2026-11-29T12:00:00Z", sent}, changes...)...)
}

func ellipticKey(t *testing.T) crypto.PublicKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &key.PublicKey
}
