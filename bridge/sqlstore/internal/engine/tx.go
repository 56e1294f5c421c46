package engine

import (
	"database/sql"
)

// Tx is a write transaction.
type Tx struct {
	// RowLock ends a SELECT that locks the rows it returns. It is empty on SQLite, where a transaction is alone.
	RowLock string

	tx          *sql.Tx
	statements  *statements // nil on PostgreSQL: pgx prepares statements by itself
	notify      string      // the statement that wakes listeners, or empty
	afterCommit []func()
}

// AfterCommit registers a function that is called when the transaction is durable, before [DB.Write] returns.
func (tx *Tx) AfterCommit(do func()) { tx.afterCommit = append(tx.afterCommit, do) }

func (tx *Tx) committed() {
	for _, do := range tx.afterCommit {
		do()
	}
}

// Notify wakes the listeners of all processes after the commit. On SQLite and CockroachDB it does nothing.
func (tx *Tx) Notify() error {
	if tx.notify == "" {
		return nil
	}
	_, err := tx.Exec(tx.notify)
	return err
}

// Exec is [sql.Tx.Exec], with a prepared statement if there is one.
func (tx *Tx) Exec(query string, args ...any) (sql.Result, error) {
	if prepared := tx.statements.find(tx.tx, query); prepared != nil {
		return prepared.Exec(args...)
	}
	return tx.tx.Exec(query, args...)
}

// ExecOnce is Exec for a statement of which there are many variants, which are not kept prepared.
func (tx *Tx) ExecOnce(query string, args ...any) error {
	_, err := tx.tx.Exec(query, args...)
	return err
}

// ExecCount is Exec that returns how many rows the statement changed.
func (tx *Tx) ExecCount(query string, args ...any) (int64, error) {
	result, err := tx.Exec(query, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// Query is [sql.Tx.Query], with a prepared statement if there is one.
func (tx *Tx) Query(query string, args ...any) (*sql.Rows, error) {
	if prepared := tx.statements.find(tx.tx, query); prepared != nil {
		return prepared.Query(args...)
	}
	return tx.tx.Query(query, args...)
}

// QueryRow is [sql.Tx.QueryRow], with a prepared statement if there is one.
func (tx *Tx) QueryRow(query string, args ...any) *sql.Row {
	if prepared := tx.statements.find(tx.tx, query); prepared != nil {
		return prepared.QueryRow(args...)
	}
	return tx.tx.QueryRow(query, args...)
}

// maxStatements bounds how many statements are kept prepared: the text of some depends on the number of their values.
const maxStatements = 64

// statements keeps the statements of SQLite's writer prepared, because preparing one takes longer than running it. A
// nil pointer prepares none. They are closed with their database.
type statements struct {
	prepared map[string]*sql.Stmt
	wanted   map[string]bool
}

func newStatements() *statements {
	return &statements{prepared: map[string]*sql.Stmt{}, wanted: map[string]bool{}}
}

// find returns the prepared statement for a query. If there is none, it returns nil and remembers the query for
// prepareWanted.
func (s *statements) find(tx *sql.Tx, query string) *sql.Stmt {
	if s == nil {
		return nil
	}
	if prepared := s.prepared[query]; prepared != nil {
		return tx.Stmt(prepared)
	}
	if len(s.prepared)+len(s.wanted) < maxStatements {
		s.wanted[query] = true
	}
	return nil
}

// prepareWanted prepares the queries that find did not find. The connection must not be in a transaction.
func (s *statements) prepareWanted(db *sql.DB) {
	for query := range s.wanted {
		if prepared, err := db.Prepare(query); err == nil { // an error shows again when the query is run
			s.prepared[query] = prepared
		}
	}
	clear(s.wanted)
}
