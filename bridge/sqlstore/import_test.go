package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
)

func wantReason(t *testing.T, store *Store, name string, want bridge.Reason) {
	t.Helper()
	links, err := store.Links(t.Context(), bridge.LinkFilter{IDs: []string{"lnk_" + name}})
	if err != nil || len(links) != 1 || links[0].Reason != want {
		t.Errorf("%s: %+v, %v; want the reason %q", name, links, err, want)
	}
}

func recordsOf(t *testing.T, store *Store) []Record {
	t.Helper()
	var records []Record
	for record, err := range store.Export(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, record)
	}
	return records
}

func all(records []Record) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for _, record := range records {
			if !yield(record, nil) {
				return
			}
		}
	}
}

// What an old export says of links that the database knows changes nothing, least of all that a link lives.
func TestOldExportResurrectsNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, empty func(*testing.T) *Store) {
		f := furnish(t, empty(t))
		old := recordsOf(t, f.store)
		everything := append([]string{"feed", "events"}, moved...)
		before := contents(t, f.store, everything...)
		mustImport(t, f.store, all(old), Imported{Known: 9})
		wantContents(t, "imported into itself", contents(t, f.store, everything...), before)

		f.must(f.refresh("rotating 3", "rotating 4"))
		_, err := f.store.Revoke(t.Context(), bridge.LinkFilter{IDs: []string{"lnk_implicit", "lnk_redeemed"}}, "theirs", f.now)
		f.must(err)
		if _, err := f.store.Sweep(t.Context(), begin.Add(400*24*time.Hour), 1000); err != nil {
			t.Fatal(err)
		}
		before = contents(t, f.store, everything...)
		mustImport(t, f.store, all(old), Imported{Known: 9})
		wantContents(t, "an old export", contents(t, f.store, everything...), before)
	})
}

// An end travels: with an event, by which every process learns of it.
func TestImportEnds(t *testing.T) {
	onBoth(t, func(t *testing.T, empty func(*testing.T) *Store) {
		source, target := furnish(t, newSQLite(t)), empty(t)
		mustImport(t, target, source.store.Export(t.Context()), Imported{Added: 9})
		ended := []string{"lnk_expiring", "lnk_implicit", "lnk_newest"}
		for i, id := range ended {
			_, err := source.store.Revoke(t.Context(), bridge.LinkFilter{IDs: []string{id}}, bridge.Reason("why "+string(rune('a'+i%2))), source.now)
			source.must(err)
		}
		_, err := target.Revoke(t.Context(), bridge.LinkFilter{IDs: []string{"lnk_newest"}}, "here", source.now)
		source.must(err)
		feed, err := target.ReadFeed(t.Context(), bridge.Position{})
		source.must(err)
		before := feed.Position
		var told []string
		target.OnRevoke(func(linkIDs []string) { told = append(told, linkIDs...) })
		mustImport(t, target, source.store.Export(t.Context()), Imported{Ended: 2, Known: 7})
		feed, err = target.ReadFeed(t.Context(), before)
		source.must(err)
		var followed []string
		for _, event := range feed.Events {
			followed = append(followed, event.LinkID)
		}
		slices.Sort(told)
		slices.Sort(followed)
		if !slices.Equal(told, ended[:2]) || !slices.Equal(followed, ended[:2]) || feed.Broken {
			t.Errorf("told %v, followed %v", told, followed)
		}
		wantReason(t, target, "expiring", "why a")
		wantReason(t, target, "implicit", "why b")
		wantReason(t, target, "newest", "here")
		if found, err := target.Lookup(t.Context(), bridge.HashOf("implicit access")); err != nil || !found.Link.RevokedAt.Equal(begin.Add(7*time.Hour)) {
			t.Errorf("%+v, %v", found, err)
		}
		mustImport(t, target, source.store.Export(t.Context()), Imported{Known: 9})
	})
}

func implicit(i int) Record {
	id := fmt.Sprintf("lnk_%07d", i)
	return Record{
		Link:   bridge.Link{ID: id, ClientID: "pizza", Grant: bridge.GrantImplicit, CreatedAt: begin},
		Tokens: []TokenRecord{{Hash: bridge.HashOf("token of " + id), Kind: kindAccess, CreatedAt: begin}},
	}
}

func recordsUpTo(n int) []Record {
	records := make([]Record, n)
	for i := range records {
		records[i] = implicit(i)
	}
	return records
}

func numbered(n int) iter.Seq2[Record, error] { return all(recordsUpTo(n)) }

