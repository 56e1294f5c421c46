package main

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/sqlstore"
)

// auditStart is the time of the first record of recordAll.
var auditStart = time.Date(2025, 11, 29, 23, 30, 0, 0, time.UTC)

// refusedRecord is a record with every field.
func refusedRecord() bridge.AuditRecord {
	return bridge.AuditRecord{At: auditStart, Event: bridge.AuditRefused, Reason: bridge.ReasonGroups,
		Actor: bridge.ActorPerson, ClientID: "pizza", Provider: "corp", LinkID: "lnk_a", Subject: "ada",
		Origin: bridge.Origin{Ref: "K7QF2M9D", Address: "198.51.100.7"}}
}

// recordAll returns the configuration of a database with these records.
func recordAll(t *testing.T, records ...bridge.AuditRecord) (config string) {
	t.Helper()
	config = emptyFile(t)
	withTestStore(t, config, func(store *sqlstore.Store) {
		for _, record := range records {
			if err := store.Record(t.Context(), record); err != nil {
				t.Fatal(err)
			}
		}
	})
	return config
}

func TestAudit(t *testing.T) {
	t.Parallel()
	minted := bridge.AuditRecord{At: auditStart.Add(time.Hour), Event: bridge.AuditMinted, Actor: "command:ada@host"}
	config := recordAll(t, refusedRecord(), minted)
	code, stdout, stderr := runCommand("audit", "--config", config)
	want := [][]string{
		{"TIME", "EVENT", "REASON", "ACTOR", "SKILL", "PROVIDER", "LINK", "SUBJECT", "REF", "ADDRESS"},
		{"2025-11-29T23:30:00Z", "refused", "groups", "person", "pizza", "corp", "lnk_a", "ada", "K7QF2M9D", "198.51.100.7"},
		{"2025-11-30T00:30:00Z", "minted", "-", "command:ada@host", "-", "-", "-", "-", "-", "-"},
	}
	var got [][]string
	for line := range strings.Lines(stdout) {
		got = append(got, strings.Fields(line))
	}
	if code != 0 || stderr != "" || !reflect.DeepEqual(got, want) {
		t.Errorf("exit code %d, %s\n%s", code, stderr, stdout)
	}
	_, stdout, _ = runCommand("audit", "--json", "--config", config)
	var objects []map[string]string
	if err := json.Unmarshal([]byte(stdout), &objects); err != nil || len(objects) != 2 || len(objects[0]["id"]) != 26 {
		t.Fatalf("%v: %s", err, stdout)
	}
	delete(objects[0], "id")
	if want := map[string]string{"time": "2025-11-29T23:30:00Z", "event": "refused", "reason": "groups", "actor": "person",
		"client_id": "pizza", "provider": "corp", "link_id": "lnk_a", "sub": "ada", "ref": "K7QF2M9D",
		"address": "198.51.100.7"}; !reflect.DeepEqual(objects[0], want) {
		t.Errorf("%v, want %v", objects[0], want)
	}
}

// TestAuditFlags verifies which of four records each flag selects.
func TestAuditFlags(t *testing.T) {
	t.Parallel()
	var records []bridge.AuditRecord
	for i, change := range []func(*bridge.AuditRecord){
		func(r *bridge.AuditRecord) { r.Ref, r.Subject = "AAAABBBB", "bob" },
		func(r *bridge.AuditRecord) { r.LinkID, r.Provider = "lnk_b", "other" },
		func(r *bridge.AuditRecord) { r.ClientID, r.Event = "lights", bridge.AuditLoggedOut },
		func(r *bridge.AuditRecord) { r.At = time.Now() },
	} {
		record := refusedRecord()
		record.At = auditStart.Add(time.Duration(i) * 20 * time.Minute)
		record.Reason = bridge.Reason(fmt.Sprint("reason", i))
		change(&record)
		records = append(records, record)
	}
	config := recordAll(t, records...)
	for flags, want := range map[string]string{
		"":                                  "0123",
		"--ref AAAABBBB":                    "0",
		"--ref aaaa-BBBb":                   "0",
		"--subject ada":                     "123",
		"--link lnk_b":                      "1",
		"--provider corp":                   "023",
		"--skill lights":                    "2",
		"--event logged_out":                "2",
		"--limit 2":                         "23",
		"--limit 0":                         "0123",
		"--since 1h":                        "3",
		"--until 1h":                        "012",
		"--since 2025-11-30":                "23",
		"--until 2025-11-29":                "01",
		"--since 2025-11-29T23:50:00Z":      "123",
		"--until 2025-11-29T23:50:00Z":      "01",
		"--until 2025-11-30T00:49:59+01:00": "0",
		"--since 2025-11-29 --subject ada --limit 1": "3",
	} {
		code, stdout, stderr := runCommand(append(strings.Fields("audit "+flags), "--config", config)...)
		var got string
		for _, match := range regexp.MustCompile(`reason(\d)`).FindAllStringSubmatch(stdout, -1) {
			got += match[1]
		}
		hasMore := strings.Contains(stderr, "there are older records: these are the newest")
		wantMore := strings.Contains(flags, "--limit 1") || strings.Contains(flags, "--limit 2")
		if code != 0 || got != want || hasMore != wantMore {
			t.Errorf("%s: exit code %d, records %s, want %s: %s", flags, code, got, want, stderr)
		}
	}
	if _, stdout, _ := runCommand("audit", "--ref", " aaaa bbbb ", "--config", config); !strings.Contains(stdout,
		"reason0") {
		t.Errorf("with spaces: %s", stdout)
	}
}

