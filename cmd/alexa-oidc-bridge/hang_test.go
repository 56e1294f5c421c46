package main

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"alexa-oidc-bridge/internal/postgrestest"
)

// A server whose database hangs ends in time when it is asked to.
func TestStopsWhileTheDatabaseHangs(t *testing.T) {
	server := postgrestest.ForTest(t, postgrestest.Config{})
	network := server.ProxyForTest(t)
	place := newPlaces(t, 1)[0]
	text, err := os.ReadFile(place.config)
	if err != nil {
		t.Fatal(err)
	}
	storage := fmt.Sprintf("storage: {driver: postgres, dsn: %q}", network.DSN(server.DatabaseFor(t)))
	if err := os.WriteFile(place.config, []byte(strings.Replace(string(text), "storage: {dsn: bridge.db}", storage, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	running := place.serve()
	token := place.link()
	var group sync.WaitGroup
	for range 8 { // so that there are connections to be closed
		group.Go(func() { place.active(token) })
	}
	group.Wait()
	if err := network.Set(postgrestest.Hang); err != nil {
		t.Fatal(err)
	}
	group.Go(func() { http.Post(place.origin+"/token", "application/x-www-form-urlencoded", strings.NewReader("")) })
	began := time.Now()
	running.signal(syscall.SIGTERM)
	running.wait()
	if took := time.Since(began); took >= 8*time.Second {
		t.Errorf("ended after %v", took)
	}
	group.Wait()
}
