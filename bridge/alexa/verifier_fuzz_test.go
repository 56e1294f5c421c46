package alexa_test

import (
	"net/http"
	"path"
	"slices"
	"strings"
	"testing"

	"alexa-oidc-bridge/bridge/alexa/simulator"
)

// FuzzVerify sends headers, bodies and certificates of strangers. None is accepted without the signature of a trusted
// key, and nothing but a file in Alexa's folder is fetched.
func FuzzVerify(f *testing.F) {
	signer := newSigner(f, simulator.SignerConfig{})
	body := requestBody()
	header, err := signer.Sign([]byte(body))
	if err != nil {
		f.Fatal(err)
	}
	signature := header.Get("Signature-256")
	f.Add(signer.CertificateURL, signature, []byte(body), signer.Chain)
	f.Add("https://s3.amazonaws.com/echo.api/x", "", []byte(requestBody("IntentRequest", "AlexaSkillEvent.SkillDisabled")),
		[]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
	f.Add("https://s3.amazonaws.com@evil.example/echo.api/x", "AAAA", []byte(`{"request":{}}`), []byte{})
	f.Fuzz(func(t *testing.T, url, encoded string, sent, chain []byte) {
		server := &chainServer{respond: func(r *http.Request) (int, string, error) {
			wantAlexaFolder(t, url, r)
			return 200, string(chain), nil
		}}
		header := http.Header{"Signaturecertchainurl": {url}, "Signature-256": {encoded}}
		err := newVerifier(signer, server).Verify(t.Context(), header, sent)
		if err == nil && (string(sent) != body || encoded != signature) {
			t.Errorf("accepted %q with signature %q", sent, encoded)
		}
	})
}

// FuzzChainURL sends good requests that say that the certificate is elsewhere.
func FuzzChainURL(f *testing.F) {
	signer := newSigner(f, simulator.SignerConfig{})
	body := requestBody()
	header, err := signer.Sign([]byte(body))
	if err != nil {
		f.Fatal(err)
	}
	for _, url := range slices.Concat(goodChainURLs(), wrongChainURLs()) {
		f.Add(url)
	}
	f.Fuzz(func(t *testing.T, url string) {
		server := serveChain(signer)
		respond := server.respond
		server.respond = func(r *http.Request) (int, string, error) {
			wantAlexaFolder(t, url, r)
			return respond(r)
		}
		sent := header.Clone()
		sent.Set("SignatureCertChainUrl", url)
		err := newVerifier(signer, server).Verify(t.Context(), sent, []byte(body))
		if (err == nil) != (server.fetched.Load() == 1) {
			t.Errorf("%q: %v, fetched %d times", url, err, server.fetched.Load())
		}
	})
}

// wantAlexaFolder checks that what is fetched is a file in the folder of Alexa's certificates, however it was named.
func wantAlexaFolder(t *testing.T, named string, r *http.Request) {
	t.Helper()
	want := "https://s3.amazonaws.com" + path.Clean(r.URL.Path)
	if r.URL.String() != want || !strings.HasPrefix(r.URL.Path, "/echo.api/") || r.URL.User != nil {
		t.Errorf("fetched %q for %q", r.URL, named)
	}
}
