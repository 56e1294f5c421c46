package transfer

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
)

// LineError is an error in a file, with the number of its line, from 1. Its text does not quote the file.
type LineError struct {
	Line int
	Err  error
}

func (e *LineError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }

// Unwrap returns Err.
func (e *LineError) Unwrap() error { return e.Err }

var (
	errTruncated = errors.New("the file is truncated: it ends here, before its last line")
	errNotExact  = errors.New("links export does not write such a line: a field is unknown, missing, repeated or in another place, " +
		"or a value has another type or form")
)

// Read returns the rows of a file that [Write] wrote; row n is in line n+1. Anything else is a [*LineError], which is the
// last element. Only when there is none is the file complete.
func Read(r io.Reader) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		reader := newReader(r)
		for {
			row, err := reader.next()
			if err == io.EOF {
				return
			}
			if err != nil {
				yield(Row{}, &LineError{reader.line, err})
				return
			}
			if !yield(row, nil) {
				return
			}
		}
	}
}

type reader struct {
	lines *bufio.Scanner
	line  int
	read  sequence
}

func newReader(r io.Reader) *reader {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, MaxLine+1)
	lines.Split(splitLines)
	return &reader{lines: lines}
}

// splitLines is a [bufio.SplitFunc] for lines that all end with a line feed.
func splitLines(data []byte, atEOF bool) (advance int, line []byte, err error) {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i + 1, data[:i], nil
	}
	if atEOF && len(data) > 0 {
		return 0, nil, errTruncated
	}
	return 0, nil, nil
}

// next returns the next row, or io.EOF after the last line.
func (r *reader) next() (Row, error) {
	if r.line == 0 {
		if err := r.readHeader(); err != nil {
			return Row{}, err
		}
	}
	line, err := r.scan()
	if err == io.EOF {
		err = errTruncated
	}
	if err != nil {
		return Row{}, err
	}
	if bytes.HasPrefix(line, []byte(`{"links":`)) {
		return Row{}, r.readCounts(line)
	}
	var row Row
	if err := decode(line, &row); err != nil {
		return Row{}, err
	}
	return row, r.read.add(row)
}

func (r *reader) scan() ([]byte, error) {
	r.line++
	if r.lines.Scan() {
		return r.lines.Bytes(), nil
	}
	switch err := r.lines.Err(); {
	case err == nil:
		return nil, io.EOF
	case errors.Is(err, bufio.ErrTooLong):
		return nil, fmt.Errorf("it has more than %d bytes", MaxLine)
	default:
		return nil, err
	}
}

func (r *reader) readHeader() error {
	line, err := r.scan()
	if err == io.EOF {
		return errors.New("the file is empty")
	}
	if err != nil {
		return err
	}
	var found header
	switch err := json.Unmarshal(line, &found); {
	case err != nil || found.Format != format:
		return errors.New("this is not a file of links export")
	case found.Version == 1:
		return errors.New("the file has version 1, of an earlier program; export the links again with this program")
	case found.Version != version:
		return fmt.Errorf("the file has version %d, this program reads version %d; export the links again with this program",
			found.Version, version)
	}
	return decode(line, &header{})
}

func (r *reader) readCounts(line []byte) error {
	var want Counts
	if err := decode(line, &want); err != nil {
		return err
	}
	if got := r.read.counts; got != want {
		return fmt.Errorf("the file should have %d links, %d tokens and %d codes, and has %d, %d and %d",
			want.Links, want.Tokens, want.Codes, got.Links, got.Tokens, got.Codes)
	}
	if _, err := r.scan(); err != io.EOF {
		return errors.New("something follows the last line")
	}
	return io.EOF
}

// decode decodes a line that is exactly as Write writes it. To find anything that encoding/json tolerates, it encodes the
// value again. The errors of encoding/json are not returned, because they quote the line.
func decode(line []byte, value any) error {
	if err := json.Unmarshal(line, value); err != nil {
		return errNotExact
	}
	if again, err := encode(value); err != nil || !bytes.Equal(again, line) {
		return errNotExact
	}
	return nil
}
