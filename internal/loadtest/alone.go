package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/sqlstore"
)

// What a store or a database is asked alone, without a server in front of it.
const (
	aloneLookUp = "the store's own Lookup"
	aloneSelect = "SELECT of a token"
	aloneInsert = "INSERT of a token"
	aloneTiny   = "INSERT of a tiny row"
)

// aloneTask is what the role alone is to do.
type aloneTask struct {
	Database sqlstore.Options
	What     string
	Pace     pace
	Tokens   int // for reading: how many tokens are read in turn, each once before the measuring begins
	Links    int // for inserts: how many links have a refresh token
}

// aside is what a store or a database does alone, beside what it is compared with.
type aside struct {
	what   string
	task   aloneTask
	rounds []round
	shifts []float64 // its cost, as a part of the cost of what is compared with it, in shifts; empty: not measured
}

// askAside asks for one round of each.
func (s *setting) askAside(ctx context.Context, alone ...*aside) error {
	for _, a := range alone {
		if err := s.appendRound(&a.rounds, a.what, func() (round, error) { return s.askAlone(ctx, a.task) }); err != nil {
			return err
		}
	}
	return nil
}

// askAlone lets a process of its own ask, with the core and the settings of the servers.
func (b *bench) askAlone(ctx context.Context, task aloneTask) (round, error) {
	alone, err := b.launchAlone(ctx, task)
	if err != nil {
		return round{}, err
	}
	return readAlone(ctx, alone)
}

// launchAlone starts such a process, and waits until it is about to ask what is measured.
func (b *bench) launchAlone(ctx context.Context, task aloneTask) (*running, error) {
	cmd, err := roleCommand("alone", task)
	if err != nil {
		return nil, err
	}
	collectAsBridge(cmd)
	alone, err := b.launch("alone", cmd, b.serverCore)
	if err != nil {
		return nil, err
	}
	if err := alone.waitForLine(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("what asks a store alone does not begin: %w", err), ctx.Err(), alone.giveUp())
	}
	return alone, nil
}

// readAlone waits for its end.
func readAlone(ctx context.Context, alone *running) (round, error) {
	output, err := alone.output(ctx)
	if err != nil {
		return round{}, err
	}
	var made round
	return made, json.Unmarshal(output, &made)
}

// collectAsBridge gives a process the setting of the garbage collector that the bridge has.
func collectAsBridge(cmd *exec.Cmd) {
	if os.Getenv("GOGC") == "" {
		cmd.Env = append(cmd.Env, "GOGC=400")
	}
}

// askAloneAsTold is the role alone. It prints a line when it begins, and the round at its end.
func askAloneAsTold(task io.Reader, stdout io.Writer) error {
	var told aloneTask
	if err := json.NewDecoder(task).Decode(&told); err != nil {
		return err
	}
	do, end, err := told.prepare(context.Background())
	if err != nil {
		return err
	}
	if told.Tokens > 0 {
		if _, err := (pace{Callers: told.Pace.Callers, Count: told.Tokens}).keep(context.Background(), do); err != nil {
			return err
		}
	}
	fmt.Fprintln(stdout, "begins")
	before, err := cpuTime(os.Getpid())
	if err != nil {
		return err
	}
	made, err := told.Pace.keep(context.Background(), do)
	if err != nil {
		return err
	}
	after, err := cpuTime(os.Getpid())
	if err := errors.Join(err, end()); err != nil {
		return err
	}
	return json.NewEncoder(stdout).Encode(round{result: made, CPU: after - before})
}

