package transfer

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"alexa-oidc-bridge/bridge"
)

// secret is in each row of testRows as a part of some value, and must be in no error.
const secret = "Main Street"

func TestReadErrors(t *testing.T) {
	rows := slices.Concat(testRows(0), testRows(1))
	whole := mustWrite(t, rows)
	lines := strings.SplitAfter(whole, "\n") // header, 8 rows, counts, and an empty text
	edit := func(line int, old, new string) string {
		t.Helper()
		if !strings.Contains(lines[line-1], old) {
			t.Fatalf("line %d has no %s: %s", line, old, lines[line-1])
		}
		edited := slices.Clone(lines)
		edited[line-1] = strings.Replace(edited[line-1], old, new, 1)
		return strings.Join(edited, "")
	}
	without := func(line int) string { return strings.Join(slices.Delete(slices.Clone(lines), line-1, line), "") }
	insert := func(line int, text string) string {
		return strings.Join(slices.Insert(slices.Clone(lines), line-1, text), "")
	}
	hash := string(bridge.HashOf("access of lnk_0000001"))
	kind, created, lastUsed := `"kind":"access"`, `"created_at":1800000000`, `"last_used_at":`
	longTombstone := `{"tombstone":{"link_id":"lnk_x","ended_at":1,"x":1}}` + "\n"
	tests := map[string]struct {
		file string
		line int
		want string
	}{
		"empty":                    {"", 1, "truncated"},
		"a letter":                 {"Dear Sir or Madam,\n", 1, "not a file of links export"},
		"an object":                {"{}\n", 1, "not a file of links export"},
		"version 1":                {edit(1, `"version":3`, `"version":1`), 1, "export the links again with this program"},
		"a newer version":          {edit(1, `"version":3`, `"version":4`), 1, "has version 4"},
		"more in the header":       {edit(1, `"version":3`, `"version":3,"key":"x"`), 1, "unknown"},
		"no header":                {without(1), 1, "not a file of links export"},
		"a second header":          {insert(6, lines[0]), 6, "unknown"},
		"no counts":                {without(10), 10, "truncated"},
		"an empty line at the end": {whole + "\n", 11, "follows the last line"},
		"another file at the end":  {whole + whole, 11, "follows the last line"},
		"half a line at the end":   {whole + "x", 11, "follows the last line"},
		"a wrong number of links":  {edit(10, `"links":2`, `"links":3`), 10, "should have 3 links"},
		"a wrong number of tokens": {edit(10, `"tokens":4`, `"tokens":3`), 10, "3 tokens"},
		"a wrong number of codes":  {edit(10, `"codes":2`, `"codes":20`), 10, "20 codes"},
		"more in the counts":       {edit(10, `"codes":2`, `"codes":2,"x":1`), 10, "unknown"},
		"a missing token": {without(3), 9,
			"4 tokens, 2 codes, 0 upstream tokens and 0 tombstones, and has 2, 3, 2, 0 and 0"},
		"a missing link":                  {without(6), 6, "does not follow its link"},
		"a token before all links":        {without(2), 2, "does not follow its link"},
		"a code before its link":          {insert(2, lines[4]), 2, "does not follow its link"},
		"a token of an earlier link":      {insert(10, lines[2]), 10, "does not follow its link"},
		"an empty line":                   {insert(4, "\n"), 4, "unknown"},
		"an empty object":                 {insert(4, "{}\n"), 4, "exactly one"},
		"a link and a token in one":       {edit(2, "}}\n", "},"+lines[2][1:]), 2, "exactly one"},
		"null":                            {insert(4, `{"token":null}`+"\n"), 4, "unknown"},
		"an array":                        {insert(4, "[]\n"), 4, "unknown"},
		"half a line":                     {edit(2, `"reason":"left"`, ""), 2, "unknown"},
		"a carriage return":               {edit(2, "\n", "\r\n"), 2, "unknown"},
		"an unknown field":                {edit(2, `"reason":"left"`, `"reason":"left","admin":true`), 2, "unknown"},
		"an unknown row":                  {edit(2, `{"link"`, `{"links_":1,"link"`), 2, "unknown"},
		"a missing field":                 {edit(2, `"revoked_at":1800000002,`, ""), 2, "missing"},
		"a field in another case":         {edit(2, `"revoked_at"`, `"Revoked_At"`), 2, "unknown"},
		"a repeated field":                {edit(2, `"reason":"left"`, `"reason":"x","reason":"left"`), 2, "repeated"},
		"a repeated claim":                {edit(2, `"email":`, `"email":"x","email":`), 2, "repeated"},
		"fields in another order":         {edit(3, kind+","+created, created+","+kind), 3, "another place"},
		"a space":                         {edit(2, `"reason":"`, `"reason": "`), 2, "form"},
		"an object after the object":      {edit(2, "\n", " {}\n"), 2, "form"},
		"a number as a string":            {edit(2, `"revoked_at":1800000002`, `"revoked_at":"1800000002"`), 2, "type"},
		"a fraction":                      {edit(2, `"revoked_at":1800000002`, `"revoked_at":1800000002.5`), 2, "type"},
		"a negative time":                 {edit(2, `"revoked_at":1800000002`, `"revoked_at":-1`), 2, "out of range"},
		"a time in the year 10000":        {edit(2, lastUsed+"1800000001", lastUsed+"253402300800"), 2, "out of range"},
		"a time of a token":               {edit(3, `"expires_at":1800003600`, `"expires_at":-1`), 3, "out of range"},
		"a time of a code":                {edit(5, `"redeemed_at":1800000005`, `"redeemed_at":-1`), 5, "out of range"},
		"a place below zero":              {edit(4, `"place":2`, `"place":-1`), 4, "out of range"},
		"no created_at":                   {edit(2, `"created_at":1800000000`, `"created_at":0`), 2, "created_at"},
		"text that is not UTF-8":          {edit(2, "orders", "\xff"), 2, "form"},
		"a malformed link id":             {edit(2, "lnk_", "LNK_"), 2, "link_id"},
		"an unknown grant":                {edit(2, `"grant":"`, `"grant":"x`), 2, "grant"},
		"an Alexa user, not its hash":     {edit(2, string(bridge.HashOf("user")), "amzn1.account.X"), 2, "alexa_user"},
		"a long hash":                     {edit(7, hash, hash+"0"), 7, "hexadecimal"},
		"a hash in upper case":            {edit(7, hash, strings.ToUpper(hash)), 7, "hexadecimal"},
		"a malformed hash of a code":      {edit(5, string(bridge.HashOf("code of lnk_0000000")), "x"), 5, "hexadecimal"},
		"a malformed parent":              {edit(4, string(bridge.HashOf("parent")), "x"), 4, "parent"},
		"an unknown kind":                 {edit(3, `"kind":"access"`, `"kind":"code"`), 3, "kind"},
		"a wrong number of tombstones":    {edit(10, `"codes":2`, `"codes":2,"tombstones":1`), 10, "1 tombstones"},
		"no tombstones, and their number": {edit(10, `"codes":2`, `"codes":2,"tombstones":0`), 10, "form"},
		"a malformed tombstone":           {insert(6, tombstoneLine("x", 1)), 6, "link_id"},
		"a tombstone without a time":      {insert(6, tombstoneLine("lnk_x", 0)), 6, "ended_at"},
		"a tombstone of the year 10000":   {insert(6, tombstoneLine("lnk_x", 253402300800)), 6, "out of range"},
		"more in a tombstone":             {insert(6, longTombstone), 6, "unknown"},
		"a tombstone and a link in one":   {edit(6, `}}`+"\n", "},"+tombstoneLine("lnk_x", 1)[1:]), 6, "exactly one"},
		"an upstream token that is none":  {insert(6, upstream(`""`, 1, 1, 1)), 6, "sealed"},
		"an unknown answer, or two":       {insert(6, upstream(`"AA=="`, 2, 1, 1)), 6, "out of range"},
		"neither stable nor not":          {insert(6, upstream(`"AA=="`, 0, -1, 1)), 6, "out of range"},
		"failures below zero":             {insert(6, upstream(`"AA=="`, 0, 1, -1)), 6, "out of range"},
		"an upstream token elsewhere":     {insert(9, upstream(`"AA=="`, 0, 1, 1)), 9, "does not follow its link"},
		"a token after a tombstone":       {insert(4, tombstoneLine("lnk_0000000", 1)), 5, "does not follow its link"},
		"a line too long":                 {edit(2, "orders", strings.Repeat("x", MaxLine)), 2, "more than 65536 bytes"},
	}
	for name, tt := range tests {
		read, err := readAll(tt.file)
		lineErr, ok := errors.AsType[*LineError](err)
		if !ok || lineErr.Line != tt.line || !strings.Contains(err.Error(), tt.want) ||
			strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %.300v; want line %d, %q", name, err, tt.line, tt.want)
		}
		if want := max(tt.line-2, 0); len(read) != min(want, len(rows)) {
			t.Errorf("%s: %d rows before the error, want %d", name, len(read), want)
		}
	}
}

