package server_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
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
		PublicURL: "https://link.example.com",
		Keys:      keys.NewRing(secret),
		Providers: nil,
		Skills:    []*bridge.Skill{{ClientID: "pizza", Claims: []string{"email", "name"}}},
		Backends:  []*bridge.Backend{{ID: backendID, Secrets: []bridge.Secret{bridge.NewSecret(backendSecret)}, Skills: []string{"pizza"}}},
	}, server.Deps{Store: store, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	return built
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
	if err := store.Await(ctx, bridge.PendingConsent{Handle: handle, ExpiresAt: now.Add(time.Hour)}); err != nil {
		return err
	}
	return store.Link(ctx, handle, bridge.NewLink{Token: bridge.HashOf(token), Link: bridge.Link{
		ID: id, ClientID: "pizza", Grant: bridge.GrantImplicit, CreatedAt: now, Scope: "orders",
		Identity: bridge.Identity{Subject: id, Claims: bridge.Claims{"email": "ada@contoso.com", "name": "Ada Lovelace"}},
	}})
}
