package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

const (
	// poolSize is how many connections read, and how many write. One more follows the feed.
	poolSize = 8
	// connectTimeout bounds the making of a connection, unless the DSN says connect_timeout.
	connectTimeout = 5 * time.Second
	// connectTimeoutOfSeveral bounds it for each of several hosts, which are tried in turn: who waits for a connection does
	// so for a second or two, and must get to one that lives.
	connectTimeoutOfSeveral = 400 * time.Millisecond
	// maxTries bounds how often a transaction is tried that the database gave up for another one's sake.
	maxTries = 10
)

// serverLimits are what the server is asked to enforce, unless the DSN says otherwise. A process that is frozen in the
// middle of a transaction must not hold its locks for longer than others wait.
func serverLimits() map[string]string {
	return map[string]string{
		"lock_timeout":                        "5s",
		"idle_in_transaction_session_timeout": "5s",
	}
}

func openPostgreSQL(ctx context.Context, options Options, tell func([]string)) (*database, error) {
	config, err := pgx.ParseConfig(options.DSN)
	if file, ok := errors.AsType[*fs.PathError](err); ok {
		return nil, fmt.Errorf("a file that the DSN names cannot be used: %w", file)
	}
	if err != nil { // which may have the password
		return nil, errors.New("the DSN cannot be understood; write postgres://user:password@host:5432/database?sslmode=verify-full")
	}
	limit(config)
	write := openPool(config, poolSize)
	notify, err := preparePostgreSQL(ctx, write, options)
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	reader := openPool(config, poolSize)
	writer := &pool{db: write, turns: newTurns(poolSize), notify: notify, tell: tell}
	open := &database{
		reader:    reader,
		lookups:   newLookups(reader, poolSize),
		writer:    writer,
		refreshes: newRefreshes(leaders, 0, writer.refresh),
		follower:  &follower{db: openPool(config, 1), listen: notify != ""},
	}
	return open, nil
}

// limit sets what the DSN leaves open. Only a server that takes writes is good: a standby would tell of ends late.
func limit(config *pgx.ConnConfig) {
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectTimeout
		if hasSeveralHosts(config) {
			config.ConnectTimeout = connectTimeoutOfSeveral
		}
	}
	config.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "alexa-oidc-bridge"
	}
}

func hasSeveralHosts(config *pgx.ConnConfig) bool {
	return slices.ContainsFunc(config.Fallbacks, func(other *pgconn.FallbackConfig) bool {
		return other.Host != config.Host || other.Port != config.Port
	})
}

// setLimits sets what the server is to enforce by statements, since poolers refuse connections that ask for it.
func setLimits(ctx context.Context, conn *pgx.Conn) error {
	var statements []string
	for name, value := range serverLimits() {
		if _, given := conn.Config().RuntimeParams[name]; !given {
			statements = append(statements, fmt.Sprintf("SET %s = '%s'", name, value))
		}
	}
	_, err := conn.Exec(ctx, strings.Join(statements, "; "))
	return err
}

func openPool(config *pgx.ConnConfig, connections int) *sql.DB {
	db := stdlib.OpenDB(*config, stdlib.OptionAfterConnect(setLimits))
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	db.SetConnMaxIdleTime(5 * time.Minute)
	db.SetConnMaxLifetime(time.Hour)
	return db
}

// preparePostgreSQL makes the database ready, and returns the statement that wakes followers. CockroachDB has none.
func preparePostgreSQL(ctx context.Context, db *sql.DB, options Options) (notify string, err error) {
	var version, encoding, commit string
	err = db.QueryRowContext(ctx, `SELECT version(), current_setting('server_encoding'), current_setting('synchronous_commit')`).
		Scan(&version, &encoding, &commit)
	switch unknown, isUnknown := errors.AsType[*pgconn.PgError](err); {
	case isUnknown && unknown.Code == "3D000":
		return "", fmt.Errorf("%w: %s", ErrNoDatabase, unknown.Message)
	case err != nil:
		return "", err
	case encoding != "UTF8":
		return "", fmt.Errorf("%w: its encoding is %s; make it with ENCODING 'UTF8'", ErrUnsafe, encoding)
	case commit == "off":
		return "", fmt.Errorf("%w: synchronous_commit is off, so a crash would lose links; set it to on for this role or database", ErrUnsafe)
	}
	if err := bringUpToDate(ctx, db, postgresDialect, options.Create); err != nil {
		return "", err
	}
	if strings.Contains(version, "CockroachDB") {
		return "", nil
	}
	return `NOTIFY ` + channel, nil
}

// pool runs each transaction on a connection of its own. PostgreSQL shares the sync to disk among those that commit at once.
type pool struct {
	db     *sql.DB
	turns  turns
	notify string
	tell   func(linkIDs []string)
}

func (p *pool) close() error { return p.db.Close() }

// write runs a transaction, again when the database gave it up for the sake of another that it had to wait for.
func (p *pool) write(ctx context.Context, do func(*transaction) error) error {
	if err := p.turns.take(ctx); err != nil {
		return err
	}
	defer p.turns.giveBack()
	for try := 1; ; try++ {
		err := p.once(ctx, do)
		if errors.Is(err, sql.ErrTxDone) && ctx.Err() != nil {
			return ctx.Err() // which is why it was rolled back
		}
		if try == maxTries || !givenUp(err) {
			return err
		}
	}
}

func (p *pool) once(ctx context.Context, do func(*transaction) error) error {
	tx, err := p.db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return err
	}
	transaction := &transaction{Tx: tx, rowLock: ` FOR UPDATE`, notify: p.notify}
	if err := transaction.run(do); err != nil {
		tx.Rollback() // fails only with the connection, and then there is nothing to roll back
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	if len(transaction.ended) > 0 {
		p.tell(transaction.ended)
	}
	return nil
}

// givenUp says whether the database rolled a transaction back that may succeed another time: two waited for one another, or
// could not be put in an order.
func givenUp(err error) bool {
	failure, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (failure.Code == "40001" || failure.Code == "40P01")
}
