package upstream_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge/upstream"
)

// newCertificate makes a self-signed certificate for a fake provider and for Google.
func newCertificate() tls.Certificate {
	private := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(time.Hour),
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
		DNSNames:              []string{"accounts.google.com"},
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	raw := must(x509.CreateCertificate(rand.Reader, template, template, private.Public(), private))
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: private}
}

// caFile writes the certificate of a fake provider on HTTPS to a file.
func (f *fakeProvider) caFile(t *testing.T) string {
	t.Helper()
	block := &pem.Block{Type: "CERTIFICATE", Bytes: f.server.Certificate().Raw}
	return writeFile(t, pem.EncodeToMemory(block))
}

func writeFile(t *testing.T, content []byte) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// trusting makes relying parties trust the certificate of a fake provider, and returns it.
func (f *fakeProvider) trusting(t *testing.T) *fakeProvider {
	t.Helper()
	configured(trust(f.caFile(t)))(f)
	return f
}

// trust returns the change to trust the certificates in a file.
func trust(path string) func(*upstream.Config) {
	return func(config *upstream.Config) { config.CAs = must(upstream.LoadCAs(path)) }
}

func TestCertificateAuthority(t *testing.T) {
	f, other := newTLSFake(t), newTLSFake(t)
	tests := []struct {
		name   string
		change func(*upstream.Config)
		want   string
	}{
		{"not configured", func(*upstream.Config) {}, "misconfigured at discovery"},
		{"another's", trust(other.caFile(t)), "misconfigured at discovery"},
		{"its own", trust(f.caFile(t)), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := len(f.requests(discoveryPath))
			f.changes = []func(*upstream.Config){tt.change}
			_, err := f.identify(t)
			wantKind(t, err, tt.want)
			if got := len(f.requests(discoveryPath)) > before; got != (tt.want == "") {
				t.Errorf("a request was sent: %v", got)
			}
		})
	}
}

func TestLoadCAs(t *testing.T) {
	f := newTLSFake(t)
	tests := []struct {
		name, path string
		ok         bool
	}{
		{"a certificate", f.caFile(t), true},
		{"no certificate in it", writeFile(t, []byte("no certificate")), false},
		{"no such file", filepath.Join(t.TempDir(), "absent.pem"), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := upstream.LoadCAs(tt.path); (err == nil) != tt.ok {
				t.Errorf("err = %v, want ok = %v", err, tt.ok)
			}
		})
	}
}
