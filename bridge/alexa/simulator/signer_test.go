package simulator_test

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge/alexa/simulator"
)

func ExampleSigner() {
	signer, err := simulator.NewSigner(simulator.SignerConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	body, err := simulator.LaunchRequest("amzn1.ask.skill.00000000", "token", time.Now())
	if err != nil {
		fmt.Println(err)
		return
	}
	header, err := signer.Sign(body)
	if err != nil {
		fmt.Println(err)
		return
	}
	// Send body and header to the skill under test, which trusts signer.Roots() and fetches by signer.Transport().
	fmt.Println(header.Get("SignatureCertChainUrl"))
	// Output: https://s3.amazonaws.com/echo.api/echo-api-cert-test.pem
}

func newSigner(t *testing.T) *simulator.Signer {
	t.Helper()
	signer, err := simulator.NewSigner(simulator.SignerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// verify verifies a signed body as a skill does.
func verify(t *testing.T, signer *simulator.Signer, chain, body []byte, header http.Header) error {
	t.Helper()
	block, rest := pem.Decode(chain)
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	intermediates := x509.NewCertPool()
	intermediates.AppendCertsFromPEM(rest)
	options := x509.VerifyOptions{Roots: signer.Roots(), Intermediates: intermediates, DNSName: "echo-api.amazon.com"}
	if _, err := leaf.Verify(options); err != nil {
		return err
	}
	signature, err := base64.StdEncoding.DecodeString(header.Get("Signature-256"))
	if err != nil {
		return err
	}
	digest := sha256.Sum256(body)
	return rsa.VerifyPKCS1v15(leaf.PublicKey.(*rsa.PublicKey), crypto.SHA256, digest[:], signature)
}

// TestSignature verifies that a skill that trusts the root accepts what a signer signed, and nothing else.
func TestSignature(t *testing.T) {
	signer := newSigner(t)
	body := []byte(`{"request":{}}`)
	header, err := signer.Sign(body)
	if err != nil {
		t.Fatal(err)
	}
	if err := verify(t, signer, signer.Chain, body, header); err != nil {
		t.Errorf("a signed body: %v", err)
	}
	if err := verify(t, signer, signer.Chain, append(body, ' '), header); err == nil {
		t.Error("a changed body was accepted")
	}
	if err := verify(t, newSigner(t), signer.Chain, body, header); err == nil {
		t.Error("the certificate of another authority was accepted")
	}
}

// TestBadCertificates verifies that a test can have certificates that a skill must refuse.
func TestBadCertificates(t *testing.T) {
	now := time.Now()
	for name, config := range map[string]simulator.SignerConfig{
		"another name":  {Name: "echo-api.example.com"},
		"expired":       {NotAfter: now.Add(-time.Minute)},
		"not valid yet": {NotBefore: now.Add(time.Hour)},
	} {
		signer, err := simulator.NewSigner(config)
		if err != nil {
			t.Fatal(err)
		}
		header, err := signer.Sign([]byte("{}"))
		if err != nil {
			t.Fatal(err)
		}
		if err := verify(t, signer, signer.Chain, []byte("{}"), header); err == nil {
			t.Errorf("%s: the certificate was accepted", name)
		}
	}
}

// TestChain verifies that a verifier finds the chain under the URL that is sent: in process, and on a loopback port
// that plays s3.amazonaws.com.
func TestChain(t *testing.T) {
	signer := newSigner(t)
	address, stop, err := signer.Serve(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	dialer := &tls.Dialer{Config: &tls.Config{RootCAs: signer.Roots(), ServerName: "s3.amazonaws.com"}}
	overLoopback := &http.Transport{
		DialTLSContext: dialer.DialContext,
		Proxy:          nil,
	}
	for name, transport := range map[string]http.RoundTripper{
		"Transport": signer.Transport(),
		"Serve":     rerouted{overLoopback, address},
	} {
		status, chain := fetch(t, transport, signer.CertificateURL)
		if status != http.StatusOK || !bytes.Equal(chain, signer.Chain) {
			t.Errorf("%s: status %d, %d bytes", name, status, len(chain))
		}
		if status, _ := fetch(t, transport, signer.CertificateURL+"x"); status == http.StatusOK {
			t.Errorf("%s: another path has the chain, too", name)
		}
	}
	if _, _, err := signer.Serve(t.Context(), "0.0.0.0:0"); err == nil {
		t.Error("the chain is served to other machines")
	}
}

// rerouted sends every request to one address.
type rerouted struct {
	http.RoundTripper
	address string
}

func (r rerouted) RoundTrip(request *http.Request) (*http.Response, error) {
	request = request.Clone(request.Context())
	request.URL.Host = r.address
	return r.RoundTripper.RoundTrip(request)
}

func fetch(t *testing.T, transport http.RoundTripper, url string) (status int, body []byte) {
	t.Helper()
	response, err := (&http.Client{Transport: transport}).Get(url)
	if err != nil {
		return 0, nil
	}
	defer response.Body.Close()
	body, err = io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, body
}

// TestOpenSigner verifies that the signer of a folder is the same at the next run.
func TestOpenSigner(t *testing.T) {
	folder := t.TempDir()
	made, err := simulator.OpenSigner(folder)
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := simulator.OpenSigner(folder)
	if err != nil {
		t.Fatal(err)
	}
	header, err := loaded.Sign([]byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	if err := verify(t, made, made.Chain, []byte("{}"), header); err != nil {
		t.Errorf("a skill that trusts the first does not accept the second: %v", err)
	}
	if info, err := os.Stat(filepath.Join(folder, "key.pem")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key: %v, %v", info, err)
	}
	if err := os.Remove(filepath.Join(folder, "chain.pem")); err != nil {
		t.Fatal(err)
	}
	if _, err := simulator.OpenSigner(folder); err == nil || !strings.Contains(err.Error(), "not complete") {
		t.Errorf("without its chain: %v", err)
	}
}
