package sqlstore

import (
	"slices"
	"testing"

	"alexa-oidc-bridge/bridge"
)

// TestAuditOfImport imports that one link was revoked and that another was erased, together, into a database where both
// are live. Links that an import adds were made elsewhere, and have no record.
func TestAuditOfImport(t *testing.T) {
	eachDatabase(t, func(t *testing.T, open func(testing.TB) *Store) {
		store := open(t)
		revoked, erased := implicitLink(0), implicitLink(1)
		revoked[0].Link.Subject, erased[0].Link.Subject = "ada", "bob"
		mustImport(t, store, sequenceOf(slices.Concat(revoked, erased)), Imported{Added: 2})
		if records, err := store.Audit(t.Context(), bridge.AuditFilter{}); err != nil || len(records) != 0 {
			t.Errorf("%+v, %v", records, err)
		}
		revoked[0].Link.RevokedAt, revoked[0].Link.Reason, revoked[0].Link.Actor = begin.Unix(), "stolen", "command:ada@host"
		mustImport(t, store, sequenceOf(slices.Concat(revoked, tombstoneOf(erased))), Imported{Revoked: 1, Erased: 1})
		records, err := store.Audit(t.Context(), bridge.AuditFilter{})
		must(t, err)
		record := func(id string, event bridge.AuditEvent, reason bridge.Reason, by bridge.Actor, subject string,
		) bridge.AuditRecord {
			return bridge.AuditRecord{Event: event, Reason: reason, Actor: by, ClientID: "pizza", LinkID: id, Subject: subject}
		}
		want := []bridge.AuditRecord{
			record("lnk_0000000", bridge.AuditRevoked, "stolen", "command:ada@host", "ada"),
			record("lnk_0000001", bridge.AuditRevoked, bridge.ReasonErased, bridge.ActorSystem, ""),
			record("lnk_0000001", bridge.AuditForgotten, bridge.ReasonErased, bridge.ActorSystem, ""),
		}
		for i, record := range records {
			records[i].ID, records[i].At = "", want[0].At
			if record.At.Before(begin) {
				t.Errorf("%+v", record)
			}
		}
		if !slices.Equal(records, want) {
			t.Errorf("%+v\nwant\n%+v", records, want)
		}
	})
}
