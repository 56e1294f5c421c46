package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/alexa"
	"alexa-oidc-bridge/bridge/keys"
	"alexa-oidc-bridge/bridge/server"
	"alexa-oidc-bridge/bridge/sqlstore"
	"alexa-oidc-bridge/bridge/upstream"
)

// A program mounts the bridge besides its own handlers, with a store that it has opened itself. The admin handler, with
// health and metrics, belongs on another port, which the public cannot reach.
func Example() {
	ctx, cancel := context.WithCancel(context.Background())
	folder, err := os.MkdirTemp("", "bridge")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	store, err := sqlstore.Open(ctx, sqlstore.Options{
		Driver: sqlstore.SQLite, DSN: filepath.Join(folder, "bridge.db"), Create: true,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	secret, err := keys.Parse(keys.Generate()) // in production: the same one at each start
	if err != nil {
		log.Fatal(err)
	}

	links, err := server.New(server.Config{
		PublicURL: "https://link.contoso.example",
		Keys:      keys.NewRing(secret),
		Providers: []upstream.Config{{
			ID: "corp", Issuer: "https://login.contoso.example", ClientID: "alexa-bridge", ClientSecret: "from the provider",
			Scopes: []string{"openid", "profile", "email"},
		}},
		Skills: []*bridge.Skill{{
			ClientID: "pizza", Name: "Contoso Pizza", Provider: "corp", Consent: true,
			Grants: []bridge.Grant{bridge.GrantImplicit}, RedirectURIs: alexa.RedirectURIs("M2AAAAAAAAAAAA"),
		}},
		Backends: []*bridge.Backend{{
			ID: "pizza-backend", Secrets: []bridge.Secret{bridge.NewSecret("a long random text")}, Skills: []string{"pizza"},
		}},
	}, server.Deps{Store: store, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		log.Fatal(err)
	}
	var background sync.WaitGroup
	background.Go(func() { links.Run(ctx) })
	defer background.Wait()
	defer cancel()

	mux := http.NewServeMux()
	mux.Handle("link.contoso.example/", links.Public)
	mux.HandleFunc("shop.contoso.example/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "Pizza!") })

	// In production: http.ListenAndServe(":8080", mux)
	fmt.Println(get(mux, "https://shop.contoso.example/"))
	var metadata map[string]any
	body := get(mux, "https://link.contoso.example/.well-known/oauth-authorization-server")
	if err := json.NewDecoder(strings.NewReader(body)).Decode(&metadata); err != nil {
		log.Fatal(err)
	}
	fmt.Println(metadata["authorization_endpoint"])
	fmt.Println(metadata["introspection_endpoint"])

	// Output:
	// Pizza!
	// https://link.contoso.example/authorize
	// https://link.contoso.example/lookup
}

// get returns the body of the response to a GET request.
func get(handler http.Handler, address string) string {
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, address, nil))
	return recorder.Body.String()
}
