package templates

import (
	"strings"
	"unicode"
)

// maxMarks is how many combining marks may follow a letter; no language needs more.
const maxMarks = 4

// Displayable makes untrusted text fit for a page. It removes control, direction and invisible characters, which could
// make text read as something else, and marks that are piled up, and shortens text that is too long.
func Displayable(text string) string {
	marks := 0
	text = strings.Map(func(r rune) rune {
		if marks++; !unicode.Is(unicode.M, r) {
			marks = 0
		}
		if unicode.Is(unicode.C, r) || r == unicode.ReplacementChar || isInvisible(r) || marks > maxMarks {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, ""))
	text = strings.TrimSpace(text)
	if runes := []rune(text); len(runes) > 200 {
		text = string(runes[:200]) + "…"
	}
	return text
}

// isInvisible reports whether a character that is not a control character is drawn as nothing: those that Unicode lets
// programs ignore, and blank letters.
func isInvisible(r rune) bool {
	const blankBraille, hangulFiller, halfwidthHangulFiller = '\u2800', '\u3164', '\uffa0'
	return unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r) || unicode.Is(unicode.Variation_Selector, r) ||
		r == blankBraille || r == hangulFiller || r == halfwidthHangulFiller
}
