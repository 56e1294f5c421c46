package sqlstore

import (
	"database/sql"
	"errors"
)

// maxStatements bounds how many statements are kept prepared. Those whose text depends on how many values they have could
// be any number.
const maxStatements = 64

// statements are those that SQLite's writer runs again and again, prepared once. To prepare one takes longer than to run it.
// A nil pointer prepares none.
type statements struct {
	prepared map[string]*sql.Stmt
	wanted   map[string]bool
}

func newStatements() *statements {
	return &statements{prepared: map[string]*sql.Stmt{}, wanted: map[string]bool{}}
}

// find returns a statement that is prepared, or nil, and remembers that it is wanted.
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

// prepare prepares what is wanted. The connection must not be in a transaction.
func (s *statements) prepare(db *sql.DB) {
	for query := range s.wanted {
		if prepared, err := db.Prepare(query); err == nil { // whatever is wrong shows again when it is run
			s.prepared[query] = prepared
		}
	}
	clear(s.wanted)
}

func (s *statements) close() error {
	var errs []error
	for _, prepared := range s.prepared {
		errs = append(errs, prepared.Close())
	}
	return errors.Join(errs...)
}

// Exec is [sql.Tx.Exec] by a prepared statement if there is one; Query and QueryRow likewise.
func (tx *transaction) Exec(query string, args ...any) (sql.Result, error) {
	if prepared := tx.statements.find(tx.Tx, query); prepared != nil {
		return prepared.Exec(args...)
	}
	return tx.Tx.Exec(query, args...)
}

func (tx *transaction) Query(query string, args ...any) (*sql.Rows, error) {
	if prepared := tx.statements.find(tx.Tx, query); prepared != nil {
		return prepared.Query(args...)
	}
	return tx.Tx.Query(query, args...)
}

func (tx *transaction) QueryRow(query string, args ...any) *sql.Row {
	if prepared := tx.statements.find(tx.Tx, query); prepared != nil {
		return prepared.QueryRow(args...)
	}
	return tx.Tx.QueryRow(query, args...)
}
