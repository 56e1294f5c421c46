package sqlstore

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"alexa-oidc-bridge/bridge"
)

const auditColumns = `id, recorded_at, event, reason, actor, client_id, provider, link_id, subject, ref, address`

// audit adds a record about a link, which is inserted at the end of the transaction.
func (tx *transaction) audit(link *bridge.Link, record bridge.AuditRecord) {
	record.ClientID, record.Provider = link.ClientID, link.Provider.ID
	record.LinkID, record.Subject = link.ID, link.Subject
	tx.records = append(tx.records, record)
}

// insertRecords inserts the audit records of this transaction.
func (tx *transaction) insertRecords() error {
	for i := range tx.records {
		tx.records[i].ID = newRecordID(tx.records[i].At, i)
	}
	for records := range slices.Chunk(tx.records, maxRows) {
		var rows []string
		var args []any
		for i := range records {
			rows = append(rows, placeholders(len(args)+1, 11))
			args = append(args, recordArgs(&records[i])...)
		}
		if err := tx.insertRows(`INSERT INTO audit (`+auditColumns+`) VALUES `, rows, args); err != nil {
			return err
		}
	}
	return nil
}

// insertRows executes an INSERT of up to maxRows rows. The usual numbers of them have a prepared statement.
func (tx *transaction) insertRows(insert string, rows []string, args []any) error {
	query := insert + strings.Join(rows, ", ")
	if len(rows) == 1 || len(rows) == maxRows {
		_, err := tx.Exec(query, args...)
		return err
	}
	return tx.ExecOnce(query, args...)
}

func recordArgs(r *bridge.AuditRecord) []any {
	return []any{r.ID, seconds(r.At), string(r.Event), string(r.Reason), string(r.Actor), r.ClientID, r.Provider, r.LinkID,
		r.Subject, r.Ref, r.Address}
}

// newRecordID returns the id of a record. The place of the record in its transaction counts as so many microseconds, so
// that the records of one transaction keep their order.
func newRecordID(at time.Time, place int) string {
	return recordTime(at.Add(time.Duration(place)*time.Microsecond)) + rand.Text()[:10]
}

// recordTime returns what the ids of records at a time begin with. They are compared as text, and so has each time as
// many digits: 16 are enough until the year 2286.
func recordTime(at time.Time) string {
	const longest = 9_999_999_999_999_999
	return fmt.Sprintf("%016d", min(max(0, at.UnixMicro()), longest))
}

// Record adds a record to the audit log; see [bridge.Store].
func (s *Store) Record(ctx context.Context, record bridge.AuditRecord) error {
	return s.write(ctx, func(tx *transaction) error {
		tx.records = append(tx.records, record)
		return nil
	})
}

// Audit returns audit records; see [bridge.Store].
func (s *Store) Audit(ctx context.Context, filter bridge.AuditFilter) ([]bridge.AuditRecord, error) {
	query, args := selectAudit(filter)
	rows, err := s.db.Reader.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	records, err := scanRecords(rows)
	slices.Reverse(records)
	return records, err
}

// selectAudit returns the query for the records that match a filter, the newest first, and its arguments.
func selectAudit(filter bridge.AuditFilter) (query string, args []any) {
	conditions := []string{"1 = 1"}
	where := func(condition, value string) {
		if value != "" {
			args = append(args, value)
			conditions = append(conditions, condition+" "+placeholder(len(args)))
		}
	}
	where("link_id <> '' AND link_id =", filter.LinkID) // the first is the condition of its index, also below
	where("subject <> '' AND subject =", filter.Subject)
	where("ref <> '' AND ref =", filter.Ref)
	where("client_id =", filter.ClientID)
	where("provider =", filter.Provider)
	where("event =", string(filter.Event))
	where("id <", filter.Before)
	if !filter.Since.IsZero() {
		where("id >=", recordTime(filter.Since))
	}
	if !filter.Until.IsZero() {
		where("id <", recordTime(filter.Until))
	}
	limit := noLimit
	if filter.Limit > 0 {
		limit = int64(filter.Limit)
	}
	args = append(args, limit)
	return `SELECT ` + auditColumns + ` FROM audit WHERE ` + strings.Join(conditions, " AND ") +
		` ORDER BY id DESC LIMIT ` + placeholder(len(args)), args
}

func scanRecords(rows *sql.Rows) ([]bridge.AuditRecord, error) {
	defer rows.Close()
	var records []bridge.AuditRecord
	for rows.Next() {
		var r bridge.AuditRecord
		var at int64
		err := rows.Scan(&r.ID, &at, &r.Event, &r.Reason, &r.Actor, &r.ClientID, &r.Provider, &r.LinkID, &r.Subject,
			&r.Ref, &r.Address)
		if err != nil {
			return nil, err
		}
		r.At = timeOf(at)
		records = append(records, r)
	}
	return records, rows.Err()
}

// erasePerson is completed with a condition on audit records. Who is not the person keeps the address.
const erasePerson = `UPDATE audit SET subject = '', address = CASE WHEN actor = '` + string(bridge.ActorPerson) +
	`' THEN '' ELSE address END WHERE `

// forgetRecords erases the person from the records of links, given as eraseSize ids, and from those that this
// transaction will insert, from a place on.
func (tx *transaction) forgetRecords(ids []any, from int) error {
	for i := range tx.records[from:] {
		tx.records[from+i].Subject = ""
	}
	_, err := tx.Exec(erasePerson+`link_id <> '' AND link_id IN `+placeholders(1, eraseSize), ids...)
	return err
}

// forgetSubject erases the person whom a filter names from the records that belong to no link, or to one that is gone.
func (tx *transaction) forgetSubject(filter bridge.LinkFilter) error {
	if filter.Subject == "" {
		return nil
	}
	_, err := tx.Exec(erasePerson+`subject <> '' AND subject = $1 AND $2 IN ('', provider) AND $3 IN ('', client_id)
		AND NOT EXISTS (SELECT 1 FROM links WHERE links.id = audit.link_id)`,
		filter.Subject, filter.Provider, filter.ClientID)
	return err
}

// sweepRecords removes up to limit records from before a time, in transactions of a few, and returns how many.
func (s *Store) sweepRecords(ctx context.Context, before time.Time, limit int) (int, error) {
	for removed := 0; ; {
		size := min(deleteSize, limit-removed)
		n, err := writeResult(ctx, s, func(tx *transaction) (int64, error) {
			return tx.ExecCount(deleteRecords, recordTime(before), size)
		})
		removed += int(n)
		if err != nil || int(n) < size || removed >= limit {
			return removed, err
		}
	}
}

const deleteRecords = `DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE id < $1 ORDER BY id LIMIT $2)`
