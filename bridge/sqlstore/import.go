package sqlstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"alexa-oidc-bridge/bridge"
)

// Imported says what an import did.
type Imported struct {
	Added int // links that the database did not know
	Ended int // links that lived, and that had ended where they come from
	Known int // links that were there already and were not changed
}

// RecordError says which record of an import cannot be kept, counted from 1.
type RecordError struct {
	Number int
	LinkID string
	Err    error
}

func (e *RecordError) Error() string {
	return fmt.Sprintf("record %d, %s: %v", e.Number, e.LinkID, e.Err)
}
func (e *RecordError) Unwrap() error { return e.Err }

// ErrTaken says that a token or code of a record belongs to another link already.
var ErrTaken = errors.New("a token or code of it belongs to another link already")

// Import adds the links that the database does not know, ended ones too, with everything they own. A link that it knows is
// not changed; only when it lives, and the record says that it has ended, it is ended now for the record's reason. So
// nothing lives again that has ended in either place, and the same import again changes nothing.
//
// It is many transactions, each with whole links: one that was interrupted goes on when it is done again. What it returns
// was done also when there is an error, which is that of the records, a [*RecordError], or the database's. Sorted ids are
// quicker. On SQLite it holds the write lock for short times only and leaves the others time in between.
func (s *Store) Import(ctx context.Context, records iter.Seq2[Record, error], now func() time.Time) (Imported, error) {
	i := &importing{store: s, now: now, room: firstRoom}
	for record, err := range records {
		if err != nil {
			return i.done, errors.Join(err, i.write(ctx))
		}
		if err := i.add(ctx, record); err != nil {
			return i.done, err
		}
	}
	return i.done, i.write(ctx)
}

const (
	// How many rows a transaction has: as many as can be written in a short time, within bounds.
	firstRoom, leastRoom, mostRoom = 1024, 512, 16384
	shortTime                      = 100 * time.Millisecond
)

// importing is an import under way.
type importing struct {
	store *Store
	now   func() time.Time
	done  Imported

	waiting []Record
	rows    int // of those
	before  int // records that were waiting before these
	room    int

	seen int64 // how often others had written, as SQLite counts it
}

func (i *importing) add(ctx context.Context, record Record) error {
	i.waiting = append(i.waiting, record)
	i.rows += record.rows()
	if err := record.check(); err != nil {
		return &RecordError{i.before + len(i.waiting), record.Link.ID, err}
	}
	if i.rows < i.room {
		return nil
	}
	return i.write(ctx)
}

// write imports the records that wait, in one transaction.
func (i *importing) write(ctx context.Context) error {
	var did Imported
	var began time.Time
	others := false
	err := i.store.write(ctx, func(tx *transaction) (err error) {
		began = time.Now() // that others held the lock does not count
		if others, err = i.begin(tx); err != nil {
			return err
		}
		did, err = i.transact(tx)
		return err
	})
	if err != nil {
		return err
	}
	i.done.Added, i.done.Ended, i.done.Known = i.done.Added+did.Added, i.done.Ended+did.Ended, i.done.Known+did.Known
	i.before += len(i.waiting)
	i.waiting, i.rows = i.waiting[:0], 0
	return i.rest(ctx, time.Since(began), others)
}

// rest finds a better size for the next transaction, and lets others write. SQLite has no queue: who waits for the lock asks
// for it every now and then, so it must be free for a good part of the time, for longer when somebody else is writing.
func (i *importing) rest(ctx context.Context, took time.Duration, others bool) error {
	switch {
	case took > shortTime:
		i.room = max(i.room/2, leastRoom)
	case took < shortTime/2:
		i.room = min(i.room*2, mostRoom)
	}
	switch {
	case i.store.options.Driver != SQLite:
		return nil
	case others:
		return pause(ctx, took)
	}
	return pause(ctx, took/5)
}

