package sqlstore

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"alexa-oidc-bridge/bridge"
)

// writer runs transactions. When write returns nil, the transaction is durable; when it returns an error, it was not made,
// unless the context or the connection ended while it was being committed.
type writer interface {
	write(ctx context.Context, do func(*transaction) error) error
	close() error
}

// transaction is one write, and the links that it has ended so far.
//
// Transactions lock in one order, or they would wait for one another on PostgreSQL: a link's row, then what the link owns,
// then a person, then other links, and the feed at the very end.
type transaction struct {
	*sql.Tx
	statements *statements // nil: the driver keeps them
	rowLock    string      // what a SELECT ends with that locks the rows it finds; empty: the transaction is alone
	notify     string      // a statement that wakes followers, or empty
	ended      []string
	endedAt    time.Time
}

// end ends the live links for which a condition holds, and returns them. The condition's parameters begin with $3.
func (tx *transaction) end(reason bridge.Reason, now time.Time, condition string, args ...any) ([]bridge.Link, error) {
	rows, err := tx.Query(`UPDATE links SET revoked_at = $1, reason = $2 WHERE revoked_at = 0 AND `+condition+
		` RETURNING `+linkColumns, append([]any{seconds(now), string(reason)}, args...)...)
	if err != nil {
		return nil, err
	}
	ended, err := scanLinks(rows)
	for i := range ended {
		tx.ended = append(tx.ended, ended[i].ID)
	}
	tx.endedAt = now
	return ended, err
}

// run does what a transaction is for, and then writes down what it ended. The feed comes last because its one row is what
// all that end links wait for.
func (tx *transaction) run(do func(*transaction) error) error {
	if err := do(tx); err != nil || len(tx.ended) == 0 {
		return err
	}
	if err := tx.record(); err != nil {
		return err
	}
	if tx.notify == "" {
		return nil
	}
	_, err := tx.Exec(tx.notify)
	return err
}

// eventsAtOnce bounds the parameters of a statement.
const eventsAtOnce = 500

// record adds the events of a transaction to the feed.
func (tx *transaction) record() error {
	var position int64
	mark := rand.Text()
	err := tx.QueryRow(`UPDATE feed SET position = position + $1, mark = $2 WHERE id = 1 RETURNING position`,
		len(tx.ended), mark).Scan(&position)
	if err != nil {
		return err
	}
	position -= int64(len(tx.ended))
	for rest := tx.ended; len(rest) > 0; {
		n := min(len(rest), eventsAtOnce)
		if err := tx.insertEvents(position, mark, rest[:n]); err != nil {
			return err
		}
		position, rest = position+int64(n), rest[n:]
	}
	return nil
}

func (tx *transaction) insertEvents(after int64, mark string, linkIDs []string) error {
	var rows []string
	var args []any
	for i, id := range linkIDs {
		n := len(args)
		rows = append(rows, fmt.Sprintf("($%d, $%d, $%d, $%d)", n+1, n+2, n+3, n+4))
		args = append(args, after+int64(i)+1, mark, id, seconds(tx.endedAt))
	}
	_, err := tx.Tx.Exec(`INSERT INTO events (position, mark, link_id, recorded_at) VALUES `+strings.Join(rows, ", "), args...)
	return err
}
