package authorize

import (
	"strings"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/templates"
)

// consentPage returns what the consent page shows.
func consentPage(f *flow, skill *bridge.Skill, result *signInResult) templates.ConsentPage {
	return templates.ConsentPage{
		Skill:   skill.Name,
		Name:    result.Name,
		Email:   result.Email,
		Subject: templates.Displayable(result.Identity.Subject),
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
			label = templates.Displayable(name)
		}
		value := templates.Displayable(strings.Join(claims.Strings(name), ", "))
		list = append(list, templates.Learn{What: label, Value: value})
	}
	return list
}
