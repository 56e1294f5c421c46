package authorize

import (
	"strings"
	"unicode"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/templates"
)

// consentPage returns what the consent page shows.
func consentPage(f *flow, skill *bridge.Skill, result *signInResult) templates.ConsentPage {
	return templates.ConsentPage{
		Skill:   skill.Name,
		Name:    result.Name,
		Email:   result.Email,
		Subject: displayable(result.Identity.Subject),
		Learns:  disclosedClaims(skill, result.Identity.Claims),
		Scopes:  strings.Join(strings.Fields(f.request.Scope), ", "),
		Flow:    f.id(),
		Token:   f.formToken(),
	}
}

// disclosedClaims returns what the skill's backend will receive: the configured claims that are present.
func disclosedClaims(skill *bridge.Skill, claims bridge.Claims) []templates.Learn {
	labels := map[string]string{
		bridge.ClaimEmail:             "E-mail address",
		bridge.ClaimName:              "Name",
		bridge.ClaimPreferredUsername: "User name",
		bridge.ClaimGroups:            "Groups",
		"given_name":                  "First name",
		"family_name":                 "Last name",
		"phone_number":                "Telephone number",
		"locale":                      "Language",
	}
	var list []templates.Learn
	for _, name := range skill.Claims {
		if claims[name] == nil {
			continue
		}
		label, known := labels[name]
		if !known {
			label = displayable(name)
		}
		list = append(list, templates.Learn{What: label, Value: displayable(strings.Join(claims.Strings(name), ", "))})
	}
	return list
}

// maxMarks is how many combining marks may follow a letter; no language needs more.
const maxMarks = 4

// displayable makes untrusted text fit for a page. It removes control, direction and invisible characters, which could
// make text read as something else, and marks that are piled up, and shortens text that is too long.
func displayable(text string) string {
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
