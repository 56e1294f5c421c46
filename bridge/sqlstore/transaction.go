package sqlstore

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/sqlstore/internal/engine"
)

// transaction is one write, with the events of the links that it has revoked, or whose claims it has changed, and the
// audit records that it has made so far.
//
// Transactions lock rows in one order, so that they do not deadlock on PostgreSQL: a directory, a pending consent, the
// sign-ins of a person, an Alexa user, a link, what the link owns, a person, other links, and the feed last.
type transaction struct {
	*engine.Tx
	events   []bridge.Event
	eventsAt time.Time
	records  []bridge.AuditRecord
}

// write runs one transaction, and appends its audit records and its events. The events come last, because
// every transaction that revokes contends for the one row of the feed. If do returns [bridge.ErrReplayed], write
// commits nevertheless, because the replay may have revoked the link.
func (s *Store) write(ctx context.Context, do func(*transaction) error) error {
	replayed := false
	err := s.db.Write(ctx, func(engineTx *engine.Tx) error {
		tx := &transaction{Tx: engineTx}
		err := do(tx)
		if replayed = errors.Is(err, bridge.ErrReplayed); replayed {
			err = nil
		}
		if err == nil {
			err = tx.insertRecords()
		}
		if err != nil || len(tx.events) == 0 {
			return err
		}
		tx.AfterCommit(func() { s.callOnRevoke(tx.events) })
		if err := tx.appendEvents(); err != nil {
			return err
		}
		return tx.Notify()
	})
	if err == nil && replayed {
		err = bridge.ErrReplayed
	}
	return err
}

// writeResult is write for a function with a result. After an error it returns the zero value and does not touch the
// result, because the transaction may go on after the context has ended.
func writeResult[T any](ctx context.Context, s *Store, do func(*transaction) (T, error)) (T, error) {
	var result, zero T
	err := s.write(ctx, func(tx *transaction) (err error) {
		result, err = do(tx)
		return err
	})
	if err != nil {
		return zero, err
	}
	return result, nil
}

// revokeLinks revokes the live links for which a condition holds, and returns them. The parameters of the condition
// begin with $4. Nothing else in this package sets revoked_at of a link that exists.
//
// A link that nobody can have used, or that a newer one of the same person replaced, loses its claims: whoever can sign
// in can make such links without end.
func (tx *transaction) revokeLinks(by bridge.Revocation, condition string, args ...any) ([]bridge.Link, error) {
	set := `revoked_at = $1, reason = $2, actor = $3`
	if by.Reason == bridge.ReasonNotRedeemed || by.Reason == bridge.ReasonReplaced {
		set += `, claims = '{}', email = ''`
	}
	rows, err := tx.Query(`UPDATE links SET `+set+` WHERE revoked_at = 0 AND `+condition+` RETURNING `+linkColumns,
		append([]any{seconds(by.At), string(by.Reason), string(by.Actor)}, args...)...)
	if err != nil {
		return nil, err
	}
	links, err := scanLinks(rows)
	for i := range links {
		tx.events = append(tx.events, bridge.Event{
			LinkID: links[i].ID, ClientID: links[i].ClientID, Reason: by.Reason, Actor: by.Actor,
		})
		tx.audit(&links[i], bridge.AuditRecord{
			At: by.At, Event: by.Reason.AuditEvent(), Reason: by.Reason, Actor: by.Actor, Origin: by.Origin,
		})
	}
	tx.eventsAt = by.At
	if err == nil {
		err = tx.deleteUpstreamTokens(links)
	}
	return links, err
}

// lockPerson locks a person until the commit, and calls a function: transactions that count what one person has wait
// for each other, because they could not see each other's new rows before the commit. After the commit no row is left.
func (tx *transaction) lockPerson(clientID, issuer, subject string, do func() error) error {
	_, err := tx.Exec(`INSERT INTO persons_locked (client_id, issuer, subject) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
		clientID, issuer, subject)
	if err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	_, err = tx.Exec(`DELETE FROM persons_locked WHERE client_id = $1 AND issuer = $2 AND subject = $3`,
		clientID, issuer, subject)
	return err
}

// appendEvents appends the events of this transaction to the feed.
func (tx *transaction) appendEvents() error {
	var position int64
	mark := rand.Text()
	err := tx.QueryRow(`UPDATE feed SET position = position + $1, mark = $2 WHERE id = 1 RETURNING position`,
		len(tx.events), mark).Scan(&position)
	if err != nil {
		return err
	}
	for events := range slices.Chunk(tx.events, maxRows) {
		if err := tx.insertEvents(position-int64(len(tx.events)), mark, events); err != nil {
			return err
		}
		position += int64(len(events))
	}
	return nil
}

// maxRows bounds the rows, and so the parameters, of one INSERT. SQLite takes for each parameter a time that grows with
// the number of parameters: with 500 rows, all take several times as long.
const maxRows = 50

func (tx *transaction) insertEvents(after int64, mark string, events []bridge.Event) error {
	var rows []string
	var args []any
	for i, event := range events {
		rows = append(rows, placeholders(len(args)+1, 7))
		args = append(args, after+int64(i)+1, mark, event.LinkID, event.ClientID, string(event.Reason), string(event.Actor),
			seconds(tx.eventsAt))
	}
	return tx.insertRows(`INSERT INTO events (position, mark, link_id, client_id, reason, actor, recorded_at)
		VALUES `, rows, args)
}

func placeholder(n int) string { return "$" + strconv.Itoa(n) }

// placeholders returns a list of n placeholders in parentheses, numbered from the first.
func placeholders(first, n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = placeholder(first + i)
	}
	return "(" + strings.Join(list, ", ") + ")"
}
