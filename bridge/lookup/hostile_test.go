package lookup_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"alexa-oidc-bridge/bridge/lookup"
)

// hostileToken is a token that must not be in any error.
const hostileToken = "aob_at_0123456789"

// rawBridge responds by bytes that need not be HTTP. It returns the URL.
func rawBridge(t *testing.T, response string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			if request, err := http.ReadRequest(bufio.NewReader(connection)); err == nil {
				io.Copy(io.Discard, request.Body)
				io.WriteString(connection, response)
			}
			connection.Close()
		}
	}()
	return "http://" + listener.Addr().String() + "/lookup?code=key-of-the-function"
}

// TestErrorsHaveNoSecrets is for servers that send back what they got, whose text must not fill a log either.
func TestErrorsHaveNoSecrets(t *testing.T) {
	echo := func(status string) string {
		body := `{"error":"token=` + hostileToken + `","error_description":"` + hostileToken +
			strings.Repeat("é", 100_000) + `"}`
		return fmt.Sprintf("HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s", status, len(body), body)
	}
	for name, response := range map[string]string{
		"not HTTP": "token=" + hostileToken + "\r\n\r\n", "a header": "HTTP/1.1 200 OK\r\ntoken=" + hostileToken + "\r\n\r\n",
		"a status": "HTTP/1.1 x token=" + hostileToken + "\r\n\r\n", "bad request": echo("400 Bad Request"),
		"redirect": "HTTP/1.1 307 x\r\nLocation: http://[::1" + hostileToken + "\r\nContent-Length: 0\r\n\r\n",
		"nothing":  "", "half": echo("400 Bad Request")[:200],
	} {
		client := &lookup.Client{Endpoint: rawBridge(t, response), ID: "a", Secret: "b"}
		var log strings.Builder
		old := slog.Default()
		slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
		body := `{"request":{"type":"LaunchRequest"},"context":{"System":{"user":{"accessToken":"` + hostileToken + `"}}}}`
		w := httptest.NewRecorder()
		client.Middleware(http.NotFoundHandler()).ServeHTTP(w,
			httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body)))
		slog.SetDefault(old)
		if text := log.String() + w.Body.String(); strings.Contains(text, hostileToken) ||
			strings.Contains(text, "key-of-the-function") || log.Len() > 1000 ||
			!strings.Contains(w.Body.String(), "try again later") {
			t.Errorf("%s: %.1000s", name, text)
		}
	}
}

// TestErrorsOfParsing have nothing of the body.
func TestErrorsOfParsing(t *testing.T) {
	for _, body := range []string{
		`{"request":{"type":"IntentRequest"},"context":{"System":{"user":{"accessToken":"aob_at_0123456789"x}}}}`,
		"aob_at_0123456789", `"aob_at_0123456789"`, `{"request":"aob_at_0123456789"}`,
	} {
		if _, err := lookup.ParseRequest([]byte(body)); err == nil || strings.Contains(err.Error(), "aob") {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// TestWrongEndpoint is no outage: it does not go away by itself.
func TestWrongEndpoint(t *testing.T) {
	for _, endpoint := range []string{
		"", "link.example.com/lookup", "ftp://link.example.com/lookup", "https:///lookup", "https://[::1/",
	} {
		client := &lookup.Client{Endpoint: endpoint, ID: "a", Secret: "b"}
		_, err := client.Lookup(t.Context(), &lookup.Request{Token: "token"})
		if err == nil || errors.Is(err, lookup.ErrUnavailable) || errors.Is(err, lookup.ErrNotLinked) ||
			!strings.Contains(err.Error(), "Endpoint") {
			t.Errorf("%q: %v", endpoint, err)
		}
	}
}

// TestOwnClientWithoutTimeout gives up in time for Alexa, too.
func TestOwnClientWithoutTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := &lookup.Client{Endpoint: "http://bridge/lookup", HTTPClient: &http.Client{Transport: silentBridge{}}}
		start := time.Now()
		_, err := client.Lookup(t.Context(), &lookup.Request{Token: "token"})
		if took := time.Since(start); !errors.Is(err, lookup.ErrUnavailable) || took > 3*time.Second {
			t.Errorf("after %v: %v", took, err)
		}
	})
}

// silentBridge never responds.
type silentBridge struct{}

func (silentBridge) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// TestCacheFromTheStart of the lookup: a link may have been revoked while the response was on its way.
func TestCacheFromTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bridge := &fakeBridge{respond: func(string) (int, string) {
			time.Sleep(2 * time.Second)
			return 200, personJSON("ada", 0)
		}}
		client := bridge.client()
		client.CacheFor = 10 * time.Second
		lookUp := func() { client.Lookup(context.Background(), &lookup.Request{Token: "token"}) }
		lookUp()
		time.Sleep(7 * time.Second)
		lookUp()
		bridge.wantAsked(t, 1)
		time.Sleep(time.Second)
		lookUp()
		bridge.wantAsked(t, 1)
	})
}