// begin says whether others have written since the last time. SQLite is given memory for the pages that a transaction
// changes, which are many because hashes lie everywhere, and moves them to the file less often than for a small one.
func (i *importing) begin(tx *transaction) (others bool, err error) {
	if i.store.options.Driver != SQLite {
		return false, nil
	}
	for _, pragma := range []string{`PRAGMA cache_size = -65536`, `PRAGMA wal_autocheckpoint = 16384`} {
		if _, err := tx.Exec(pragma); err != nil {
			return false, err
		}
	}
	before := i.seen
	err = tx.QueryRow(`PRAGMA data_version`).Scan(&i.seen)
	return before != 0 && before != i.seen, err
}

func (i *importing) transact(tx *transaction) (Imported, error) {
	isNew, err := i.insertLinks(tx)
	if err != nil {
		return Imported{}, err
	}
	if err := i.insertOwned(tx, isNew); err != nil {
		return Imported{}, err
	}
	added := 0
	for _, is := range isNew {
		if is {
			added++
		}
	}
	ended, err := i.endKnown(tx, isNew)
	return Imported{Added: added, Ended: ended, Known: len(i.waiting) - added - ended}, err
}

// insertLinks adds the links that are not known, and says of each record whether its link was new.
func (i *importing) insertLinks(tx *transaction) (isNew []bool, err error) {
	into := table{name: "links", columns: []string{"id", "client_id", "grant_type", "provider", "issuer", "subject_claim",
		"groups_claim", "subject", "claims", "email", "scope", "alexa_user", "created_at", "last_used_at", "revoked_at", "reason"}}
	for n := range i.waiting {
		link := &i.waiting[n].Link
		claims, err := json.Marshal(link.Claims)
		if err != nil {
			return nil, err
		}
		into.add(n, link.ID, link.ClientID, string(link.Grant), link.Provider.ID, link.Issuer, link.SubjectClaim,
			link.GroupsClaim, link.Subject, string(claims), lowerASCII(link.Claims.String(bridge.ClaimEmail)), link.Scope,
			string(link.AlexaUser), seconds(link.CreatedAt), seconds(link.LastUsedAt), seconds(link.RevokedAt), string(link.Reason))
	}
	return i.insert(tx, &into)
}

// insertOwned adds what the new links own.
func (i *importing) insertOwned(tx *transaction, isNew []bool) error {
	tokens := table{name: "tokens", columns: []string{"hash", "link_id", "kind", "created_at", "expires_at", "parent",
		"place", "superseded_at"}}
	codes := table{name: "codes", columns: []string{"hash", "link_id", "redirect_uri", "code_challenge", "expires_at",
		"redeemed_at"}}
	for n := range i.waiting {
		record := &i.waiting[n]
		if !isNew[n] {
			continue
		}
		for _, t := range record.Tokens {
			tokens.add(n, string(t.Hash), record.Link.ID, t.Kind, seconds(t.CreatedAt), seconds(t.ExpiresAt), string(t.Parent),
				t.Place, seconds(t.SupersededAt))
		}
		for _, c := range record.Codes {
			codes.add(n, string(c.Hash), record.Link.ID, c.RedirectURI, c.CodeChallenge, seconds(c.ExpiresAt), seconds(c.RedeemedAt))
		}
	}
	for _, into := range []*table{&tokens, &codes} {
		inserted, err := i.insert(tx, into)
		if err != nil {
			return err
		}
		if n := slices.Index(inserted, false); n >= 0 {
			return i.fault(into.owners[n], ErrTaken)
		}
	}
	return nil
}

// endKnown ends the links that were known and that have ended elsewhere, and returns how many lived.
func (i *importing) endKnown(tx *transaction, isNew []bool) (int, error) {
	ids := map[bridge.Reason][]any{}
	for n := range i.waiting {
		if link := &i.waiting[n].Link; link.Revoked() && !isNew[n] {
			ids[link.Reason] = append(ids[link.Reason], link.ID)
		}
	}
	ended := 0
	for _, reason := range slices.Sorted(maps.Keys(ids)) {
		for some := range slices.Chunk(ids[reason], rowsAtOnce) {
			links, err := tx.end(reason, i.now(), `id IN (`+i.places(len(some), 3)+`)`, some...)
			if err != nil {
				return 0, err
			}
			ended += len(links)
		}
	}
	return ended, nil
}