func TestImportRefuses(t *testing.T) {
	onBoth(t, func(t *testing.T, empty func(*testing.T) *Store) {
		with := func(change func(*Record)) Record {
			record := implicit(20)
			change(&record)
			return record
		}
		first := bridge.HashOf("token of lnk_0000000")
		code := CodeRecord{NewCode: bridge.NewCode{Hash: first, ExpiresAt: begin}}
		tests := map[string]struct {
			record Record
			want   error // nil: any
		}{
			"a token of another link":              {with(func(r *Record) { r.Tokens[0].Hash = first }), ErrTaken},
			"a token of another link of the batch": {with(func(r *Record) { r.Tokens[0].Hash = bridge.HashOf("token of lnk_0000011") }), ErrTaken},
			"a code of another link": {with(func(r *Record) {
				r.Codes = []CodeRecord{{NewCode: bridge.NewCode{Hash: bridge.HashOf("a code"), ExpiresAt: begin}}}
			}), ErrTaken},
			"the same token twice":         {with(func(r *Record) { r.Tokens = append(r.Tokens, r.Tokens[0]) }), nil},
			"the same code twice":          {with(func(r *Record) { r.Codes = []CodeRecord{code, code} }), nil},
			"an id that is none":           {with(func(r *Record) { r.Link.ID = "lnk_A" }), nil},
			"a grant that is none":         {with(func(r *Record) { r.Link.Grant = "" }), nil},
			"no beginning":                 {with(func(r *Record) { r.Link.CreatedAt = time.Time{} }), nil},
			"a reason of a live link":      {with(func(r *Record) { r.Link.Reason = "x" }), nil},
			"a time before all":            {with(func(r *Record) { r.Link.RevokedAt = time.Unix(-1, 0) }), nil},
			"a user that is no hash":       {with(func(r *Record) { r.Link.AlexaUser = "amzn1.ask.account.X" }), nil},
			"a hash that is none":          {with(func(r *Record) { r.Tokens[0].Hash = "0F" + first[2:] }), nil},
			"a kind that is none":          {with(func(r *Record) { r.Tokens[0].Kind = "code" }), nil},
			"an access token that rotates": {with(func(r *Record) { r.Tokens[0].SupersededAt = begin }), nil},
			"a parent that is no hash":     {with(func(r *Record) { r.Tokens[0].Kind, r.Tokens[0].Parent = kindRefresh, "x" }), nil},
		}
		store := empty(t)
		other := implicit(9)
		other.Codes = []CodeRecord{{NewCode: bridge.NewCode{Hash: bridge.HashOf("a code"), ExpiresAt: begin}}}
		mustImport(t, store, all([]Record{implicit(0), other}), Imported{Added: 2})
		before := contents(t, store, moved...)
		for name, test := range tests {
			did, err := store.Import(t.Context(), all([]Record{implicit(10), implicit(11), test.record, implicit(30)}), time.Now)
			fault, ok := errors.AsType[*RecordError](err)
			if !ok || fault.Number != 3 || fault.LinkID != test.record.Link.ID || test.want != nil && !errors.Is(err, test.want) || did != (Imported{}) {
				t.Errorf("%s: %v, %+v", name, err, did)
			}
			wantContents(t, name, contents(t, store, moved...), before)
		}
	})
}

// A fault is named by its place among all records, not among those that were waiting.
func TestImportCountsRecords(t *testing.T) {
	records := recordsUpTo(2500)
	records[2400].Tokens[0].Hash = records[7].Tokens[0].Hash
	_, err := newSQLite(t).Import(t.Context(), all(records), time.Now)
	if fault, _ := errors.AsType[*RecordError](err); fault == nil || fault.Number != 2401 {
		t.Errorf("%v", err)
	}
}

// SQLite keeps a NUL character in a text and PostgreSQL does not. A database with one can be moved between files.
func TestImportNUL(t *testing.T) {
	onBoth(t, func(t *testing.T, empty func(*testing.T) *Store) {
		store, record := empty(t), implicit(1)
		record.Link.Subject = "a\x00b"
		did, err := store.Import(t.Context(), all([]Record{implicit(0), record}), time.Now)
		fault, _ := errors.AsType[*RecordError](err)
		switch sqlite := store.options.Driver == SQLite; {
		case sqlite && (err != nil || did.Added != 2):
			t.Errorf("%+v, %v", did, err)
		case !sqlite && (fault == nil || fault.Number != 2):
			t.Errorf("%+v, %v", did, err)
		}
	})
}

// Many records take several transactions; those before a fault stay, and the same import completes them.
func TestImportGoesOn(t *testing.T) {
	onBoth(t, func(t *testing.T, empty func(*testing.T) *Store) {
		const n = 3000
		store := empty(t)
		broken := errors.New("the records end here")
		did, err := store.Import(t.Context(), func(yield func(Record, error) bool) {
			for record := range numbered(n / 2) {
				if !yield(record, nil) {
					return
				}
			}
			yield(Record{}, broken)
		}, time.Now)
		if !errors.Is(err, broken) || did.Added == 0 || did.Added > n/2 {
			t.Fatalf("%+v, %v", did, err)
		}
		if found := len(rowsOf(t, store, "tokens")); found != did.Added {
			t.Errorf("%d tokens of %d links", found, did.Added)
		}
		mustImport(t, store, numbered(n), Imported{Added: n - did.Added, Known: did.Added})
		for i := range n {
			record := implicit(i)
			if found, err := store.Lookup(t.Context(), record.Tokens[0].Hash); err != nil || found.Link.ID != record.Link.ID {
				t.Fatalf("%d: %+v, %v", i, found, err)
			}
		}
	})
}

// Whoever else writes gets a turn, and two imports of the same at once add everything once.
func TestImportsAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, empty func(*testing.T) *Store) {
		const n = 1500
		first := empty(t)
		second, err := Open(t.Context(), first.options)
		if err != nil {
			t.Fatal(err)
		}
		defer second.Close()
		results := make(chan Imported, 2)
		for _, store := range []*Store{first, second} {
			go func() {
				did, err := store.Import(context.Background(), numbered(n), time.Now)
				if err != nil {
					t.Error(err)
				}
				results <- did
			}()
		}
		one, two := <-results, <-results
		if one.Added+two.Added != n || one.Known+two.Known != n {
			t.Errorf("%+v, %+v", one, two)
		}
		if links := len(rowsOf(t, first, "links")); links != n {
			t.Errorf("%d links", links)
		}
	})
}
