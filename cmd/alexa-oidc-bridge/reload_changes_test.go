package main

import (
	"encoding/pem"
	"fmt"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"alexa-oidc-bridge/bridge/keys"
	"alexa-oidc-bridge/bridge/sqlstore"
	"alexa-oidc-bridge/config"
)

// TestDescribeChanges compares a configuration with itself and with others.
func TestDescribeChanges(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	authority := filepath.Join(t.TempDir(), "ca.pem")
	mustWriteFile(t, authority,
		string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	path := mintConfig(t, sqlstore.SQLite, "bridge.db")
	editConfig(t, path, "client_id: bridge", "client_id: bridge, ca_file: "+authority)
	load := func() *config.Config {
		t.Helper()
		loaded, _, err := config.Load(path)
		if err != nil {
			t.Fatal(err)
		}
		return loaded
	}
	good, before := mustReadFile(t, path), load()
	for _, tt := range []struct {
		from, to, want string
	}{
		{"", "", "[]"},
		{"ca_file: " + authority, "ca_file: ''", "[providers_changed [corp]]"},
		{"client_id: bridge,", "client_id: bridge, scopes: [openid],", "[providers_changed [corp]]"},
		{"client_id: bridge,", "client_id: bridge, offline: true,", "[providers_changed [corp]]"},
		{"    test_tokens: true\n", "    consent: false\n", "[skills_changed [pizza]]"},
		{"    test_tokens: true\n", "    skill_ids: [amzn1.ask.skill.1]\n", "[skills_changed [pizza]]"},
		{"skills: [pizza]}]", "skills: [pizza, lights]}]", "[backends_changed [pizza-backend]]"},
		{"skills:\n", "limits: {requests_per_minute: 1}\nlookup: {max_staleness: 9s}\nended_retention: 9h\nskills:\n",
			"[settings_changed [limits.requests_per_minute lookup.max_staleness ended_retention]]"},
		{"keys: [", "keys: [" + keys.Generate() + ", ", "[settings_changed [keys]]"},
	} {
		mustWriteFile(t, path, good)
		editConfig(t, path, tt.from, tt.to)
		if got := fmt.Sprint(describeChanges(before, load())); got != tt.want {
			t.Errorf("%q: got %s, want %s", tt.to, got, tt.want)
		}
	}
}
