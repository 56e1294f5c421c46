package alexa_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"alexa-oidc-bridge/bridge/alexa"
	"alexa-oidc-bridge/bridge/alexa/simulator"
)

func goodChainURLs() []string {
	return []string{
		"https://s3.amazonaws.com/echo.api/echo-api-cert.pem",
		"https://s3.amazonaws.com:443/echo.api/echo-api-cert.pem",
		"https://s3.amazonaws.com/echo.api/../echo.api/echo-api-cert.pem",
		"HTTPS://S3.amazonaws.com/echo.api/echo-api-cert.pem",
		"https://s3.amazonaws.com//echo.api/./echo-api-cert.pem",
	}
}

func wrongChainURLs() []string {
	return []string{
		"", "echo-api-cert.pem", "/echo.api/echo-api-cert.pem", "//s3.amazonaws.com/echo.api/cert.pem",
		"http://s3.amazonaws.com/echo.api/echo-api-cert.pem",
		"https://notamazon.com/echo.api/echo-api-cert.pem",
		"https://s3.amazonaws.com.evil.example/echo.api/echo-api-cert.pem",
		"https://s3.amazonaws.com./echo.api/echo-api-cert.pem",
		"https://evil.example/https://s3.amazonaws.com/echo.api/echo-api-cert.pem",
		"https://s3.amazonaws.com/EcHo.aPi/echo-api-cert.pem",
		"https://s3.amazonaws.com/invalid.path/echo-api-cert.pem",
		"https://s3.amazonaws.com/echo.api/../evil/cert.pem",
		"https://s3.amazonaws.com/echo.api/%2e%2e/evil/cert.pem",
		"https://s3.amazonaws.com/echo.api%2f..%2fevil/cert.pem",
		`https://s3.amazonaws.com/echo.api/..\evil\cert.pem`,
		"https://s3.amazonaws.com/echo.api/", "https://s3.amazonaws.com/echo.api",
		"https://s3.amazonaws.com/echo.apievil/cert.pem",
		"https://s3.amazonaws.com:563/echo.api/echo-api-cert.pem",
		"https://s3.amazonaws.com:/echo.api/echo-api-cert.pem",
		"https://s3.amazonaws.com:0443/echo.api/echo-api-cert.pem",
		"https://user@s3.amazonaws.com/echo.api/cert.pem", "https://s3.amazonaws.com@evil.example/echo.api/cert.pem",
		"https://evil.example#@s3.amazonaws.com/echo.api/cert.pem",
		"https://s3.amazonaws.com/echo.api/cert.pem?x=1", "https://s3.amazonaws.com/echo.api/cert.pem?",
		"https://s3.amazonaws.com/echo.api/cert.pem#x", "https://s3.amazonaws.com/echo.api/cert.pem#",
		"https://s3.amazonaws.com/echo.api/cert.pem\r\nX: y", " https://s3.amazonaws.com/echo.api/cert.pem",
		"https://[::1]/echo.api/cert.pem", "ftp://s3.amazonaws.com/echo.api/cert.pem",
		"https:s3.amazonaws.com/echo.api/cert.pem",
		"https://s3.amazonaws.com/echo.api/" + strings.Repeat("a", 2000),
	}
}

