package transfer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"alexa-oidc-bridge/bridge"
)

var exportTime = time.Unix(1_800_000_000, 0)

// testRows returns the rows of a link with everything set: a link, two tokens and a code.
func testRows(i int) []Row {
	id := fmt.Sprintf("lnk_%07d", i)
	created := exportTime.Unix()
	return []Row{
		{Link: &Link{ID: id, ClientID: "pizza", Grant: bridge.GrantAuthorizationCode, Provider: "corp",
			Issuer:       "https://login.example.com",
			SubjectClaim: "oid", EmailClaim: "mail", GroupsClaim: "groups", Subject: "Ζωή <&>\u2028", Scope: "orders menu",
			AlexaUser: bridge.HashOf("user"),
			Claims: bridge.Claims{"email": "ada@contoso.com", "address": "1 Main Street\r\n\tSpringfield",
				"groups": []any{"a", nil, true}},
			CreatedAt: created, LastUsedAt: created + 1, RevokedAt: created + 2, Reason: "left", Actor: "command:ada@host",
			UpstreamSub: "ä sub", UpstreamSID: "sid", DirectoryID: "id", AccountEmail: "ada@contoso.com", CheckedAt: created + 3,
			TiedAt: created + 1}},
		{Token: &Token{LinkID: id, Hash: bridge.HashOf("access of " + id), Kind: "access", CreatedAt: created,
			ExpiresAt: created + 3600}},
		{Token: &Token{LinkID: id, Hash: bridge.HashOf("refresh of " + id), Kind: "refresh", CreatedAt: created,
			Parent: bridge.HashOf("parent"), Place: 2, SupersededAt: created + 4}},
		{Code: &Code{LinkID: id, Hash: bridge.HashOf("code of " + id), RedirectURI: "https://pitangui.amazon.com/x",
			CodeChallenge: "challenge", ExpiresAt: created + 60, RedeemedAt: created + 5}},
	}
}

// upstreamToken returns the row of a refresh token of a provider, for the link of testRows.
func upstreamToken(i int) []Row {
	return []Row{{UpstreamToken: &UpstreamToken{LinkID: fmt.Sprintf("lnk_%07d", i), Provider: "corp",
		Sealed: []byte("\x00sealed"),
		DueAt:  exportTime.Unix(), Unanswered: 1, Stable: 1, Failures: 3, DeadAt: exportTime.Unix()}}}
}

func tombstone(i int) []Row {
	return []Row{{Tombstone: &Tombstone{LinkID: fmt.Sprintf("lnk_%07d", i), EndedAt: exportTime.Unix()}}}
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
	rows := slices.Concat(tombstone(7), testRows(0), testRows(1), tombstone(1), tombstone(8), testRows(2)[:1],
		upstreamToken(2))
	var file bytes.Buffer
	counts, err := Write(&file, sequenceOf(rows), exportTime)
	if err != nil || counts != (Counts{Links: 3, Tokens: 4, Codes: 2, UpstreamTokens: 1, Tombstones: 3}) {
		t.Fatalf("%+v, %v", counts, err)
	}
	read, err := readAll(file.String())
	if err != nil || len(read) != len(rows) {
		t.Fatalf("%d rows, %v", len(read), err)
	}
	if again := mustWrite(t, read); again != file.String() {
		t.Errorf("written again:\n%s\nwant\n%s", again, &file)
	}
	if !strings.HasPrefix(file.String(), `{"format":"alexa-oidc-bridge links","version":3,"exported_at":1800000000}`+"\n"+
		`{"tombstone":{"link_id":"lnk_0000007","ended_at":1800000000}}`+"\n"+`{"link":{"link_id":"lnk_0000000",`) ||
		!strings.HasSuffix(file.String(), "}}\n"+`{"links":3,"tokens":4,"codes":2,"tombstones":3,"upstream_tokens":1}`+"\n") {
		t.Errorf("%s", &file)
	}
	if rows, err := readAll(mustWrite(t, nil)); err != nil || len(rows) != 0 {
		t.Errorf("a file without links: %v, %v", rows, err)
	}
}

