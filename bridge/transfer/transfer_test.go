package transfer

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"alexa-oidc-bridge/bridge"
)

var exportTime = time.Unix(1_800_000_000, 0)

// testRows returns the rows of a link with everything set: a link, two tokens and a code.
func testRows(i int) []Row {
	id := fmt.Sprintf("lnk_%07d", i)
	created := exportTime.Unix()
	return []Row{
		{Link: &Link{ID: id, ClientID: "pizza", Grant: bridge.GrantAuthorizationCode, Provider: "corp", Issuer: "https://login.example.com",
			SubjectClaim: "oid", GroupsClaim: "groups", Subject: "Ζωή <&>\u2028", Scope: "orders menu", AlexaUser: bridge.HashOf("user"),
			Claims:    bridge.Claims{"email": "ada@contoso.com", "address": "1 Main Street\r\n\tSpringfield", "groups": []any{"a", nil, true}},
			CreatedAt: created, LastUsedAt: created + 1, RevokedAt: created + 2, Reason: "left"}},
		{Token: &Token{LinkID: id, Hash: bridge.HashOf("access of " + id), Kind: "access", CreatedAt: created, ExpiresAt: created + 3600}},
		{Token: &Token{LinkID: id, Hash: bridge.HashOf("refresh of " + id), Kind: "refresh", CreatedAt: created,
			Parent: bridge.HashOf("parent"), Place: 2, SupersededAt: created + 4}},
		{Code: &Code{LinkID: id, Hash: bridge.HashOf("code of " + id), RedirectURI: "https://pitangui.amazon.com/x", CodeChallenge: "challenge",
			ExpiresAt: created + 60, RedeemedAt: created + 5}},
	}
}

func sequenceOf(rows []Row) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		for _, row := range rows {
			if !yield(row, nil) {
				return
			}
		}
	}
}

func mustWrite(t testing.TB, rows []Row) string {
	t.Helper()
	var file bytes.Buffer
	if _, err := Write(&file, sequenceOf(rows), exportTime); err != nil {
		t.Fatal(err)
	}
	return file.String()
}

