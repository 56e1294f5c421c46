package engine

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
	// poolSize is how many connections read, and how many write. The listener has one more.
	poolSize = 8
	// connectTimeout limits connecting, unless the DSN sets connect_timeout.
	connectTimeout = 5 * time.Second
	// severalHostsTimeout limits connecting to each of several hosts, which are tried in turn. A request waits a
	// second or two for a connection, and must reach a host that answers within that time.
	severalHostsTimeout = 400 * time.Millisecond
	// maxTries limits how often a transaction is run that the database rolls back for another one.
	maxTries = 10
)

// serverLimits are settings of the session, unless the DSN sets them. A process that is frozen in the middle of a
// transaction must not hold its locks for longer than others wait.
func serverLimits() map[string]string {
	return map[string]string{
		"lock_timeout":                        "5s",
		"idle_in_transaction_session_timeout": "5s",
	}
}

func openPostgreSQL(ctx context.Context, options Options) (*DB, error) {
	config, err := pgx.ParseConfig(options.DSN)
	if file, ok := errors.AsType[*fs.PathError](err); ok {
		return nil, fmt.Errorf("cannot use a file that the DSN names: %w", file)
	}
	if err != nil { // which may contain the password
		return nil, errors.New("the DSN is malformed; write postgres://user:password@host:5432/database?sslmode=verify-full")
	}
	setDefaults(config)
	write := openPool(config, poolSize)
	notify, err := preparePostgreSQL(ctx, write, options)
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	return &DB{
		Options:  options,
		Reader:   openPool(config, poolSize),
		writer:   &pool{db: write, connections: make(semaphore, poolSize), notify: notify},
		Listener: &Listener{db: openPool(config, 1), listen: notify != ""},
	}, nil
}

// setDefaults sets what the DSN leaves open. A standby is never connected to: it would report revocations late.
func setDefaults(config *pgx.ConnConfig) {
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectTimeout
		if hasSeveralHosts(config) {
			config.ConnectTimeout = severalHostsTimeout
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

// setLimits sets serverLimits by statements, because poolers reject connections that bring them as parameters.
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

// preparePostgreSQL checks the settings and the schema, and returns the statement that wakes listeners, which
// CockroachDB does not have.
func preparePostgreSQL(ctx context.Context, db *sql.DB, options Options) (notify string, err error) {
	var version, encoding, commit string
	settings := `SELECT version(), current_setting('server_encoding'), current_setting('synchronous_commit')`
	err = db.QueryRowContext(ctx, settings).Scan(&version, &encoding, &commit)
	switch unknown, isUnknown := errors.AsType[*pgconn.PgError](err); {
	case isUnknown && unknown.Code == "3D000":
		return "", fmt.Errorf("%w: %s", ErrNoDatabase, unknown.Message)
	case err != nil:
		return "", err
	case encoding != "UTF8":
		return "", fmt.Errorf("%w: its encoding is %s; create it with ENCODING 'UTF8'", ErrUnsafe, encoding)
	case commit == "off":
		return "", fmt.Errorf("%w: synchronous_commit is off, so a crash would lose links; "+
			"set it to on for this role or database", ErrUnsafe)
	}
	if err := migrate(ctx, db, postgresDialect, options.Create); err != nil {
		return "", err
	}
	if strings.Contains(version, "CockroachDB") {
		return "", nil
	}
	return `NOTIFY ` + channel, nil
}

// pool is the writer of PostgreSQL. Each transaction has a connection; the server shares the sync to disk among those
// that commit at the same time.
type pool struct {
	db          *sql.DB
	connections semaphore
	notify      string
}

func (p *pool) close() (complete bool, err error) { return true, p.db.Close() }

// write runs a transaction, and runs it again when the database rolled it back for the sake of another.
func (p *pool) write(ctx context.Context, do func(*Tx) error) error {
	if err := p.connections.acquire(ctx); err != nil {
		return err
	}
	defer p.connections.release()
	for try := 1; ; try++ {
		err := p.writeOnce(ctx, do)
		if errors.Is(err, sql.ErrTxDone) && ctx.Err() != nil {
			return ctx.Err() // which is why it was rolled back
		}
		if try == maxTries || !isRetryable(err) {
			return err
		}
	}
}

func (p *pool) writeOnce(ctx context.Context, do func(*Tx) error) error {
	sqlTx, err := p.db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return err
	}
	tx := &Tx{RowLock: ` FOR UPDATE`, tx: sqlTx, notify: p.notify}
	if err := do(tx); err != nil {
		sqlTx.Rollback() // fails only with the connection, and then there is nothing to roll back
		return err
	}
	if err := sqlTx.Commit(); err != nil {
		return err
	}
	tx.committed()
	return nil
}

// isRetryable reports whether a transaction was rolled back that may succeed when it is run again: after a deadlock
// or a serialization failure.
func isRetryable(err error) bool {
	failure, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (failure.Code == "40001" || failure.Code == "40P01")
}

// Autocommit runs statements on PostgreSQL that each commit by themselves: one round trip instead of the three that a
// transaction of one statement takes.
func (d *DB) Autocommit(ctx context.Context, do func(*sql.DB) error) error {
	p := d.writer.(*pool)
	if err := p.connections.acquire(ctx); err != nil {
		return err
	}
	defer p.connections.release()
	return do(p.db)
}

// NotExecuted reports whether PostgreSQL said that it did not execute a statement. Errors of class 57, by which a
// server announces its shutdown, may come after the commit.
func NotExecuted(err error) bool {
	failure, ok := errors.AsType[*pgconn.PgError](err)
	return ok && !strings.HasPrefix(failure.Code, "57")
}
