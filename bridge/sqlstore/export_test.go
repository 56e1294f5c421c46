package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/internal/postgrestest"
)

// An export is of one moment, whatever is written while it is read.
func TestExportIsOfOneMoment(t *testing.T) {
	onBoth(t, func(t *testing.T, empty func(*testing.T) *Store) {
		const n = 2*pageSize + 7
		store := empty(t)
		mustImport(t, store, numbered(n), Imported{Added: n})
		exported := map[string]bool{}
		for record, err := range store.Export(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			exported[record.Link.ID] = true
			if record.Link.Revoked() || len(record.Tokens) != 1 {
				t.Fatalf("%+v", record)
			}
			if len(exported)%100 != 1 {
				continue
			}
			// Between those of the export, and after it.
			newer := implicit(n + len(exported))
			newer.Link.ID = fmt.Sprintf("lnk_%07dnewer", len(exported)+50)
			mustImport(t, store, all([]Record{newer}), Imported{Added: 1})
			last := implicit(n - len(exported)).Link.ID
			if _, err := store.Revoke(t.Context(), bridge.LinkFilter{IDs: []string{last}}, "x", begin); err != nil {
				t.Fatal(err)
			}
		}
		if len(exported) != n {
			t.Errorf("%d links", len(exported))
		}
		if names := slices.Sorted(maps.Keys(exported)); names[n-1] != implicit(n-1).Link.ID {
			t.Errorf("the last is %s", names[n-1])
		}
	})
}

// Whoever takes the records may be slow, however short a time a transaction may otherwise be idle.
func TestExportToSomebodySlow(t *testing.T) {
	const n = pageSize + 1
	dsn := postgrestest.ForTest(t, postgrestest.Config{}).DatabaseFor(t) + "&idle_in_transaction_session_timeout=100ms"
	store := createPostgreSQL(t, dsn)
	mustImport(t, store, numbered(n), Imported{Added: n})
	exported := 0
	for _, err := range store.Export(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if exported++; exported == 1 {
			waitUntilEnded(t, dsn)
		}
	}
	if exported != n {
		t.Errorf("%d links", exported)
	}
}

// waitUntilEnded begins a transaction and waits until the server ends it for being idle.
func waitUntilEnded(t *testing.T, dsn string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), `BEGIN`); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.WaitForNotification(t.Context()); err == nil {
		t.Error("notified")
	}
}

func TestExportStops(t *testing.T) {
	store := furnish(t, newSQLite(t)).store
	ctx, cancel := context.WithCancel(t.Context())
	for range store.Export(ctx) {
		break // must not be asked for more
	}
	cancel()
	for record, err := range store.Export(ctx) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%+v, %v", record, err)
		}
	}
}
