//go:build strict

package deployments_test

import (
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"alexa-oidc-bridge/internal/testmachine"
)

// nginxAround is what docs/operations.md leaves to the machine: a certificate, and where files are.
const nginxAround = `USER daemon off;
worker_processes 1;
pid HOME/nginx.pid;
error_log stderr notice;
events {}
http {
	access_log off;
	client_body_temp_path HOME/body;
	proxy_temp_path HOME/proxy;
	fastcgi_temp_path HOME/fastcgi;
	uwsgi_temp_path HOME/uwsgi;
	scgi_temp_path HOME/scgi;
	ssl_certificate HOME/certificate.pem;
	ssl_certificate_key HOME/key.pem;
	SERVER
}
`

// startNginx starts nginx with the configuration of docs/operations.md, on a loopback port, and with HTTP/2.
func startNginx(t *testing.T, replica http.HandlerFunc) *proxy {
	t.Helper()
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		nginx, err = exec.LookPath("/usr/sbin/nginx")
	}
	testmachine.Need(t, err == nil, "nginx is not installed")
	documented := regexp.MustCompile("(?s)```nginx\n(.*?)```").FindStringSubmatch(read(t, "../../docs/operations.md"))
	if documented == nil {
		t.Fatal("docs/operations.md has no configuration of nginx")
	}
	home, port, user := t.TempDir(), freePort(t), ""
	if os.Geteuid() == 0 {
		user = "user root;" // who may read the files of the test
	}
	writeCertificate(t, home)
	file := filepath.Join(home, "nginx.conf")
	servers := strings.NewReplacer("listen 443 ssl;", "listen 127.0.0.1:"+port+" ssl http2;",
		"127.0.0.1:8080", startReplica(t, replica)).Replace(documented[1])
	write(t, file, strings.NewReplacer("USER", user, "HOME", home, "SERVER", servers).Replace(nginxAround))
	p := &proxy{origin: "https://localhost:" + port}
	p.run(t, exec.Command(nginx, "-e", "stderr", "-p", home, "-c", file), syscall.SIGQUIT, "start worker process ")
	return p
}

// writeCertificate writes the certificate that httptest has.
func writeCertificate(t *testing.T, folder string) {
	t.Helper()
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	pair := server.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, bytes []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: bytes}))
	}
	write(t, filepath.Join(folder, "certificate.pem"), block("CERTIFICATE", pair.Certificate[0]))
	write(t, filepath.Join(folder, "key.pem"), block("PRIVATE KEY", key))
}
