package templates_test

import (
	"strings"
	"testing"

	"alexa-oidc-bridge/templates"
)

func TestDisplayable(t *testing.T) {
	for text, want := range map[string]string{
		"Ada Lovelace":                      "Ada Lovelace",
		"Zoë Ωμέγα 王小明 עדה":                 "Zoë Ωμέγα 王小明 עדה",
		"Ada\u202e\u2066\x00\r\n\t":         "Ada",
		"\u3164\u115f\u1160\uffa0\u2800":    "",
		"A\u034f\u200b\u2060\ufeff\u00addа": "Adа",
		"A\ufe0f\U000e0041":                 "A",
		"A" + strings.Repeat("\u0301", 199): "A" + strings.Repeat("\u0301", 4),
		"นี่คือชื่อ":                        "นี่คือชื่อ",
		"\xff\xfe bad":                      "bad",
		strings.Repeat("x", 300):            strings.Repeat("x", 200) + "…",
	} {
		if got := templates.Displayable(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
