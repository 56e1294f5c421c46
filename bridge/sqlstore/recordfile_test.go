package sqlstore

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"alexa-oidc-bridge/bridge"
)

func written(t *testing.T, records []Record) string {
	t.Helper()
	var file bytes.Buffer
	n, err := WriteRecords(&file, all(records), begin)
	if err != nil || n != len(records) {
		t.Fatalf("%d, %v", n, err)
	}
	return file.String()
}

// readAll reads a file to its end or first fault.
func readAll(file string) (records []Record, err error) {
	for record, err := range ReadRecords(strings.NewReader(file)) {
		if err != nil {
			return records, err
		}
		records = append(records, record)
	}
	return records, nil
}

func TestFileKeepsRecords(t *testing.T) {
	source := furnish(t, newSQLite(t)).store
	file := written(t, recordsOf(t, source))
	target := newSQLite(t)
	mustImport(t, target, ReadRecords(strings.NewReader(file)), Imported{Added: 9})
	wantContents(t, "by a file", contents(t, target, moved...), contents(t, source, moved...))
	if again := written(t, recordsOf(t, target)); again != file {
		t.Errorf("written again:\n%s\nwant\n%s", again, file)
	}
	if !strings.HasPrefix(file, `{"format":"alexa-oidc-bridge links","version":1,"exported_at":1800000000}`+"\n"+`{"link_id":"lnk_ended",`) ||
		!strings.HasSuffix(file, "]}\n"+`{"links":9}`+"\n") {
		t.Errorf("%s", file)
	}
	for _, secret := range []string{"implicit access", "code redeemed", "rotating 3 refresh"} {
		if strings.Contains(file, secret) {
			t.Errorf("the file has %s", secret)
		}
	}
}

func TestFileWithoutLinks(t *testing.T) {
	if records, err := readAll(written(t, nil)); err != nil || len(records) != 0 {
		t.Errorf("%v, %v", records, err)
	}
}

func TestFileCutOff(t *testing.T) {
	file := written(t, []Record{implicit(0), implicit(1)})
	for n := range len(file) {
		if _, err := readAll(file[:n]); err == nil {
			t.Fatalf("cut off after %d of %d bytes, and taken", n, len(file))
		}
	}
}

func TestFileWithFaults(t *testing.T) {
	whole := written(t, []Record{implicit(0), implicit(1), implicit(2)})
	lines := strings.SplitAfter(whole, "\n")
	hash := string(bridge.HashOf("token of lnk_0000001"))
	replace := func(old, new string) string {
		if !strings.Contains(lines[2], old) {
			t.Fatalf("the line has no %s", old)
		}
		return strings.Join(lines[:2], "") + strings.Replace(lines[2], old, new, 1) + strings.Join(lines[3:], "")
	}
	tests := map[string]struct {
		file string
		line int
		want string
	}{
		"empty":                   {"", 1, "empty"},
		"something else":          {"Dear Sir or Madam,\n", 1, "no file of links export"},
		"an object":               {"{}\n", 1, "no file of links export"},
		"a newer version":         {strings.Replace(whole, `"version":1`, `"version":2`, 1), 1, "has version 2"},
		"more in the first line":  {strings.Replace(whole, `"version":1`, `"version":1,"key":"x"`, 1), 1, "not written"},
		"no first line":           {strings.Join(lines[1:], ""), 1, "no file of links export"},
		"a first line again":      {whole[:len(whole)-len(lines[4])] + whole, 5, "unknown field"},
		"no last line":            {strings.Join(lines[:4], ""), 5, "cut off"},
		"more after the last":     {whole + "\n", 6, "follows"},
		"another count":           {strings.Replace(whole, `"links":3`, `"links":4`, 1), 5, "should have 4 links, and has 3"},
		"a missing line":          {strings.Join(append(lines[:3:3], lines[4:]...), ""), 4, "should have 3 links, and has 2"},
		"the same link twice":     {strings.Join(append(append(lines[:4:4], lines[1]), lines[4:]...), ""), 5, "there before"},
		"an empty line":           {strings.Join(append(append(lines[:2:2], "\n"), lines[2:]...), ""), 3, "cannot be read"},
		"a line cut off":          {replace(`"reason":"","tokens"`, ""), 3, "cannot be read"},
		"a line too long":         {replace(`"sub":""`, `"sub":"`+strings.Repeat("x", maxLine)+`"`), 3, "longer than"},
		"an unknown field":        {replace(`"reason":""`, `"reason":"","admin":true`), 3, `unknown field "admin"`},
		"a missing field":         {replace(`"revoked_at":0,`, ""), 3, "missing"},
		"a field in other case":   {replace(`"revoked_at":0`, `"Revoked_At":0`), 3, "not written"},
		"a field twice":           {replace(`"revoked_at":0`, `"revoked_at":1,"revoked_at":0`), 3, "not written"},
		"a claim twice":           {replace(`"claims":null`, `"claims":{"hd":"a","hd":"b"}`), 3, "not written"},
		"spaces":                  {replace(`"reason":""`, `"reason": ""`), 3, "not written"},
		"more after the object":   {replace("\n", " {}\n"), 3, "not written"},
		"a number as text":        {replace(`"revoked_at":0`, `"revoked_at":"0"`), 3, "cannot be read"},
		"a fraction":              {replace(`"revoked_at":0`, `"revoked_at":0.5`), 3, "cannot be read"},
		"a time before all":       {replace(`"revoked_at":0`, `"revoked_at":-1`), 3, "out of range"},
		"a time after all":        {replace(`"last_used_at":0`, `"last_used_at":999999999999`), 3, "out of range"},
		"text that is not UTF-8":  {replace(`"sub":""`, "\"sub\":\"\xff\""), 3, "not written"},
		"a hash that is too long": {replace(hash, hash+"0"), 3, "hexadecimal"},
		"a hash in capitals":      {replace(hash, strings.ToUpper(hash)), 3, "hexadecimal"},
		"another id":              {replace("lnk_", "LNK_"), 3, "link_id"},
	}
	for name, test := range tests {
		records, err := readAll(test.file)
		fault, ok := errors.AsType[*LineError](err)
		if !ok || fault.Line != test.line || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %.200v", name, err)
		}
		if want := max(test.line-2, 0); len(records) != min(want, 3) {
			t.Errorf("%s: %d records before the fault", name, len(records))
		}
	}
}

func FuzzReadRecords(f *testing.F) {
	var file bytes.Buffer
	if _, err := WriteRecords(&file, numbered(3), begin); err != nil {
		f.Fatal(err)
	}
	f.Add(file.String())
	f.Add(strings.Replace(file.String(), `"claims":null`, `"claims":{"a":[1e9,"\u003c",null]}`, 1))
	f.Fuzz(func(t *testing.T, file string) {
		records, err := readAll(file)
		if err != nil {
			return
		}
		// What is read says all that the file does.
		_, rest, _ := strings.Cut(file, "\n")
		if _, again, _ := strings.Cut(written(t, records), "\n"); again != rest {
			t.Errorf("%q\n%q", again, rest)
		}
	})
}
