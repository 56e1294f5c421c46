package server_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/keys"
	"alexa-oidc-bridge/bridge/server"
	"alexa-oidc-bridge/bridge/sqlstore"
)

// BenchmarkLookUp times lookups of 10,000 links in turn beside a bare handler that reads the same body and writes the same
// answer, both over HTTP on kept connections. Only the ratio of the two says anything; take both from one run.
func BenchmarkLookUp(b *testing.B) {
	store, err := sqlstore.Open(b.Context(), sqlstore.Options{Driver: "sqlite", DSN: filepath.Join(b.TempDir(), "bridge.db"), Create: true})
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	tokens := fillStore(b, store, 10_000)
	handler := benchServer(b, store).Public

	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, benchRequest(b, "http://127.0.0.1", tokens[0]))
	if answer.Code != http.StatusOK || !strings.Contains(answer.Body.String(), `"active":true`) {
		b.Fatalf("status %d: %s", answer.Code, answer.Body)
	}
	bare := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		w.Write(answer.Body.Bytes())
	})
	b.Run("bare", func(b *testing.B) { benchHandler(b, bare, tokens) })
	b.Run("lookup", func(b *testing.B) { benchHandler(b, handler, tokens) })
}

func benchHandler(b *testing.B, handler http.Handler, tokens []string) {
	web := httptest.NewServer(handler)
	defer web.Close()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			response, err := client.Do(benchRequest(b, web.URL, tokens[i*7919%len(tokens)]))
			if err != nil {
				b.Error(err)
				return
			}
			io.Copy(io.Discard, response.Body)
			response.Body.Close()
			if response.StatusCode != http.StatusOK {
				b.Errorf("status %d", response.StatusCode)
				return
			}
		}
	})
}

func benchRequest(b *testing.B, origin, token string) *http.Request {
	request, err := http.NewRequest(http.MethodPost, origin+"/lookup", strings.NewReader(url.Values{"token": {token}}.Encode()))
	if err != nil {
		b.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth(backendID, backendSecret)
	return request
}

func benchServer(b *testing.B, store bridge.Store) *server.Server {
	secret, err := keys.Parse(keys.Generate())
	if err != nil {
		b.Fatal(err)
	}
	built, err := server.New(server.Config{
		PublicURL: "https://link.example.com", MaxStaleness: 30 * time.Second, Memory: 64 << 20,
		Keys:      keys.NewRing(secret),
		Providers: nil,
		Skills: []*bridge.Skill{{ClientID: "pizza", Claims: []string{"email", "name"},
			Grants: []bridge.Grant{bridge.GrantAuthorizationCode}, Secrets: []bridge.Secret{bridge.NewSecret(backendSecret)}, AccessLifetime: time.Hour}},
		Backends: []*bridge.Backend{{ID: backendID, Secrets: []bridge.Secret{bridge.NewSecret(backendSecret)}, Skills: []string{"pizza"}}},
	}, server.Deps{Store: store, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	return built
}

// BenchmarkRefresh times refreshes at /token over HTTP, each on disk before its answer leaves, with 1 and with 32 callers. It
// reports refreshes a second and the 99th percentile of their durations.
func BenchmarkRefresh(b *testing.B) {
	for _, callers := range []int{1, 32} {
		b.Run(fmt.Sprintf("%d callers", callers), func(b *testing.B) { benchRefresh(b, callers) })
	}
}

func benchRefresh(b *testing.B, callers int) {
	store, err := sqlstore.Open(b.Context(), sqlstore.Options{Driver: "sqlite", DSN: filepath.Join(b.TempDir(), "bridge.db"), Create: true})
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	tokens := fillCodeLinks(b, store, callers)
	web := httptest.NewServer(benchServer(b, store).Public)
	defer web.Close()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: callers}}
	durations := make([][]time.Duration, callers)
	var left atomic.Int64
	left.Store(int64(b.N))
	var group sync.WaitGroup
	b.ResetTimer()
	for i := range callers {
		group.Go(func() {
			for left.Add(-1) >= 0 {
				began := time.Now()
				benchRefreshOnce(b, client, web.URL, tokens[i])
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

func benchRefreshOnce(b *testing.B, client *http.Client, origin, token string) {
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
	request, err := http.NewRequest(http.MethodPost, origin+"/token", strings.NewReader(form.Encode()))
	if err != nil {
		b.Error(err)
		return
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth("pizza", backendSecret)
	response, err := client.Do(request)
	if err != nil {
		b.Error(err)
		return
	}
	defer response.Body.Close()
	io.Copy(io.Discard, response.Body)
	if response.StatusCode != http.StatusOK {
		b.Errorf("status %d", response.StatusCode)
	}
}

// fillCodeLinks makes links by the code grant and returns their refresh tokens.
func fillCodeLinks(b *testing.B, store bridge.Store, n int) []string {
	var tokens []string
	now := time.Now()
	for range n {
		id, refresh := bridge.NewLinkID(), bridge.NewRandomToken(bridge.RefreshTokenKind)
		handle := bridge.HashOf(id)
		err := errors.Join(
			store.CreatePendingConsent(b.Context(), bridge.PendingConsent{Handle: handle, ExpiresAt: now.Add(time.Hour)}),
			store.Link(b.Context(), handle, bridge.NewLink{
				Code: &bridge.NewCode{Hash: handle, ExpiresAt: now.Add(time.Hour)},
				Link: bridge.Link{ID: id, ClientID: "pizza", Grant: bridge.GrantAuthorizationCode, CreatedAt: now},
			}))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := store.Redeem(b.Context(), bridge.Redemption{Code: handle, ClientID: "pizza", Now: now,
			Tokens:  bridge.NewTokens{Access: bridge.HashOf(id + "access"), Refresh: bridge.HashOf(refresh)},
			Honours: func(*bridge.Link) bool { return true }}); err != nil {
			b.Fatal(err)
		}
		tokens = append(tokens, refresh)
	}
	return tokens
}

// fillStore makes links, many at once so that they share commits.
func fillStore(b *testing.B, store bridge.Store, n int) []string {
	tokens := make([]string, n)
	now := time.Now()
	made := make(chan error, n)
	for i := range n {
		go func() {
			id := bridge.NewLinkID()
			tokens[i] = bridge.NewToken(bridge.AccessTokenKind, [32]byte([]byte(id + "0123456789")[:32]))
			made <- fillOne(b.Context(), store, id, tokens[i], now)
		}()
	}
	for range n {
		if err := <-made; err != nil {
			b.Fatal(err)
		}
	}
	return tokens
}

func fillOne(ctx context.Context, store bridge.Store, id, token string, now time.Time) error {
	handle := bridge.HashOf(id)
	if err := store.CreatePendingConsent(ctx, bridge.PendingConsent{Handle: handle, ExpiresAt: now.Add(time.Hour)}); err != nil {
		return err
	}
	return store.Link(ctx, handle, bridge.NewLink{Token: bridge.HashOf(token), Link: bridge.Link{
		ID: id, ClientID: "pizza", Grant: bridge.GrantImplicit, CreatedAt: now, Scope: "orders",
		Identity: bridge.Identity{Subject: id, Claims: bridge.Claims{"email": "ada@contoso.com", "name": "Ada Lovelace"}},
	}})
}
