package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/keys"
	"alexa-oidc-bridge/bridge/sqlstore"
)

func TestTry(t *testing.T) {
	for _, name := range []string{"PIZZA_CLIENT_SECRET", "PIZZA_BACKEND_SECRET", "CORP_CLIENT_SECRET",
		"HR_ADMIN_SECRET", "BRIDGE_KEY"} {
		t.Setenv(name, keys.Generate())
	}
	const path = "../../config.example.yaml"
	database := filepath.Join(t.TempDir(), "bridge.db")
	t.Setenv("BRIDGE_STORAGE_DSN", database)
	code, _, stderr := runCommand("try", "--config", path)
	if _, err := os.Stat(database); code != 1 || !strings.Contains(stderr, "serve creates the database") || err == nil {
		t.Errorf("without a database: exit code %d, %q, %v", code, stderr, err)
	}
	created, err := sqlstore.Open(t.Context(), sqlstore.Options{Driver: sqlstore.SQLite, DSN: database, Create: true})
	if err != nil {
		t.Fatal(err)
	}
	created.Close()
	code, stdout, stderr := runCommand("try", "--config", path)
	secret, found := strings.CutPrefix(strings.TrimSpace(stdout), "https://link.example.com/try/")
	if code != 0 || !found || len(secret) < 43 {
		t.Fatalf("exit code %d, %q, %q", code, stdout, stderr)
	}
	store, err := sqlstore.Open(t.Context(), sqlstore.Options{Driver: sqlstore.SQLite, DSN: database})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	pending, err := store.PendingConsent(t.Context(), bridge.HashOf(secret), time.Now())
	if err != nil || pending.ExpiresAt.After(time.Now().Add(bridge.TicketLifetime)) {
		t.Errorf("the ticket ends at %v, %v", pending.ExpiresAt, err)
	}
	_, err = store.PendingConsent(t.Context(), bridge.HashOf(secret), time.Now().Add(bridge.TicketLifetime))
	if !errors.Is(err, bridge.ErrNotFound) {
		t.Errorf("the ticket after 10 minutes: %v", err)
	}
	content, err := os.ReadFile(database)
	if err != nil || strings.Contains(string(content), secret) {
		t.Errorf("the database has the secret of the ticket, or cannot be read: %v", err)
	}
	if code, _, stderr := runCommand("try", "--config", path, "--skill", "nobody"); code != 2 ||
		!strings.Contains(stderr, "no skill") {
		t.Errorf("unknown skill: exit code %d, %q", code, stderr)
	}
}