func TestVerifyChainURLs(t *testing.T) {
	signer := newSigner(t, simulator.SignerConfig{})
	server := serveChain(signer)
	body := requestBody()
	verify := func(url string) error {
		header := sign(t, signer, body)
		header.Set("SignatureCertChainUrl", url)
		return newVerifier(signer, server).Verify(t.Context(), header, []byte(body))
	}
	for _, url := range goodChainURLs() {
		if err := verify(url); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
	good := server.fetched.Swap(0)
	for _, url := range wrongChainURLs() {
		wantRefused(t, url, verify(url), "SignatureCertChainUrl")
	}
	if good != 5 || server.fetched.Load() != 0 {
		t.Errorf("%d certificates were fetched, and %d from a wrong URL", good, server.fetched.Load())
	}
}

func TestVerifyRefusesCertificates(t *testing.T) {
	trusted := newSigner(t, simulator.SignerConfig{})
	signers := map[simulator.SignerConfig]*simulator.Signer{} // keys take long to make
	body := requestBody()
	day := 24 * time.Hour
	config := func(notBefore, notAfter time.Duration) simulator.SignerConfig {
		return simulator.SignerConfig{NotBefore: signedAt.Add(notBefore), NotAfter: signedAt.Add(notAfter)}
	}
	for _, tt := range []struct {
		name   string
		config simulator.SignerConfig
		chain  func(*simulator.Signer) string // nil: its own
		roots  *x509.CertPool                 // nil: its own
		text   string
	}{
		{name: "expired", config: config(-2*day, -time.Second), text: "expired"},
		{name: "not yet valid", config: config(time.Second, day), text: "not yet valid"},
		{name: "for another name", config: simulator.SignerConfig{Name: "evil.example"}, text: "not for echo-api"},
		{name: "for all names of Amazon", config: simulator.SignerConfig{Name: "*.amazon.com"}, text: "not for echo-api"},
		{name: "by an authority that is not trusted", roots: trusted.Roots(), text: "unknown authority"},
		{name: "without the intermediate", chain: firstBlock, text: "unknown authority"},
		{name: "in a wrong order", chain: reversed, text: "not for echo-api.amazon.com"},
		{name: "nothing", chain: func(*simulator.Signer) string { return "" }, text: "no certificate"},
		{name: "a page", chain: func(*simulator.Signer) string { return "<html>" }, text: "no certificate"},
		{name: "a key", chain: func(*simulator.Signer) string {
			return "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
		}, text: "not a chain"},
		{name: "broken", chain: func(*simulator.Signer) string {
			return "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
		}, text: "not a chain"},
		{name: "many", chain: tenCertificates, text: "not a chain"},
		{name: "huge", chain: afterSpaces, text: "larger than"},
	} {
		if signers[tt.config] == nil {
			signers[tt.config] = newSigner(t, tt.config)
		}
		signer := signers[tt.config]
		server := serveChain(signer)
		if tt.chain != nil {
			chain := tt.chain(signer)
			server.respond = func(*http.Request) (int, string, error) { return 200, chain, nil }
		}
		verifier := newVerifier(signer, server)
		if tt.roots != nil {
			verifier.Roots = tt.roots
		}
		wantRefused(t, tt.name, verifier.Verify(t.Context(), sign(t, signer, body), []byte(body)), tt.text)
	}
}

func firstBlock(signer *simulator.Signer) string {
	block, _ := pem.Decode(signer.Chain)
	return string(pem.EncodeToMemory(block))
}

func tenCertificates(signer *simulator.Signer) string { return strings.Repeat(string(signer.Chain), 5) }

func afterSpaces(signer *simulator.Signer) string {
	return strings.Repeat(" ", 1<<16) + string(signer.Chain)
}

func reversed(signer *simulator.Signer) string {
	first, rest := pem.Decode(signer.Chain)
	return string(rest) + string(pem.EncodeToMemory(first))
}

// TestVerifyRefusesOtherKeys is for a certificate that is good but for its key.
func TestVerifyRefusesOtherKeys(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"echo-api.amazon.com"},
		NotBefore: signedAt.AddDate(0, 0, -1), NotAfter: signedAt.AddDate(0, 0, 1),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	signer, body := newSigner(t, simulator.SignerConfig{}), requestBody()
	chain := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	verifier := newVerifier(signer, serveChain(&simulator.Signer{Chain: chain}))
	verifier.Roots = x509.NewCertPool()
	verifier.Roots.AppendCertsFromPEM(chain)
	wantRefused(t, "ECDSA", verifier.Verify(t.Context(), sign(t, signer, body), []byte(body)), "not an RSA key")
}

// TestChainThatCannotBeFetched distinguishes what Amazon's server does not have from an outage.
func TestChainThatCannotBeFetched(t *testing.T) {
	signer, body := newSigner(t, simulator.SignerConfig{}), requestBody()
	for _, tt := range []struct {
		status  int
		err     error
		refused bool
	}{
		{404, nil, true}, {403, nil, true}, {301, nil, true}, {204, nil, true},
		{500, nil, false}, {503, nil, false}, {429, nil, false}, {0, errors.New("no route to host"), false},
	} {
		server := &chainServer{respond: func(*http.Request) (int, string, error) {
			return tt.status, string(signer.Chain), tt.err
		}}
		verifier := newVerifier(signer, server)
		err := verifier.Verify(t.Context(), sign(t, signer, body), []byte(body))
		if err == nil || errors.Is(err, alexa.ErrNotFromAlexa) != tt.refused || server.fetched.Load() != 1 {
			t.Errorf("status %d: %v, fetched %d times", tt.status, err, server.fetched.Load())
		}
		server.respond = serveChain(signer).respond
		if err := verifier.Verify(t.Context(), sign(t, signer, body), []byte(body)); err != nil {
			t.Errorf("after status %d, the certificate is there: %v", tt.status, err)
		}
	}
}