func TestAuditMisused(t *testing.T) {
	t.Parallel()
	config := recordAll(t, refusedRecord())
	for flags, want := range map[string]string{
		"--ref=K7QF2M9":      "--ref is not a reference",
		"--ref=K7QF2M9O":     "none of them is I, O, 0 or 1",
		"--ref=":             "--ref is empty",
		"--subject=":         "--subject is empty",
		"--event=logged-out": "use one of linked, refused, minted, ",
		"--since=yesterday":  "--since is not a time",
		"--until=-1h":        "--until is not a time",
		"--limit=-1":         "--limit is negative",
	} {
		code, stdout, stderr := runCommand("audit", flags, "--config", config)
		if code != 2 || stdout != "" || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit code %d: %s%s", flags, code, stdout, stderr)
		}
	}
}

// TestAuditOfNothing verifies that the answer says why there may be no record.
func TestAuditOfNothing(t *testing.T) {
	t.Parallel()
	config := recordAll(t, refusedRecord())
	for flags, want := range map[string]string{
		"--ref=AAAABBBB":   "look for it as ref in the log of the servers",
		"--event=linked":   "Records are removed after audit_retention",
		"--subject=\x1b[m": "no record matches",
	} {
		code, stdout, stderr := runCommand("audit", flags, "--json", "--config", config)
		if code != 0 || stdout != "[]\n" || !strings.Contains(stderr, want) || strings.Contains(stderr, "\x1b") {
			t.Errorf("%s: exit code %d: %q %q", flags, code, stdout, stderr)
		}
	}
}

// TestAuditHasNoControlCharacters shows a record of a database that somebody else wrote.
func TestAuditHasNoControlCharacters(t *testing.T) {
	t.Parallel()
	const evil = "a\x1b[31m\u009b\u202eb"
	config := recordAll(t, bridge.AuditRecord{Event: evil, Reason: evil, Actor: evil, ClientID: evil, Provider: evil,
		LinkID: evil, Subject: evil, Origin: bridge.Origin{Ref: evil, Address: evil}})
	for _, flags := range []string{"--json", "--json=false"} {
		_, stdout, stderr := runCommand("audit", flags, "--config", config)
		if strings.ContainsAny(stdout+stderr, "\x1b\u009b\u202e") || strings.Count(stdout, "[31m") != 9 {
			t.Errorf("%s: %q%q", flags, stdout, stderr)
		}
	}
}

// TestAuditOfCommands revokes and forgets a link by commands, and finds who did it.
func TestAuditOfCommands(t *testing.T) {
	t.Parallel()
	config := emptyFile(t)
	if err := linkSignedIn(t, config, "corp", time.Now()); err != nil {
		t.Fatal(err)
	}
	runCommand("links", "revoke", "--skill", "pizza", "--actor", "grace", "--reason", "stolen", "--config", config)
	if got, want := auditOf(t, config), "linked  person ada|revoked stolen grace ada|"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	runCommand("links", "forget", "--subject", "ada", "--actor", "grace", "--config", config)
	want := "linked  person |revoked stolen grace |forgotten operator grace |"
	if got := auditOf(t, config, "--skill", "pizza"); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// auditOf returns event, reason, actor and subject of the records that flags select.
func auditOf(t *testing.T, config string, flags ...string) (summary string) {
	t.Helper()
	_, stdout, stderr := runCommand(append([]string{"audit", "--json", "--config", config}, flags...)...)
	var records []map[string]string
	if err := json.Unmarshal([]byte(stdout), &records); err != nil {
		t.Fatalf("%v: %s%s", err, stdout, stderr)
	}
	for _, r := range records {
		summary += r["event"] + " " + r["reason"] + " " + r["actor"] + " " + r["sub"] + "|"
	}
	return summary
}
