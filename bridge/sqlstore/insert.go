package sqlstore

import (
	"errors"
	"math/bits"
	"slices"
	"strings"
)

// rowsAtOnce bounds the parameters of a statement.
const rowsAtOnce = 512

var errNUL = errors.New("it has a NUL character, which PostgreSQL cannot keep")

// table is what an import puts into a table, with the record that each row comes from.
type table struct {
	name    string
	columns []string // the key first
	rows    [][]any
	owners  []int
}

func (t *table) add(owner int, row ...any) {
	t.rows, t.owners = append(t.rows, row), append(t.owners, owner)
}

// insert adds the rows whose keys are not there yet, and says which these are. The number of rows in a statement is a power
// of two, so that there are few statements to be prepared.
func (i *importing) insert(tx *transaction, into *table) (inserted []bool, err error) {
	found := make(map[string]bool, len(into.rows))
	for first := 0; first < len(into.rows); {
		n := 1 << (bits.Len(uint(min(len(into.rows)-first, rowsAtOnce))) - 1)
		values, err := i.values(into, first, n)
		if err != nil {
			return nil, err
		}
		keys, err := texts(tx.Query(`INSERT INTO `+into.name+` (`+strings.Join(into.columns, ", ")+`) VALUES `+
			i.lists(n, len(into.columns))+` ON CONFLICT (`+into.columns[0]+`) DO NOTHING RETURNING `+into.columns[0], values...))
		if err != nil {
			return nil, err
		}
		for _, key := range keys {
			found[key] = true
		}
		first += n
	}
	inserted = make([]bool, len(into.rows))
	for n, row := range into.rows {
		key := row[0].(string)
		inserted[n] = found[key]
		delete(found, key) // of two rows with one key the first was inserted
	}
	return inserted, nil
}

func (i *importing) values(from *table, first, n int) ([]any, error) {
	values := make([]any, 0, n*len(from.columns))
	for m, row := range from.rows[first : first+n] {
		if i.store.options.Driver == PostgreSQL && slices.ContainsFunc(row, hasNUL) {
			return nil, i.fault(from.owners[first+m], errNUL)
		}
		values = append(values, row...)
	}
	return values, nil
}

func hasNUL(value any) bool {
	text, isText := value.(string)
	return isText && strings.IndexByte(text, 0) >= 0
}

func (i *importing) fault(n int, err error) error {
	return &RecordError{i.before + n + 1, i.waiting[n].Link.ID, err}
}

// lists writes rows of placeholders.
func (i *importing) lists(rows, columns int) string {
	lists := make([]string, rows)
	for row := range lists {
		lists[row] = "(" + i.places(columns, row*columns+1) + ")"
	}
	return strings.Join(lists, ", ")
}

// places writes placeholders. SQLite compares a numbered one with all before it, which takes long when there are thousands.
func (i *importing) places(n, first int) string {
	places := make([]string, n)
	for m := range places {
		places[m] = "?"
		if i.store.options.Driver == PostgreSQL {
			places[m] = placeholder(first + m)
		}
	}
	return strings.Join(places, ", ")
}
