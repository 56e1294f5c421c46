package main

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

func TestStoryOrder(t *testing.T) {
	s := &transcript{}
	s.startSection("One")
	outer := s.addRequest(step{From: partyAlexa, To: partySkill, Request: []string{"outer"}})
	inner := s.addRequest(step{From: partySkill, To: partyBridge, Request: []string{"inner"}})
	inner([]string{"inner answer"}, "why inner")
	outer([]string{"outer answer"}, "why outer")
	want := []step{
		{From: partyAlexa, To: partySkill, Request: []string{"outer"}},
		{From: partySkill, To: partyBridge, Request: []string{"inner"}, Response: []string{"inner answer"}},
		{From: partySkill, To: partyAlexa, Why: "why outer", Response: []string{"outer answer"}},
	}
	same := func(a, b step) bool {
		return a.From == b.From && a.To == b.To && a.Why == b.Why && slices.Equal(a.Request, b.Request) &&
			slices.Equal(a.Response, b.Response)
	}
	if got := s.snapshot()[0].Steps; !slices.EqualFunc(got, want, same) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestStoryBounds(t *testing.T) {
	s := &transcript{}
	s.add(step{}) // before any section
	for range maxSections + 5 {
		s.startSection("A section")
	}
	for range maxSteps + 5 {
		s.addRequest(step{})([]string{"answer"}, "")
	}
	told := s.snapshot()
	if len(told) != maxSections || len(told[maxSections-1].Steps) != maxSteps {
		t.Errorf("%d sections, the last of %d steps", len(told), len(told[len(told)-1].Steps))
	}
}

func TestShorten(t *testing.T) {
	for _, test := range []struct{ secret, want string }{
		{"", "…(0 characters)"},
		{"1234567", "…(7 characters)"},
		{"12345678", "1234…(8 characters)"},
		{"aob_at_Xy3456789012345678", "aob_at_Xy3…(25 characters)"},
		{"aob_rt_Xy3456789012345678", "aob_rt_Xy3…(25 characters)"},
		{"aob_ac_Xy3456789012345678", "aob_ac_Xy3…(25 characters)"},
		{"aob_at_short", "…(12 characters)"},
		{"A2SAAEAE" + strings.Repeat("x", 729), "A2SAAEAE…(737 characters)"},
	} {
		if got := shorten(test.secret); got != test.want {
			t.Errorf("%q, want %q", got, test.want)
		}
	}
}

// TestDescribe checks that no description contains a secret.
func TestDescribe(t *testing.T) {
	const secret = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"
	for _, test := range []struct {
		name, contentType, query, body string
		want                           []string
	}{
		{"known name", "", "state=abcdefghij", "", []string{"  ?state=abcd…(10 characters)"}},
		{"long under an unknown name", "", "a=b&unheard_of=" + secret, "",
			[]string{"  ?a=b", "  &unheard_of=0123…(43 characters)"}},
		{"escaped", "", "scope=a%20b+c", "", []string{"  ?scope=a b c"}},
		{"malformed", "", "a=%zz", "", []string{"  ?a=%zz"}},
		{"form", "application/x-www-form-urlencoded", "", "password=hunter2&token=" + secret,
			[]string{"password=•••", "token=0123…(43 characters)"}},
		{"JSON", "application/json", "", `{"id_token":"a.b.c.d.e","n":1,"x":"` + secret + `"}`,
			[]string{"{", `  "id_token": "a.b.…(9 characters)",`, `  "n": 1,`, `  "x": "0123…(43 characters)"`, "}"}},
		{"broken JSON", "application/json", "", `{"id_token":"` + secret, nil},
		{"page", "text/html", "", "<title>A &amp; B</title>" + secret, []string{"A page: A & B"}},
		{"anything else", "text/plain", "", secret, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://demo/path?"+test.query, nil)
			r.Header.Set("Content-Type", test.contentType)
			got := describeRequest(partyBridge, r, []byte(test.body))
			if want := append([]string{"POST http://demo/path"}, test.want...); !slices.Equal(got, want) {
				t.Errorf("%q, want %q", got, want)
			}
		})
	}
}

func TestDescribeCookies(t *testing.T) {
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://demo/callback?state=abcdefghijklmnopqrst",
		nil)
	for name, value := range map[string]string{"login-abcdefghijklmnop": "sealed-sealed", "login-another": "x",
		"session": "of another program"} {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	got := describeRequest(partyBridge, r, nil)
	want := []string{"GET http://demo/callback", "  ?state=abcd…(20 characters)",
		"Cookie: login-abcd…=seal…(13 characters)"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
