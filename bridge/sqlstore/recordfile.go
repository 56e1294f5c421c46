package sqlstore

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"iter"
	"time"
)

// A file of records has a line of JSON for each, between a first line that says what it is and a last one that counts them,
// by which a file that was cut off is noticed:
//
//	{"format":"alexa-oidc-bridge links","version":1,"exported_at":1800000000}
//	{"link_id":"lnk_…","client_id":"pizza", …, "tokens":[{"hash":"…", …}],"codes":[]}
//	{"links":1}
//
// Names are those of the database's columns, or of `links list --json`. Times are seconds since 1970, 0 for never. Every line
// ends in a line feed and is written exactly as [WriteRecords] does it: no field may be missing, or be there twice, or stand
// in another order.
type header struct {
	Format     string `json:"format"`
	Version    int    `json:"version"`
	ExportedAt int64  `json:"exported_at"`
}

type trailer struct {
	Links int `json:"links"`
}

const (
	recordFormat  = "alexa-oidc-bridge links"
	recordVersion = 1
	trailerStart  = `{"links":`
	// maxLine bounds a line: a link has some hundred bytes and 300 more for each token.
	maxLine = 64 << 20
)

// WriteRecords writes a file of records, and returns how many. After an error the file is of no use.
func WriteRecords(w io.Writer, records iter.Seq2[Record, error], now time.Time) (int, error) {
	buffer := bufio.NewWriterSize(w, 1<<18)
	err := writeLine(buffer, header{recordFormat, recordVersion, seconds(now)})
	if err != nil {
		return 0, err
	}
	links := 0
	for record, err := range records {
		if err == nil {
			err = writeLine(buffer, formOf(&record))
		}
		if err != nil {
			return links, err
		}
		links++
	}
	if err := writeLine(buffer, trailer{links}); err != nil {
		return links, err
	}
	return links, buffer.Flush()
}

func writeLine(w *bufio.Writer, form any) error {
	line, err := json.Marshal(form)
	if err != nil {
		return err
	}
	if len(line) >= maxLine {
		return fmt.Errorf("a link has too many tokens to be written: %d bytes", len(line))
	}
	w.Write(line)
	return w.WriteByte('\n') // tells of an earlier failure too
}

// LineError says what is wrong with a file of records, and where.
type LineError struct {
	Line int
	Err  error
}

func (e *LineError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }
func (e *LineError) Unwrap() error { return e.Err }

// ReadRecords reads a file that [WriteRecords] wrote: the nth record is in line n+1. It takes nothing that could mean
// something else than it says; the first fault is a [*LineError], after which there is nothing more.
func ReadRecords(r io.Reader) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		reader := newRecordReader(r)
		for {
			record, err := reader.next()
			if err == io.EOF {
				return
			}
			if err != nil {
				yield(Record{}, &LineError{max(reader.line, 1), err})
				return
			}
			if !yield(record, nil) {
				return
			}
		}
	}
}

type recordReader struct {
	lines *bufio.Scanner
	line  int
	seed  maphash.Seed
	seen  map[uint64]struct{} // the links that were read: 8 bytes each, since ten million should fit
}

func newRecordReader(r io.Reader) *recordReader {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 1<<16), maxLine)
	lines.Split(wholeLine)
	return &recordReader{lines: lines, seed: maphash.MakeSeed(), seen: map[uint64]struct{}{}}
}

var errCutOff = errors.New("the file ends here, before its end: it was cut off")

// wholeLine splits lines, of which the last must be complete too.
func wholeLine(data []byte, atEOF bool) (advance int, line []byte, err error) {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i + 1, data[:i], nil
	}
	if atEOF && len(data) > 0 {
		return 0, nil, errCutOff
	}
	return 0, nil, nil
}

// next returns the next record, or io.EOF after a last line that is right.
func (r *recordReader) next() (Record, error) {
	if r.line == 0 {
		if err := r.header(); err != nil {
			return Record{}, err
		}
	}
	line, err := r.scan()
	if err == io.EOF {
		err = errCutOff
	}
	if err != nil {
		return Record{}, err
	}
	if bytes.HasPrefix(line, []byte(trailerStart)) {
		return Record{}, r.trailer(line)
	}
	return r.record(line)
}

func (r *recordReader) scan() ([]byte, error) {
	r.line++
	if r.lines.Scan() {
		return r.lines.Bytes(), nil
	}
	switch err := r.lines.Err(); {
	case err == nil:
		return nil, io.EOF
	case errors.Is(err, bufio.ErrTooLong):
		return nil, fmt.Errorf("it is longer than %d bytes", maxLine)
	default:
		return nil, err
	}
}

func (r *recordReader) header() error {
	line, err := r.scan()
	if err == io.EOF {
		return errors.New("the file is empty")
	}
	if err != nil {
		return err
	}
	var found header
	switch err := json.Unmarshal(line, &found); {
	case err != nil || found.Format != recordFormat:
		return errors.New("this is no file of links export")
	case found.Version != recordVersion:
		return fmt.Errorf("the file has version %d, this program reads %d", found.Version, recordVersion)
	}
	return exactly(line, found)
}

func (r *recordReader) trailer(line []byte) error {
	var found trailer
	if err := decode(line, &found); err != nil {
		return err
	}
	if err := exactly(line, found); err != nil {
		return err
	}
	if found.Links != len(r.seen) {
		return fmt.Errorf("the file should have %d links, and has %d", found.Links, len(r.seen))
	}
	if _, err := r.scan(); err != io.EOF {
		return errors.Join(errors.New("something follows the last line"), err)
	}
	return io.EOF
}

func (r *recordReader) record(line []byte) (Record, error) {
	var form recordForm
	if err := decode(line, &form); err != nil {
		return Record{}, err
	}
	record := form.record()
	if err := exactly(line, formOf(&record)); err != nil {
		return Record{}, err
	}
	if err := record.check(); err != nil {
		return Record{}, err
	}
	id := maphash.String(r.seed, record.Link.ID)
	if _, twice := r.seen[id]; twice {
		return Record{}, errors.New("its link was there before")
	}
	r.seen[id] = struct{}{}
	return record, nil
}

func decode(line []byte, form any) error {
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(form); err != nil {
		return fmt.Errorf("it cannot be read: %w", err)
	}
	return nil
}

// exactly refuses a line that leaves something out, says something twice, or is written in another way.
func exactly(line []byte, form any) error {
	again, err := json.Marshal(form)
	if err == nil && !bytes.Equal(again, line) {
		err = errors.New("it is not written as links export writes it: a field may be missing, or be there twice")
	}
	return err
}
