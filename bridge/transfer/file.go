// Package transfer reads and writes the file in which links move from one database to another.
//
// The file is JSON, one row of the database per line: a header, then the tombstones of links that were erased, then
// each link followed by its tokens, codes and its provider's token, then the numbers of all, by which a truncated file
// is recognised. Every line ends with a line feed and has at most [MaxLine] bytes, none of them of a control character:
// those in claims are escaped, and there are none elsewhere.
//
//	{"format":"alexa-oidc-bridge links","version":3,"exported_at":1800000000}
//	{"tombstone":{"link_id":"lnk_7c2qvw5e","ended_at":1790000000}}
//	{"link":{"link_id":"lnk_4ghm3yq7","client_id":"pizza", … ,"claims":{"email":"ada@contoso.com"}, … }}
//	{"token":{"link_id":"lnk_4ghm3yq7","hash":"9f86d0…","kind":"access", … }}
//	{"links":1,"tokens":1,"codes":0,"tombstones":1}
//
// Times are seconds since 1970, 0 for never. Tokens and codes are SHA-256 hashes, which cannot be used; the refresh
// tokens of providers are sealed by the keys of the configuration; the links are personal data. [Read] accepts exactly
// what [Write] writes and wrote in version 2, and memory does not grow with the file.
package transfer

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	format  = "alexa-oidc-bridge links"
	version = 3
	// oldestVersion is the oldest version that Read accepts. Its links have no actor and no e-mail claim.
	oldestVersion = 2
	// MaxLine is how many bytes a line may have, without its line feed.
	MaxLine = 64 << 10
)

type header struct {
	Format     string `json:"format"`
	Version    int    `json:"version"`
	ExportedAt int64  `json:"exported_at"`
}

// Write writes a file of rows, and returns how many it wrote. The rows must be valid and in order, as [Read] returns
// them; the error for a row that is not names the link. After an error the file is useless.
func Write(w io.Writer, rows iter.Seq2[Row, error], now time.Time) (Counts, error) {
	buffer := bufio.NewWriterSize(w, 1<<18)
	var written sequence
	if err := writeLine(buffer, header{format, version, now.Unix()}); err != nil {
		return Counts{}, err
	}
	for row, err := range rows {
		if err != nil {
			return written.counts, err
		}
		if err = written.add(row); err == nil {
			err = writeLine(buffer, row)
		}
		if err != nil {
			return written.counts, fmt.Errorf("link %q: %w", written.id, err)
		}
	}
	return written.counts, errors.Join(writeLine(buffer, written.counts), buffer.Flush())
}

func writeLine(w io.Writer, value any) error {
	line, err := encode(value)
	if err == nil {
		_, err = w.Write(line)
	}
	return err
}

// encode returns a line of JSON without a control character but its line feed: a terminal could execute some. It
// escapes those that encoding/json does not, DEL and C1.
func encode(value any) ([]byte, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	line := make([]byte, 0, len(text)+1)
	for _, r := range string(text) {
		if unicode.IsControl(r) {
			line = fmt.Appendf(line, `\u%04x`, r)
		} else {
			line = utf8.AppendRune(line, r)
		}
	}
	if len(line) > MaxLine {
		return nil, fmt.Errorf("its line would have %d bytes, and at most %d are allowed", len(line), MaxLine)
	}
	return append(line, '\n'), nil
}

// LineError is an error in a file, with the number of its line, from 1. Its text does not quote the file.
type LineError struct {
	Line int
	Err  error
}

func (e *LineError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }

// Unwrap returns Err.
func (e *LineError) Unwrap() error { return e.Err }

// Read returns the rows of a file that [Write] wrote; row n is in line n+1. Anything else is a [*LineError], which is
// the last element. Only when there is none is the file complete.
func Read(r io.Reader) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		reader := reader{lines: bufio.NewReaderSize(r, MaxLine+1)}
		for {
			row, err := reader.next()
			if err == io.EOF {
				return
			}
			if err != nil {
				yield(Row{}, &LineError{reader.line, err})
				return
			}
			if row != (Row{}) && !yield(row, nil) {
				return
			}
		}
	}
}

type reader struct {
	lines    *bufio.Reader
	line     int
	read     sequence
	complete bool // whether the counts have been read
}

// next returns the row in the next line, none for the header and the counts, or io.EOF at the end of a complete file.
func (r *reader) next() (row Row, err error) {
	r.line++
	switch line, err := r.lines.ReadSlice('\n'); {
	case r.complete && (err == nil || len(line) > 0):
		return Row{}, errors.New("something follows the last line")
	case r.line == 1 && len(line) > 0 && !bytes.HasPrefix(line, []byte(`{"format":`)): // such as one that is compressed
		return Row{}, errNotExport
	case err == io.EOF && !r.complete:
		return Row{}, errors.New("the file is truncated: it ends here, before its last line")
	case err == bufio.ErrBufferFull:
		return Row{}, fmt.Errorf("it has more than %d bytes", MaxLine)
	case err != nil:
		return Row{}, err
	case r.line == 1:
		return Row{}, checkHeader(line)
	case bytes.HasPrefix(line, []byte(`{"links":`)):
		r.complete = true
		return Row{}, r.checkCounts(line)
	default:
		if err := decode(line, &row); err != nil {
			return Row{}, err
		}
		return row, r.read.add(row)
	}
}

var errNotExport = errors.New("this is not a file of links export")

func checkHeader(line []byte) error {
	var found header
	if err := json.Unmarshal(line, &found); err != nil || found.Format != format {
		return errNotExport
	}
	if found.Version < oldestVersion || found.Version > version {
		return fmt.Errorf("the file has version %d, this program reads versions %d to %d; "+
			"export the links again with this program", found.Version, oldestVersion, version)
	}
	return decode(line, &found)
}

func (r *reader) checkCounts(line []byte) error {
	var want Counts
	err := decode(line, &want)
	if got := r.read.counts; err == nil && got != want {
		err = fmt.Errorf("the file should have %d links, %d tokens, %d codes, %d upstream tokens and %d tombstones, and has "+
			"%d, %d, %d, %d and %d", want.Links, want.Tokens, want.Codes, want.UpstreamTokens, want.Tombstones,
			got.Links, got.Tokens, got.Codes, got.UpstreamTokens, got.Tombstones)
	}
	return err
}

// decode decodes a line that is exactly as encode encodes it. To find anything that encoding/json tolerates, it
// encodes the value again. The errors of encoding/json are not returned, because they quote the line.
func decode(line []byte, value any) error {
	err := json.Unmarshal(line, value)
	if again, errAgain := encode(value); err != nil || errAgain != nil || !bytes.Equal(again, line) {
		return errors.New("links export does not write such a line: a field is unknown, missing, repeated " +
			"or in another place, or a value has another type or form")
	}
	return nil
}