// TestChainIsRemembered, is verified at each use, and fetched again when it has expired.
func TestChainIsRemembered(t *testing.T) {
	lifetime := simulator.SignerConfig{NotBefore: signedAt.Add(-time.Hour), NotAfter: signedAt.Add(time.Minute)}
	old := newSigner(t, lifetime)
	server, body, now := serveChain(old), requestBody(), signedAt
	verifier := newVerifier(old, server)
	verifier.Now = func() time.Time { return now }
	for range 3 {
		if err := verifier.Verify(t.Context(), sign(t, old, body), []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	if n := server.fetched.Load(); n != 1 {
		t.Errorf("fetched %d times", n)
	}
	now = signedAt.Add(2 * time.Minute)
	wantRefused(t, "expired meanwhile", verifier.Verify(t.Context(), sign(t, old, body), []byte(body)), "expired")
	renewed := newSigner(t, simulator.SignerConfig{})
	server.respond, verifier.Roots = serveChain(renewed).respond, renewed.Roots()
	if err := verifier.Verify(t.Context(), sign(t, renewed, body), []byte(body)); err != nil {
		t.Errorf("renewed: %v", err)
	}
}

// TestStrangersDoNotDriveOutChains names more certificates than are remembered, none of which is Alexa's.
func TestStrangersDoNotDriveOutChains(t *testing.T) {
	signer, stranger := newSigner(t, simulator.SignerConfig{}), newSigner(t, simulator.SignerConfig{})
	server, body := &chainServer{}, requestBody()
	server.respond = func(r *http.Request) (int, string, error) {
		if r.URL.String() == signer.CertificateURL {
			return 200, string(signer.Chain), nil
		}
		return 200, string(stranger.Chain), nil
	}
	verifier := newVerifier(signer, server)
	verify := func(url string) error {
		header := sign(t, signer, body)
		header.Set("SignatureCertChainUrl", url)
		return verifier.Verify(t.Context(), header, []byte(body))
	}
	if err := verify(signer.CertificateURL); err != nil {
		t.Fatal(err)
	}
	for i := range 40 {
		wantRefused(t, "stranger", verify(fmt.Sprintf("https://s3.amazonaws.com/echo.api/%d.pem", i)), "authority")
	}
	server.fetched.Store(0)
	if err := verify(signer.CertificateURL); err != nil || server.fetched.Load() != 0 {
		t.Errorf("%v, fetched %d times", err, server.fetched.Load())
	}
}

// TestManyFetchOneChain lets many requests arrive before the certificate is there. The first one gives up.
func TestManyFetchOneChain(t *testing.T) {
	signer, body := newSigner(t, simulator.SignerConfig{}), requestBody()
	synctest.Test(t, func(t *testing.T) {
		server := &chainServer{respond: func(r *http.Request) (int, string, error) {
			select {
			case <-time.After(time.Second):
			case <-r.Context().Done():
			}
			return 200, string(signer.Chain), r.Context().Err()
		}}
		verifier, header := newVerifier(signer, server), sign(t, signer, body)
		impatient, giveUp := context.WithTimeout(t.Context(), time.Millisecond)
		defer giveUp()
		var callers sync.WaitGroup
		callers.Go(func() {
			err := verifier.Verify(impatient, header, []byte(body))
			if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, alexa.ErrNotFromAlexa) {
				t.Errorf("who gave up: %v", err)
			}
		})
		synctest.Wait()
		for range 20 {
			callers.Go(func() {
				if err := verifier.Verify(t.Context(), header, []byte(body)); err != nil {
					t.Error(err)
				}
			})
		}
		callers.Wait()
		if n := server.fetched.Load(); n != 1 {
			t.Errorf("fetched %d times", n)
		}
	})
}
