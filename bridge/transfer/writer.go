package transfer

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	format  = "alexa-oidc-bridge links"
	version = 2
	// MaxLine is how many bytes a line may have, without its line feed.
	MaxLine = 64 << 10
)

type header struct {
	Format     string `json:"format"`
	Version    int    `json:"version"`
	ExportedAt int64  `json:"exported_at"`
}

// Write writes a file of rows, and returns how many it wrote. The rows must be valid and in order, as [Read] returns them;
// the error for a row that is not names the link. After an error the file is useless.
func Write(w io.Writer, rows iter.Seq2[Row, error], now time.Time) (Counts, error) {
	buffer := bufio.NewWriterSize(w, 1<<18)
	if err := writeLine(buffer, header{format, version, now.Unix()}); err != nil {
		return Counts{}, err
	}
	var written sequence
	for row, err := range rows {
		if err != nil {
			return written.counts, err
		}
		if err := written.add(row); err != nil {
			return written.counts, fmt.Errorf("link %q: %w", written.link, err)
		}
		if err := writeLine(buffer, row); err != nil {
			return written.counts, fmt.Errorf("link %q: %w", written.link, err)
		}
	}
	if err := writeLine(buffer, written.counts); err != nil {
		return written.counts, err
	}
	return written.counts, buffer.Flush()
}

func writeLine(w *bufio.Writer, value any) error {
	line, err := encode(value)
	if err != nil {
		return err
	}
	if len(line) > MaxLine {
		return fmt.Errorf("its line would have %d bytes, and at most %d are allowed", len(line), MaxLine)
	}
	w.Write(line)
	return w.WriteByte('\n') // returns the error of an earlier write, too
}

// encode encodes a line. Like C0, which encoding/json escapes, DEL and C1 are escaped, so that the file has no control
// character but its line feeds.
func encode(value any) ([]byte, error) {
	line, err := json.Marshal(value)
	if err != nil || !bytes.ContainsFunc(line, unicode.IsControl) {
		return line, err
	}
	var escaped []byte
	for _, r := range string(line) {
		if unicode.IsControl(r) {
			escaped = fmt.Appendf(escaped, `\u%04x`, r)
		} else {
			escaped = utf8.AppendRune(escaped, r)
		}
	}
	return escaped, nil
}