// readAll reads a file up to its end or its first error.
func readAll(file string) (rows []Row, err error) {
	for row, err := range Read(strings.NewReader(file)) {
		if err != nil {
			return rows, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func TestWriteAndRead(t *testing.T) {
	rows := slices.Concat(testRows(0), testRows(1), testRows(2)[:1])
	var file bytes.Buffer
	counts, err := Write(&file, sequenceOf(rows), exportTime)
	if err != nil || counts != (Counts{3, 4, 2}) {
		t.Fatalf("%+v, %v", counts, err)
	}
	read, err := readAll(file.String())
	if err != nil || len(read) != len(rows) {
		t.Fatalf("%d rows, %v", len(read), err)
	}
	if again := mustWrite(t, read); again != file.String() {
		t.Errorf("written again:\n%s\nwant\n%s", again, &file)
	}
	if !strings.HasPrefix(file.String(), `{"format":"alexa-oidc-bridge links","version":2,"exported_at":1800000000}`+"\n"+
		`{"link":{"link_id":"lnk_0000000",`) || !strings.HasSuffix(file.String(), "}}\n"+`{"links":3,"tokens":4,"codes":2}`+"\n") {
		t.Errorf("%s", &file)
	}
	if rows, err := readAll(mustWrite(t, nil)); err != nil || len(rows) != 0 {
		t.Errorf("a file without links: %v, %v", rows, err)
	}
}

// TestTruncated verifies that a file is never accepted that ends before its end.
func TestTruncated(t *testing.T) {
	file := mustWrite(t, slices.Concat(testRows(0), testRows(1)))
	for n := range len(file) {
		if _, err := readAll(file[:n]); err == nil {
			t.Fatalf("%d of %d bytes were accepted", n, len(file))
		}
	}
}

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
	tests := map[string]struct {
		file string
		line int
		want string
	}{
		"empty":                        {"", 1, "empty"},
		"a letter":                     {"Dear Sir or Madam,\n", 1, "not a file of links export"},
		"an object":                    {"{}\n", 1, "not a file of links export"},
		"version 1":                    {edit(1, `"version":2`, `"version":1`), 1, "export the links again with this program"},
		"a newer version":              {edit(1, `"version":2`, `"version":3`), 1, "has version 3"},
		"more in the header":           {edit(1, `"version":2`, `"version":2,"key":"x"`), 1, "unknown"},
		"no header":                    {without(1), 1, "not a file of links export"},
		"a second header":              {insert(6, lines[0]), 6, "unknown"},
		"no counts":                    {without(10), 10, "truncated"},
		"an empty line at the end":     {whole + "\n", 11, "follows the last line"},
		"another file at the end":      {whole + whole, 11, "follows the last line"},
		"half a line at the end":       {whole + "x", 11, "follows the last line"},
		"a wrong number of links":      {edit(10, `"links":2`, `"links":3`), 10, "should have 3 links"},
		"a wrong number of tokens":     {edit(10, `"tokens":4`, `"tokens":3`), 10, "3 tokens"},
		"a wrong number of codes":      {edit(10, `"codes":2`, `"codes":20`), 10, "20 codes"},
		"more in the counts":           {edit(10, `"codes":2`, `"codes":2,"x":1`), 10, "unknown"},
		"a missing token":              {without(3), 9, "4 tokens and 2 codes, and has 2, 3 and 2"},
		"a missing link":               {without(6), 6, "does not follow its link"},
		"a token before all links":     {without(2), 2, "does not follow its link"},
		"a code before its link":       {insert(2, lines[4]), 2, "does not follow its link"},
		"a token of an earlier link":   {insert(10, lines[2]), 10, "does not follow its link"},
		"an empty line":                {insert(4, "\n"), 4, "unknown"},
		"an empty object":              {insert(4, "{}\n"), 4, "exactly one"},
		"a link and a token in one":    {edit(2, "}}\n", "},"+lines[2][1:]), 2, "exactly one"},
		"null":                         {insert(4, `{"token":null}`+"\n"), 4, "unknown"},
		"an array":                     {insert(4, "[]\n"), 4, "unknown"},
		"half a line":                  {edit(2, `"reason":"left"`, ""), 2, "unknown"},
		"a carriage return":            {edit(2, "\n", "\r\n"), 2, "unknown"},
		"an unknown field":             {edit(2, `"reason":"left"`, `"reason":"left","admin":true`), 2, "unknown"},
		"an unknown row":               {edit(2, `{"link"`, `{"links_":1,"link"`), 2, "unknown"},
		"a missing field":              {edit(2, `"revoked_at":1800000002,`, ""), 2, "missing"},
		"a field in another case":      {edit(2, `"revoked_at"`, `"Revoked_At"`), 2, "unknown"},
		"a repeated field":             {edit(2, `"reason":"left"`, `"reason":"x","reason":"left"`), 2, "repeated"},
		"a repeated claim":             {edit(2, `"email":`, `"email":"x","email":`), 2, "repeated"},
		"fields in another order":      {edit(3, `"kind":"access","created_at":1800000000`, `"created_at":1800000000,"kind":"access"`), 3, "another place"},
		"a space":                      {edit(2, `"reason":"`, `"reason": "`), 2, "form"},
		"an object after the object":   {edit(2, "\n", " {}\n"), 2, "form"},
		"a number as a string":         {edit(2, `"revoked_at":1800000002`, `"revoked_at":"1800000002"`), 2, "type"},
		"a fraction":                   {edit(2, `"revoked_at":1800000002`, `"revoked_at":1800000002.5`), 2, "type"},
		"a negative time":              {edit(2, `"revoked_at":1800000002`, `"revoked_at":-1`), 2, "out of range"},
		"a time in the year 10000":     {edit(2, `"last_used_at":1800000001`, `"last_used_at":253402300800`), 2, "out of range"},
		"a time of a token":            {edit(3, `"expires_at":1800003600`, `"expires_at":-1`), 3, "out of range"},
		"a time of a code":             {edit(5, `"redeemed_at":1800000005`, `"redeemed_at":-1`), 5, "out of range"},
		"a place below zero":           {edit(4, `"place":2`, `"place":-1`), 4, "out of range"},
		"no created_at":                {edit(2, `"created_at":1800000000`, `"created_at":0`), 2, "created_at"},
		"a reason of a live link":      {edit(2, `"revoked_at":1800000002`, `"revoked_at":0`), 2, "reason"},
		"text that is not UTF-8":       {edit(2, "orders", "\xff"), 2, "form"},
		"a malformed link id":          {edit(2, "lnk_", "LNK_"), 2, "link_id"},
		"an unknown grant":             {edit(2, `"grant":"`, `"grant":"x`), 2, "grant"},
		"an Alexa user, not its hash":  {edit(2, string(bridge.HashOf("user")), "amzn1.account.X"), 2, "alexa_user"},
		"a long hash":                  {edit(7, hash, hash+"0"), 7, "hexadecimal"},
		"a hash in upper case":         {edit(7, hash, strings.ToUpper(hash)), 7, "hexadecimal"},
		"a malformed hash of a code":   {edit(5, string(bridge.HashOf("code of lnk_0000000")), "x"), 5, "hexadecimal"},
		"a malformed parent":           {edit(4, string(bridge.HashOf("parent")), "x"), 4, "parent"},
		"an unknown kind":              {edit(3, `"kind":"access"`, `"kind":"code"`), 3, "kind"},
		"an access token that rotates": {edit(4, `"kind":"refresh"`, `"kind":"access"`), 4, "access token"},
		"a line too long":              {edit(2, "orders", strings.Repeat("x", MaxLine)), 2, "more than 65536 bytes"},
	}
	for name, tt := range tests {
		read, err := readAll(tt.file)
		lineErr, ok := errors.AsType[*LineError](err)
		if !ok || lineErr.Line != tt.line || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %.300v; want line %d, %q", name, err, tt.line, tt.want)
		}
		if want := max(tt.line-2, 0); len(read) != min(want, len(rows)) {
			t.Errorf("%s: %d rows before the error, want %d", name, len(read), want)
		}
	}
}

// TestControlCharacters puts each control character into each text of each row.
func TestControlCharacters(t *testing.T) {
	texts := map[string]func([]Row) *string{
		"client_id":      func(r []Row) *string { return &r[0].Link.ClientID },
		"provider":       func(r []Row) *string { return &r[0].Link.Provider },
		"issuer":         func(r []Row) *string { return &r[0].Link.Issuer },
		"subject_claim":  func(r []Row) *string { return &r[0].Link.SubjectClaim },
		"groups_claim":   func(r []Row) *string { return &r[0].Link.GroupsClaim },
		"sub":            func(r []Row) *string { return &r[0].Link.Subject },
		"scope":          func(r []Row) *string { return &r[0].Link.Scope },
		"reason":         func(r []Row) *string { return (*string)(&r[0].Link.Reason) },
		"redirect_uri":   func(r []Row) *string { return &r[3].Code.RedirectURI },
		"code_challenge": func(r []Row) *string { return &r[3].Code.CodeChallenge },
	}
	for r := rune(0); r < 0xa0; r++ {
		if r == 0x20 {
			r = 0x7f
		}
		for name, text := range texts {
			rows := testRows(0)
			*text(rows) += string(r)
			wantControlError(t, fmt.Sprintf("%U in %s", r, name), rows)
		}
		if strings.ContainsRune("\t\n\r", r) {
			continue
		}
		for name, claims := range map[string]bridge.Claims{
			"a value": {"name": "a" + string(r)}, "a list": {"groups": []any{"a" + string(r)}},
			"a name": {"a" + string(r): 1}, "an object": {"address": map[string]any{"a": "b" + string(r)}},
		} {
			rows := testRows(0)
			rows[0].Link.Claims = claims
			wantControlError(t, fmt.Sprintf("%U in %s of claims", r, name), rows)
		}
	}
}

// wantControlError verifies that neither Write nor Read accepts rows.
func wantControlError(t *testing.T, name string, rows []Row) {
	t.Helper()
	var file bytes.Buffer
	_, err := Write(&file, sequenceOf(rows), exportTime)
	if err == nil || !strings.Contains(err.Error(), "control character") || !strings.Contains(err.Error(), rows[0].Link.ID) {
		t.Errorf("%s: Write: %v", name, err)
	}
	buffer := encode(t, header{format, version, 1})
	for _, row := range rows {
		buffer += encode(t, row)
	}
	if _, err := readAll(buffer); err == nil || !strings.Contains(err.Error(), "control character") {
		t.Errorf("%s: Read: %v", name, err)
	}
}

// encode writes a line without checking it.
func encode(t *testing.T, value any) string {
	t.Helper()
	var line bytes.Buffer
	w := bufio.NewWriter(&line)
	if err := writeLine(w, value); err != nil {
		t.Fatal(err)
	}
	w.Flush()
	return line.String()
}

func TestLongLine(t *testing.T) {
	rows := testRows(0)
	room := MaxLine - len(encode(t, rows[0])) + 1 // but for the line feed
	rows[0].Link.Scope += strings.Repeat("x", room)
	if read, err := readAll(mustWrite(t, rows)); err != nil || len(read) != len(rows) {
		t.Errorf("a line of %d bytes: %d rows, %v", MaxLine, len(read), err)
	}
	rows[0].Link.Scope += "x"
	_, err := Write(io.Discard, sequenceOf(rows), exportTime)
	if err == nil || !strings.Contains(err.Error(), "lnk_0000000") || !strings.Contains(err.Error(), "65537 bytes") {
		t.Errorf("a line of %d bytes: %v", MaxLine+1, err)
	}
}

func TestManyRowsOfOneLink(t *testing.T) {
	rows := func(yield func(Row, error) bool) {
		link := testRows(0)
		if !yield(link[0], nil) {
			return
		}
		for range MaxRowsPerLink + 1 {
			if !yield(link[1], nil) {
				return
			}
		}
	}
	if _, err := Write(io.Discard, rows, exportTime); err == nil || !strings.Contains(err.Error(), "lnk_0000000") {
		t.Errorf("Write: %v", err)
	}
}

func TestWriteErrors(t *testing.T) {
	failure := errors.New("failure")
	_, err := Write(io.Discard, func(yield func(Row, error) bool) { yield(Row{}, failure) }, exportTime)
	if !errors.Is(err, failure) {
		t.Errorf("an error of the rows: %v", err)
	}
	read, write := io.Pipe()
	read.CloseWithError(failure)
	if _, err := Write(write, sequenceOf(testRows(0)), exportTime); !errors.Is(err, failure) {
		t.Errorf("an error of the writer: %v", err)
	}
}

// TestMemory verifies that memory does not grow with the file.
func TestMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("reads a file of 10,000 links")
	}
	read, write := io.Pipe()
	go func() {
		_, err := Write(write, func(yield func(Row, error) bool) {
			for i := range 10_000 {
				for _, row := range testRows(i)[:2] {
					if !yield(row, nil) {
						return
					}
				}
			}
		}, exportTime)
		write.CloseWithError(err)
	}()
	heap := func() uint64 {
		runtime.GC()
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		return stats.HeapAlloc
	}
	n, before := 0, uint64(0)
	for _, err := range Read(read) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == 1_000 {
			before = heap()
		}
	}
	if after := heap(); n != 20_000 || after > before+256<<10 {
		t.Errorf("%d rows; the heap grew from %d to %d bytes", n, before, after)
	}
}

func FuzzRead(f *testing.F) {
	file := mustWrite(f, slices.Concat(testRows(0), testRows(1)))
	f.Add(file)
	f.Add(strings.Replace(file, `"email":"ada@contoso.com"`, `"email":[1e9,"\u003c",null]`, 1))
	f.Fuzz(func(t *testing.T, file string) {
		rows, err := readAll(file)
		if err != nil {
			return
		}
		// The rows say everything that the file does.
		_, rest, _ := strings.Cut(file, "\n")
		if _, again, _ := strings.Cut(mustWrite(t, rows), "\n"); again != rest {
			t.Errorf("%q\n%q", again, rest)
		}
	})
}