func (t *aloneTask) prepare(ctx context.Context) (do func(caller, i int) error, end func() error, err error) {
	if t.What == aloneLookUp {
		return t.prepareLookUp(ctx)
	}
	db, err := t.openRaw()
	if err != nil {
		return nil, nil, err
	}
	query := map[string]string{
		aloneSelect: `SELECT links.id, links.client_id, links.grant_type, links.provider, links.issuer, links.subject_claim,
			links.groups_claim, links.subject, links.claims, links.scope, links.alexa_user, links.reason,
			links.created_at, links.last_used_at, links.revoked_at, tokens.created_at, tokens.expires_at
			FROM tokens JOIN links ON links.id = tokens.link_id WHERE tokens.hash = $1`,
		aloneInsert: `INSERT INTO tokens (hash, link_id, kind, created_at, expires_at, parent, place, superseded_at)
			VALUES ($1, $2, 'access', $3, $4, '', 0, 0)`,
		aloneTiny: `INSERT INTO pending_consents (handle, sealed, expires_at, decision, decided_at) VALUES ($1, '', 0, '', 0)`,
	}[t.What]
	statement, err := db.PrepareContext(ctx, query)
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return t.statementTask(ctx, db, statement)
}

func (t *aloneTask) prepareLookUp(ctx context.Context) (do func(caller, i int) error, end func() error, err error) {
	store, err := sqlstore.Open(ctx, t.Database)
	if err != nil {
		return nil, nil, err
	}
	hashes := t.hashes()
	return func(_, i int) error {
		_, err := store.Lookup(ctx, hashes[i%len(hashes)])
		return err
	}, store.Close, nil
}

// hashes are those of the tokens that are looked up.
func (t *aloneTask) hashes() []bridge.Hash {
	hashes := make([]bridge.Hash, t.Tokens)
	for i := range hashes {
		hashes[i] = bridge.HashOf(accessToken(i))
	}
	return hashes
}

func (t *aloneTask) statementTask(ctx context.Context, db *sql.DB, statement *sql.Stmt) (do func(caller, i int) error, end func() error, err error) {
	if t.What == aloneSelect {
		hashes := t.hashes()
		return func(_, i int) error {
			var texts [12]string
			var numbers [5]int64
			return statement.QueryRowContext(ctx, string(hashes[i%len(hashes)])).Scan(pointers(texts[:], numbers[:])...)
		}, db.Close, nil
	}
	insert := func(args ...any) error {
		_, err := statement.ExecContext(ctx, args...)
		return err
	}
	end = db.Close
	if t.Database.Driver == sqlstore.SQLite {
		shared := shareCommits(db, statement)
		insert, end = shared.insert, func() error { return errors.Join(shared.end(), db.Close()) }
	}
	now := time.Now()
	return func(_, i int) error {
		hash := string(bridge.HashOf(rand.Text()))
		if t.What == aloneTiny {
			return insert(hash)
		}
		return insert(hash, linkID(numberByCode(i%t.Links)), now.Unix(), now.Add(time.Hour).Unix())
	}, end, nil
}

// pointers are where the columns of a row go.
func pointers(texts []string, numbers []int64) []any {
	var all []any
	for i := range texts {
		all = append(all, &texts[i])
	}
	for i := range numbers {
		all = append(all, &numbers[i])
	}
	return all
}

// openRaw opens the database by the driver of the store and with its settings: SQLite by four connections to read and one to
// write, PostgreSQL by eight to read, and to write by one for each caller, since it shares commits among connections itself.
func (t *aloneTask) openRaw() (*sql.DB, error) {
	if t.Database.Driver == sqlstore.PostgreSQL {
		db, err := sql.Open("pgx", t.Database.DSN)
		return limitTo(db, err, map[bool]int{true: 8, false: t.Pace.Callers}[t.What == aloneSelect])
	}
	pragmas := []string{"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)", "mmap_size(1073741824)"}
	connections := 1
	if t.What == aloneSelect {
		pragmas, connections = append(pragmas, "query_only(1)"), 4
	}
	query := url.Values{"mode": {"rw"}, "_pragma": pragmas, "_txlock": {"immediate"}}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: t.Database.DSN}).EscapedPath()+"?"+query.Encode())
	return limitTo(db, err, connections)
}

func limitTo(db *sql.DB, err error, connections int) (*sql.DB, error) {
	if err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return db, nil
}