// endless is a file that never ends, of one line. It counts what is read.
type endless int

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	*e += endless(len(p))
	return len(p), nil
}

// TestEndlessLine verifies that a long line is refused before it is in memory.
func TestEndlessLine(t *testing.T) {
	var rest endless
	header := strings.SplitAfter(mustWrite(t, nil), "\n")[0]
	for _, err := range Read(io.MultiReader(strings.NewReader(header), &rest)) {
		if err == nil || !strings.Contains(err.Error(), "line 2: it has more than 65536 bytes") {
			t.Errorf("%v", err)
		}
	}
	if rest > 4*MaxLine {
		t.Errorf("%d bytes were read", rest)
	}
}

// tombstoneLine returns the line of a tombstone.
func tombstoneLine(linkID string, endedAt int64) string {
	return fmt.Sprintf(`{"tombstone":{"link_id":%q,"ended_at":%d}}`+"\n", linkID, endedAt)
}

// upstream returns the line of an upstream token of the first link.
func upstream(sealed string, unanswered, stable, failures int) string {
	return fmt.Sprintf(`{"upstream_token":{"link_id":"lnk_0000000","provider":"corp","sealed":%s,"due_at":1,`+
		`"unanswered":%d,"stable":%d,"failures":%d,"dead_at":0}}`+"\n", sealed, unanswered, stable, failures)
}
