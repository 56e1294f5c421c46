package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge/sqlstore"
	"alexa-oidc-bridge/internal/postgrestest"
)

// TestMain lets the load test start this program in its parts, as it does with its own.
func TestMain(m *testing.M) {
	if code, isChild := playRole(os.Stdin, os.Stdout, os.Stderr); isChild {
		os.Exit(code)
	}
	os.Exit(m.Run())
}

// TestQuick runs all of the load test, small and without wrk. It fails when an answer is wrong, never when one is slow.
func TestQuick(t *testing.T) {
	for _, store := range allStores() {
		t.Run(store, func(t *testing.T) {
			if store == sqlstore.PostgreSQL {
				postgrestest.ForTest(t, postgrestest.Config{})
			}
			testQuick(t, store)
		})
	}
}

func testQuick(t *testing.T, store string) {
	folder := ownTemp(t)
	var stdout, stderr bytes.Buffer
	args := []string{"-quick", "-no-wrk", "-links", "5000", "-duration", "100ms", "-connections", "4", "-stores", store}
	if code := run(args, &stdout, &stderr); code != 0 {
		t.Fatalf("exit code %d: %s", code, &stderr)
	}
	for _, want := range []string{"Without wrk", "| bare |", "| bare, no timeouts |", "| lookup, hot |", "| lookup, unknown |",
		"| lookup, malformed |", "| lookup, mixed |", "| lookup, cold |", "| " + bareLookUp + " |", "| " + aloneLookUp + ", 1 caller |",
		"| " + aloneLookUp + ", 4 callers |", "| " + aloneSelect + ", 4 callers |",
		"| refresh, 1 caller |", "| refresh, 32 callers |", "| " + aloneInsert + ", 32 callers |", "| " + aloneTiny + ", 32 callers |",
		"| linking, whole |", "| " + storeName(store) + " | 5,000 |", " bytes |", "synced to disk", "Hot lookups, " + storeName(store) + ", 5,000 links: "} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("no %q in the report", want)
		}
	}
	if told := strings.Contains(stdout.String(), "Cold lookups, SQLite, 5,000 links: "); told != (store == sqlstore.SQLite) {
		t.Errorf("cold lookups compared in shifts: %v", told)
	}
	left, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range left {
		t.Errorf("%s is left behind", entry.Name())
	}
	if t.Failed() {
		t.Logf("the report:\n%s", &stdout)
	}
}

// ownTemp gives the test a folder for temporary files of its own, which PostgreSQL's user may pass.
func ownTemp(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	if err := os.Chmod(filepath.Dir(folder), 0o711); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", folder)
	return folder
}

// TestInterrupted interrupts a load test whose servers run, and wants nothing to be left.
func TestInterrupted(t *testing.T) {
	folder := ownTemp(t)
	chosen, err := parse([]string{"-quick", "-v", "-no-wrk", "-links", "5000", "-duration", "10m", "-stores", "sqlite"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	ctx, interrupt := context.WithCancel(t.Context())
	log := &watched{text: "round 1", found: interrupt}
	if err := measureAll(ctx, chosen, io.Discard, log); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want cancelled", err)
	}
	left, err := os.ReadDir(folder)
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestInterruptedInShifts interrupts when one of two is stopped, and wants both to end as they are told to.
func TestInterruptedInShifts(t *testing.T) {
	b := &bench{faults: io.Discard}
	if err := b.chooseCores(); err != nil {
		t.Fatal(err)
	}
	ctx, interrupt := context.WithCancel(t.Context())
	var begun []asking
	begin := func(context.Context, time.Duration) (asking, error) {
		cmd, err := roleCommand("bare", bareTask{})
		if err != nil {
			return asking{}, err
		}
		endless, err := b.launch("endless", cmd, b.clientCore)
		begun = append(begun, asking{running: endless})
		if len(begun) == 2 {
			interrupt()
		}
		return begun[len(begun)-1], err
	}
	_, err := inShifts(ctx, time.Hour, begin, begin)
	if !errors.Is(err, context.Canceled) || strings.Contains(err.Error(), "killed") {
		t.Errorf("got %v, want cancelled and nothing else", err)
	}
	for i, a := range begun {
		select {
		case <-a.ended:
		default:
			t.Errorf("process %d still runs", i)
		}
	}
}

// watched is a log in which something is waited for.
type watched struct {
	text  string
	found func()
}

func (w *watched) Write(text []byte) (int, error) {
	if strings.Contains(string(text), w.text) {
		w.found()
	}
	return len(text), nil
}

func TestOptions(t *testing.T) {
	for name, one := range map[string]struct {
		args []string
		want string
	}{
		"a store that there is none of": {[]string{"-stores", "oracle"}, `-stores: "oracle" is none of sqlite, postgres`},
		"a subject likewise":            {[]string{"-only", "speed"}, `-only: "speed" is none of hot, cold, size, refresh, linking`},
		"too few links":                 {[]string{"-links", "12"}, `-links: "12" is not a number`},
		"an argument":                   {[]string{"quick"}, `"quick" is not expected`},
		"no rounds":                     {[]string{"-rounds", "0"}, "-rounds and -connections are 1 or more"},
	} {
		t.Run(name, func(t *testing.T) {
			var stderr bytes.Buffer
			if code := run(one.args, io.Discard, &stderr); code != 2 || !strings.Contains(stderr.String(), one.want) {
				t.Errorf("exit code %d: %s", code, &stderr)
			}
		})
	}
}

func TestWhatIsMeasured(t *testing.T) {
	all := options{only: subjects()}
	for _, one := range []struct {
		store string
		links int
		want  []string
	}{
		{sqlstore.SQLite, 1_000_000, subjects()},
		{sqlstore.PostgreSQL, 1_000_000, subjects()},
		{sqlstore.SQLite, 10_000_000, []string{"hot", "cold", "size"}},
		{sqlstore.PostgreSQL, 10_000_000, nil},
	} {
		if got := all.measures(one.store, one.links); !slices.Equal(got, one.want) {
			t.Errorf("%s with %d links: %v, want %v", one.store, one.links, got, one.want)
		}
	}
}

// TestRecords wants what makes seeding quick: the order of all keys, and what makes links alike: their length.
func TestRecords(t *testing.T) {
	last, count := recordOf(0, time.Now()), 0
	last.Link.ID, last.Link.Subject = "", ""
	for record, err := range recordsOf(1000, time.Now()) {
		if err != nil {
			t.Fatal(err)
		}
		if count > 0 && (record.Link.ID <= last.Link.ID || record.Link.Subject <= last.Link.Subject || record.Tokens[0].Hash <= last.Tokens[0].Hash) {
			t.Fatalf("record %d is out of order", count)
		}
		if count > 0 && len(record.Link.Claims["name"].(string)) != len(last.Link.Claims["name"].(string)) {
			t.Errorf("record %d is of another length", count)
		}
		last, count = record, count+1
	}
	if count != 1000 {
		t.Errorf("%d records", count)
	}
}
