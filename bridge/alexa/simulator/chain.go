package simulator

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// Transport returns a transport that answers a request for [Signer].CertificateURL with the chain, and any other
// request with an error. It uses no network.
func (s *Signer) Transport() http.RoundTripper { return chainTransport{s} }

type chainTransport struct{ signer *Signer }

func (t chainTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodGet || r.URL.String() != t.signer.CertificateURL {
		return nil, fmt.Errorf("simulator: %s of %s: only the certificate chain is here", r.Method, r.URL.Redacted())
	}
	return &http.Response{
		StatusCode: http.StatusOK, Status: "200 OK", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        http.Header{"Content-Type": {chainType}},
		ContentLength: int64(len(t.signer.Chain)),
		Body:          io.NopCloser(bytes.NewReader(t.signer.Chain)),
		Request:       r,
	}, nil
}

const chainType = "application/x-pem-file"

// Serve serves the chain on a loopback address, such as 127.0.0.1:0, until stop is called. It plays
// s3.amazonaws.com: it speaks HTTPS, with a certificate for that name by the signer's authority. It is for skills in
// other processes and other languages, whose test routes that name to the address.
func (s *Signer) Serve(ctx context.Context, address string) (listens string, stop func(), err error) {
	pair := tls.Certificate{PrivateKey: s.key}
	for rest := s.Chain; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		pair.Certificate = append(pair.Certificate, block.Bytes)
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil || !isLoopback(host) {
		return "", nil, errors.New("simulator: the chain is served on a loopback address only, such as 127.0.0.1:0")
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{
		Handler: http.HandlerFunc(s.serveChain), ReadHeaderTimeout: 5 * time.Second,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}},
	}
	go server.ServeTLS(listener, "", "")
	return listener.Addr().String(), func() { server.Close() }, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (s *Signer) serveChain(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet || "https://"+chainHost+r.URL.RequestURI() != s.CertificateURL {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", chainType)
	w.Write(s.Chain)
}

// Files of a signer in a folder.
const (
	rootFile  = "root.pem"
	chainFile = "chain.pem"
	keyFile   = "key.pem"
)

// OpenSigner returns the signer of a folder, and makes one if the folder has none, so that it stays the same from one
// run to the next: root.pem is what a skill must trust, chain.pem what it must find under the CertificateURL. The
// folder must exist.
func OpenSigner(folder string) (*Signer, error) {
	signer, err := loadSigner(folder)
	if !errors.Is(err, os.ErrNotExist) {
		return signer, err
	}
	if signer, err = NewSigner(SignerConfig{}); err != nil {
		return nil, err
	}
	key, err := x509.MarshalPKCS8PrivateKey(signer.key)
	if err != nil {
		return nil, err
	}
	for _, file := range []struct { // the key last: without it there is no signer in the folder
		name    string
		content []byte
		mode    os.FileMode
	}{
		{rootFile, signer.Root, 0o644},
		{chainFile, signer.Chain, 0o644},
		{keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600},
	} {
		if err := os.WriteFile(filepath.Join(folder, file.name), file.content, file.mode); err != nil {
			return nil, err
		}
	}
	return signer, nil
}

func loadSigner(folder string) (*Signer, error) {
	key, err := os.ReadFile(filepath.Join(folder, keyFile))
	if err != nil {
		return nil, err
	}
	signer := &Signer{CertificateURL: testChainURL}
	var rootErr, chainErr error
	signer.Root, rootErr = os.ReadFile(filepath.Join(folder, rootFile))
	signer.Chain, chainErr = os.ReadFile(filepath.Join(folder, chainFile))
	if err := errors.Join(rootErr, chainErr); err != nil {
		return nil, fmt.Errorf("simulator: %s is not complete; remove it: %v", folder, err)
	}
	pair, err := tls.X509KeyPair(signer.Chain, key)
	if err != nil {
		return nil, fmt.Errorf("simulator: %s is not a signer; use an empty folder: %w", folder, err)
	}
	isRSA := false
	if signer.key, isRSA = pair.PrivateKey.(*rsa.PrivateKey); !isRSA {
		return nil, fmt.Errorf("simulator: the key in %s is not an RSA key; use an empty folder", folder)
	}
	if time.Now().After(pair.Leaf.NotAfter) {
		return nil, fmt.Errorf("simulator: the certificate in %s has expired; "+
			"remove its files, and let the skill trust the new %s", folder, rootFile)
	}
	return signer, nil
}
