package server_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/internal/testbridge"
)

// startForBenchmark starts a bridge that logs nothing, with room for all links in its cache.
func startForBenchmark(tb testing.TB) *testBridge {
	tb.Helper()
	return startBridge(tb, withCodeGrant, func(b *testBridge) {
		b.LogLevel, b.Config.Memory = slog.LevelError, 64<<20
		b.Skill.Claims = []string{bridge.ClaimEmail, bridge.ClaimName}
	})
}

// BenchmarkLookup measures cached lookups of 10,000 links in turn over HTTP, beside a bare handler that reads the
// same body and writes the same response. Only their ratio within one run is comparable.
func BenchmarkLookup(b *testing.B) {
	tb := startForBenchmark(b)
	tokens := createLinks(tb, 10_000)
	tb.RunBackground()
	body := benchmarkResponse(tb, tokens[0]).Body.Bytes()
	bare := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		w.Write(body)
	}))
	defer bare.Close()
	b.Run("bare", func(b *testing.B) { benchmarkLookups(b, bare.URL, tokens) })
	b.Run("lookup", func(b *testing.B) { benchmarkLookups(b, tb.Origin, tokens) })
}

func benchmarkLookups(b *testing.B, origin string, tokens []string) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			form := url.Values{"token": {tokens[i*7919%len(tokens)]}}
			if !post(b, client, origin+"/lookup", testbridge.BackendID, testbridge.BackendSecret, form) {
				return
			}
		}
	})
}

// post posts a form and reports whether the status is 200.
func post(b *testing.B, client *http.Client, target, id, secret string, form url.Values) bool {
	request, err := http.NewRequest(http.MethodPost, target, strings.NewReader(form.Encode()))
	if err != nil {
		b.Error(err)
		return false
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth(id, secret)
	response, err := client.Do(request)
	if err != nil {
		b.Error(err)
		return false
	}
	defer response.Body.Close()
	io.Copy(io.Discard, response.Body)
	if response.StatusCode != http.StatusOK {
		b.Errorf("status %d", response.StatusCode)
	}
	return response.StatusCode == http.StatusOK
}

// benchmarkResponse is the lookup response for a token, which must be active.
func benchmarkResponse(b *testBridge, token string) *httptest.ResponseRecorder {
	b.Helper()
	recorder := httptest.NewRecorder()
	b.Server.Public.ServeHTTP(recorder, lookupRequest(b, url.Values{"token": {token}}))
	if !strings.Contains(recorder.Body.String(), `"active":true`) {
		b.Fatalf("status %d: %s", recorder.Code, recorder.Body)
	}
	return recorder
}

// BenchmarkLookupHandler measures time and allocations of cached lookups of 20,000 links in turn without an HTTP
// server, beside a bare handler that reads and writes the same.
func BenchmarkLookupHandler(b *testing.B) {
	tb := startForBenchmark(b)
	tokens := createLinks(tb, 20_000)
	tb.RunBackground()
	response := benchmarkResponse(tb, tokens[0])
	bare := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.ReadAll(r.Body)
		for name, values := range response.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(http.StatusOK)
		w.Write(response.Body.Bytes())
	})
	for name, handler := range map[string]http.Handler{"bare": bare, "lookup": tb.Server.Public} {
		b.Run(name, func(b *testing.B) { benchmarkHandler(b, handler, lookupRequest(tb, url.Values{}), tokens) })
	}
}

func benchmarkHandler(b *testing.B, handler http.Handler, request *http.Request, tokens []string) {
	bodies := make([]*bytes.Reader, len(tokens))
	for i, token := range tokens {
		bodies[i] = bytes.NewReader([]byte("token=" + token))
	}
	w := &discardResponse{header: http.Header{}}
	serve := func(i int) {
		clear(w.header)
		body := bodies[i*7919%len(bodies)]
		body.Seek(0, io.SeekStart)
		request.Body = io.NopCloser(body)
		handler.ServeHTTP(w, request)
	}
	for i := range bodies {
		serve(i)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; b.Loop(); i++ {
		serve(i)
	}
}

// discardResponse discards a response.
type discardResponse struct{ header http.Header }

func (d *discardResponse) Header() http.Header            { return d.header }
func (d *discardResponse) Write(body []byte) (int, error) { return len(body), nil }
func (d *discardResponse) WriteHeader(int)                {}

// BenchmarkRefresh measures refreshes over HTTP, each on disk before its response is sent, with 1 and with 32
// callers. It reports refreshes a second and the 99th percentile of their durations.
func BenchmarkRefresh(b *testing.B) {
	for _, callers := range []int{1, 32} {
		b.Run(fmt.Sprintf("%d callers", callers), func(b *testing.B) { benchmarkRefreshes(b, callers) })
	}
}

func benchmarkRefreshes(b *testing.B, callers int) {
	tb := startForBenchmark(b)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: callers}}
	durations := make([][]time.Duration, callers)
	var left atomic.Int64
	left.Store(int64(b.N))
	var group sync.WaitGroup
	tokens := make([]string, callers)
	for i := range tokens {
		tokens[i] = tb.LinkByCode().RefreshToken
	}
	b.ResetTimer()
	for i, token := range tokens {
		form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
		group.Go(func() {
			for left.Add(-1) >= 0 {
				began := time.Now()
				post(b, client, tb.Origin+"/token", "pizza", skillSecret, form)
				durations[i] = append(durations[i], time.Since(began))
			}
		})
	}
	group.Wait()
	all := slices.Concat(durations...)
	slices.Sort(all)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "refreshes/s")
	b.ReportMetric(float64(all[len(all)*99/100].Microseconds())/1000, "p99-ms")
}

// createLinks creates links by the implicit grant, concurrently so that they share commits, and returns their access
// tokens.
func createLinks(b *testBridge, n int) []string {
	b.Helper()
	tokens, errs := make([]string, n), make([]error, n)
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			tokens[i] = bridge.NewRandomToken(bridge.AccessTokenKind)
			errs[i] = createLink(b, bridge.NewLink{Token: bridge.HashOf(tokens[i]), Link: bridge.Link{
				ID: bridge.NewLinkID(), ClientID: "pizza", Grant: bridge.GrantImplicit, CreatedAt: time.Now(), Scope: "orders",
				Identity: bridge.Identity{Claims: bridge.Claims{"email": "ada@contoso.com", "name": "Ada Lovelace"}},
			}})
		})
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		b.Fatal(err)
	}
	return tokens
}

// createLink creates a link at the provider of the bridge, as consent does. The subject is the id of the link.
func createLink(b *testBridge, link bridge.NewLink) error {
	ctx, handle, provider := context.Background(), bridge.HashOf("handle of "+link.Link.ID), b.Config.Providers[0]
	pending := bridge.PendingConsent{Handle: handle, ExpiresAt: link.Link.CreatedAt.Add(time.Hour)}
	if err := b.Store.CreatePendingConsent(ctx, pending); err != nil {
		return err
	}
	link.Link.Identity.Subject = link.Link.ID
	link.Link.Identity.Provider = bridge.Provider{ID: provider.ID, Issuer: provider.Issuer, SubjectClaim: "sub"}
	return b.Store.Link(ctx, handle, link)
}
