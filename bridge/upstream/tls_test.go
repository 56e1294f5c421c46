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
func newCertificate(t *testing.T) tls.Certificate {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(time.Hour),
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
		DNSNames:              []string{"accounts.google.com"},
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: private}
}

// caFile writes the certificate of a fake provider on HTTPS to a file.
func (f *fakeProvider) caFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: f.server.Certificate().Raw})
	if err := os.WriteFile(path, block, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// trusting returns a change that makes a relying party trust the certificate.
func (f *fakeProvider) trusting(t *testing.T) func(*upstream.Config) {
	t.Helper()
	pool, err := upstream.LoadCAs(f.caFile(t))
	if err != nil {
		t.Fatal(err)
	}
	return func(config *upstream.Config) { config.CAs = pool }
}

func TestCertificateAuthority(t *testing.T) {
	f, other := newTLSFake(t), newTLSFake(t)
	tests := []struct {
		name   string
		change func(*upstream.Config)
		want   string
	}{
		{"not configured", func(*upstream.Config) {}, "unavailable at discovery"},
		{"another's", other.trusting(t), "unavailable at discovery"},
		{"its own", f.trusting(t), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := len(f.requests(discoveryPath))
			_, err := f.identify(t, nil, tt.change)
			wantKind(t, err, tt.want)
			if got := len(f.requests(discoveryPath)) > before; got != (tt.want == "") {
				t.Errorf("a request was sent: %v", got)
			}
		})
	}
}

func TestLoadCAs(t *testing.T) {
	f := newTLSFake(t)
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, path string
		ok         bool
	}{
		{"a certificate", f.caFile(t), true},
		{"no certificate in it", empty, false},
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
