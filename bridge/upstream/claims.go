package upstream

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
)

// groupsClaim is where an [Identity] has the groups, whatever the provider calls them.
const groupsClaim = "groups"

// rawClaims maps names of claims to JSON values as the provider wrote them.
type rawClaims map[string]json.RawMessage

// dropNulls removes claims that are null: they count as missing.
func (c rawClaims) dropNulls() {
	maps.DeleteFunc(c, func(_ string, value json.RawMessage) bool { return string(value) == "null" })
}

// string returns the value of a claim, or "" if the claim is missing or not a string.
func (c rawClaims) string(name string) string {
	var text string
	_ = json.Unmarshal(c[name], &text)
	return text
}

// list follows a path through nested objects to a list of strings, or to one string, which counts as a list of one.
func (c rawClaims) list(path []string) []string {
	value := c[path[0]]
	for _, name := range path[1:] {
		var object map[string]json.RawMessage
		_ = json.Unmarshal(value, &object)
		value = object[name]
	}
	var one string
	if json.Unmarshal(value, &one) == nil && one != "" {
		return []string{one}
	}
	var many []string
	if json.Unmarshal(value, &many) != nil {
		return nil
	}
	return many
}

// lacks reports whether the ID token lacks the subject or a claim that is needed.
func (p *Provider) lacks(idToken rawClaims, needed []string) bool {
	missing := func(name string) bool {
		if name == groupsClaim {
			return idToken.list(p.config.GroupsClaim) == nil
		}
		return idToken[name] == nil
	}
	return missing(p.config.SubjectClaim) || slices.ContainsFunc(needed, missing)
}

// identity combines the claims of ID token and userinfo.
func (p *Provider) identity(idToken, userinfo rawClaims, needed []string) (*Identity, error) {
	claims := merge(idToken, userinfo)
	if slices.Contains(needed, groupsClaim) {
		if p.hasGroupsOverage(claims) {
			return nil, ErrGroupsOverage
		}
		groups := idToken.list(p.config.GroupsClaim)
		if groups == nil {
			groups = userinfo.list(p.config.GroupsClaim)
		}
		delete(claims, groupsClaim)
		if groups != nil {
			claims[groupsClaim], _ = json.Marshal(groups)
		}
	}
	subject := claims.string(p.config.SubjectClaim)
	reject := func(problem string) error {
		return &RefusedError{Stage: StageIDToken, Err: fmt.Errorf("subject claim %q %s", p.config.SubjectClaim, problem)}
	}
	switch {
	case subject == "":
		return nil, reject("is missing or not a string")
	case strings.ContainsFunc(subject, unicode.IsControl): // PostgreSQL cannot store NUL, nor an export any of them
		return nil, reject("contains a control character")
	}
	object, err := json.Marshal(claims)
	return &Identity{Issuer: p.config.Issuer, Subject: subject, Claims: object}, err
}

// merge adds the claims of userinfo to those of the ID token, which take precedence. An e-mail address and its
// email_verified belong together: one source must not verify the address of the other.
func merge(idToken, userinfo rawClaims) rawClaims {
	merged := rawClaims{}
	maps.Copy(merged, userinfo)
	email := idToken.string("email")
	if email != "" && userinfo.string("email") != email {
		delete(merged, "email_verified")
	}
	for name, value := range idToken {
		if name == "email_verified" && email == "" && merged["email"] != nil {
			continue
		}
		merged[name] = value
	}
	return merged
}

// hasGroupsOverage reports whether Entra ID left out the groups, which it says in two ways: by _claim_names, or by
// hasgroups, which is always about the claim groups.
func (p *Provider) hasGroupsOverage(claims rawClaims) bool {
	var names map[string]json.RawMessage
	_ = json.Unmarshal(claims["_claim_names"], &names)
	_, named := names[p.config.GroupsClaim[0]]
	return named || p.config.GroupsClaim[0] == groupsClaim && string(claims["hasgroups"]) == "true"
}