// TestReadVersion2 reads what version 2 wrote, which had no actor, no e-mail claim and no names of an account.
func TestReadVersion2(t *testing.T) {
	file := strings.NewReplacer(`"version":3`, `"version":2`, `"email_claim":"mail",`, "",
		`,"actor":"command:ada@host"`, "",
		`,"upstream_sub":"ä sub","upstream_sid":"sid","directory_id":"id","account_email":"ada@contoso.com"`+
			`,"checked_at":1800000003,"tied_at":1800000001`, "").
		Replace(mustWrite(t, testRows(0)))
	want := testRows(0)
	want[0].Link.EmailClaim, want[0].Link.Actor = "", ""
	want[0].Link.UpstreamSub, want[0].Link.UpstreamSID = "", ""
	want[0].Link.DirectoryID, want[0].Link.AccountEmail = "", ""
	want[0].Link.CheckedAt, want[0].Link.TiedAt = 0, 0
	rows, err := readAll(file)
	if err != nil || !reflect.DeepEqual(rows, want) {
		t.Errorf("%+v, %v", rows, err)
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

func TestLongLine(t *testing.T) {
	rows := testRows(0)
	room := MaxLine - len(mustEncode(t, rows[0])) + 1 // but for the line feed
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
	link := testRows(0)
	rows := append(link[:1], slices.Repeat(link[1:2], MaxRowsPerLink+1)...)
	if _, err := Write(io.Discard, sequenceOf(rows), exportTime); err == nil ||
		!strings.Contains(err.Error(), "lnk_0000000") {
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
	file := mustWrite(f, slices.Concat(tombstone(7), testRows(0), testRows(1)))
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

// TestControlCharacters verifies that control characters are refused in every text but the claims, and in every line.
func TestControlCharacters(t *testing.T) {
	for r := range rune(0xa0) {
		if !unicode.IsControl(r) {
			continue
		}
		eachText(func(name string, rows []Row, text reflect.Value) {
			text.SetString(text.String() + string(r))
			if _, err := Write(io.Discard, sequenceOf(rows), exportTime); err == nil ||
				!strings.Contains(err.Error(), "lnk_0000000") {
				t.Errorf("%U in %s: Write: %v", r, name, err)
			}
			file := mustEncode(t, header{format, version, 1})
			for _, row := range rows {
				file += mustEncode(t, row)
			}
			if _, err := readAll(file); err == nil || strings.Contains(err.Error(), "truncated") {
				t.Errorf("%U in %s: Read: %v", r, name, err)
			}
		})
		rows := testRows(0)
		rows[0].Link.Claims = bridge.Claims{"a" + string(r): map[string]any{"b" + string(r): []any{"c" + string(r), "<d>"}}}
		file := mustWrite(t, rows)
		if strings.ContainsFunc(strings.ReplaceAll(file, "\n", ""), unicode.IsControl) {
			t.Errorf("%U in claims is not escaped: %q", r, file)
		}
		if read, err := readAll(file); err != nil || !reflect.DeepEqual(read, rows) {
			t.Errorf("%U in claims: %+v, %v", r, read, err)
		}
		if _, err := readAll(strings.Replace(file, `\u003cd`, string(r)+`\u003cd`, 1)); err == nil {
			t.Errorf("a file with %U was accepted", r)
		}
	}
}

// eachText calls a function for each text of a link, a token and a code, with rows in which it can be set.
func eachText(do func(name string, rows []Row, text reflect.Value)) {
	columns := func(rows []Row) []reflect.Value {
		return []reflect.Value{reflect.ValueOf(rows[0].Link), reflect.ValueOf(rows[1].Token), reflect.ValueOf(rows[3].Code)}
	}
	for i, row := range columns(testRows(0)) {
		for field := range row.Elem().NumField() {
			rows := testRows(0)
			if text := columns(rows)[i].Elem().Field(field); text.Kind() == reflect.String {
				do(row.Elem().Type().Field(field).Name, rows, text)
			}
		}
	}
}

func mustEncode(t *testing.T, value any) string {
	t.Helper()
	line, err := encode(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(line)
}
