package simulator

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"net/http"
	"time"
)

const (
	// signatureName is the host name in the certificate by which Alexa signs requests.
	signatureName = "echo-api.amazon.com"
	// chainHost is where Amazon has the certificates.
	chainHost = "s3.amazonaws.com"
	// testChainURL is below the only folder from which a verifier may take a certificate.
	testChainURL = "https://" + chainHost + "/echo.api/echo-api-cert-test.pem"
)

// Signer signs requests for a skill as Alexa does, by the certificate of a throwaway authority. A skill that verifies
// signatures accepts them if its test makes it trust [Signer].Root, and fetch the chain from [Signer.Transport] or
// [Signer.Serve] in place of Amazon. A skill in production refuses them. A Signer is safe for concurrent use.
type Signer struct {
	Root  []byte // the certificate of the authority, in PEM
	Chain []byte // the certificate by which requests are signed and the one that issued it, in PEM
	// CertificateURL is sent as SignatureCertChainUrl. It is in the form that a verifier wants; Amazon has nothing there.
	CertificateURL string

	key *rsa.PrivateKey
}

// SignerConfig says what is in the certificate of a [Signer]. The zero value is that of a good certificate.
type SignerConfig struct {
	Name      string    // its host name; empty: echo-api.amazon.com
	NotBefore time.Time // zero: a day before now
	NotAfter  time.Time // zero: 30 days from now
	// CertificateURL is that of the Signer; empty: one that a verifier accepts.
	CertificateURL string
}

// NewSigner makes an authority and a certificate.
func NewSigner(config SignerConfig) (*Signer, error) {
	config = config.withDefaults()
	root, err := issue(nil, config.authority("Test Root", 1))
	if err != nil {
		return nil, err
	}
	intermediate, err := issue(root, config.authority("Test Intermediate", 2))
	if err != nil {
		return nil, err
	}
	leaf, err := issue(intermediate, &x509.Certificate{
		SerialNumber: big.NewInt(3), Subject: pkix.Name{CommonName: config.Name},
		NotBefore: config.NotBefore, NotAfter: config.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames: []string{config.Name, chainHost}, // chainHost for Serve
	})
	if err != nil {
		return nil, err
	}
	return &Signer{
		Root: root.pem(), Chain: append(leaf.pem(), intermediate.pem()...),
		CertificateURL: config.CertificateURL, key: leaf.key,
	}, nil
}

func (c SignerConfig) withDefaults() SignerConfig {
	if c.Name == "" {
		c.Name = signatureName
	}
	if c.NotBefore.IsZero() {
		c.NotBefore = time.Now().Add(-24 * time.Hour)
	}
	if c.NotAfter.IsZero() {
		c.NotAfter = time.Now().Add(30 * 24 * time.Hour)
	}
	if c.CertificateURL == "" {
		c.CertificateURL = testChainURL
	}
	return c
}

// authority returns the certificate of an authority, which is valid long before and after the one that signs requests.
func (c SignerConfig) authority(name string, serial int64) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "alexa-oidc-bridge " + name},
		NotBefore: c.NotBefore.AddDate(-1, 0, 0), NotAfter: c.NotAfter.AddDate(10, 0, 0),
		KeyUsage: x509.KeyUsageCertSign, BasicConstraintsValid: true, IsCA: true,
	}
}

// certificate is a certificate with its key.
type certificate struct {
	*x509.Certificate
	key *rsa.PrivateKey
}

// issue issues a certificate; without an issuer it signs itself. All keys are RSA, because the library that Amazon's
// Node SDK verifies chains with knows no other.
func issue(issuer *certificate, template *x509.Certificate) (*certificate, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	if issuer == nil {
		issuer = &certificate{template, key}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer.Certificate, &key.PublicKey, issuer.key)
	if err != nil {
		return nil, err
	}
	issued, err := x509.ParseCertificate(der)
	return &certificate{issued, key}, err
}

func (c *certificate) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

// Roots returns a pool that has only the authority of the signer.
func (s *Signer) Roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(s.Root)
	return pool
}

// Sign returns the headers that Alexa sends with a request of this body: SignatureCertChainUrl and Signature-256, a
// signature of the exact bytes by RSA with SHA-256.
func (s *Signer) Sign(body []byte) (http.Header, error) {
	digest := sha256.Sum256(body)
	signature, err := rsa.SignPKCS1v15(rand.Reader, s.key, crypto.SHA256, digest[:])
	if err != nil {
		return nil, err
	}
	header := http.Header{}
	header.Set("SignatureCertChainUrl", s.CertificateURL)
	header.Set("Signature-256", base64.StdEncoding.EncodeToString(signature))
	return header, nil
}
