package testbridge

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// GuideRow is a row of a table in docs/troubleshooting.md.
type GuideRow struct {
	Section string
	Text    string // the whole line
	Cells   []string
}

// ReadGuide reads the rows of docs/troubleshooting.md from a package two folders below the root.
func ReadGuide(tb testing.TB) []GuideRow {
	tb.Helper()
	text, err := os.ReadFile("../../docs/troubleshooting.md")
	if err != nil {
		tb.Fatal(err)
	}
	var rows []GuideRow
	section, inTable := "", false
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if title, isTitle := strings.CutPrefix(line, "## "); isTitle {
			section = title
		}
		switch isRow := strings.HasPrefix(line, "|"); {
		case !isRow, strings.HasPrefix(line, "| ---"):
			inTable = isRow
		case inTable:
			row := GuideRow{Section: section, Text: line}
			for cell := range strings.SplitSeq(strings.Trim(line, "|"), "|") {
				row.Cells = append(row.Cells, strings.TrimSpace(cell))
			}
			rows = append(rows, row)
		}
	}
	return rows
}

var quotedPattern = regexp.MustCompile("`([^`]+)`|\"([^\"]+)\"")

// Quoted returns the texts of a cell that stand in backticks or quotation marks, up to an ellipsis.
func (r GuideRow) Quoted(cell int) []string {
	var texts []string
	for _, match := range quotedPattern.FindAllStringSubmatch(r.Cells[cell], -1) {
		texts = append(texts, strings.TrimRight(match[1]+match[2], " …"))
	}
	return texts
}
