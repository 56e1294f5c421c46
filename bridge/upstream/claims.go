package upstream

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// rawClaims are claims by name, each still as the provider wrote it.
type rawClaims map[string]json.RawMessage

// dropNulls removes claims that are null, which say as much as claims that are not there.
func (c rawClaims) dropNulls() {
	maps.DeleteFunc(c, func(_ string, value json.RawMessage) bool { return string(value) == "null" })
}

// text returns a claim that is a text, or nothing.
func (c rawClaims) text(name string) string {
	var text string
	_ = json.Unmarshal(c[name], &text)
	return text
}

// list follows a path into nested objects to a list of texts, or to one text, which is a list of one.
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

// missing says whether the ID token lacks a claim that is needed, or the subject.
func (p *Provider) missing(idToken rawClaims, needed []string) bool {
	lacks := func(name string) bool {
		if name == groupsClaim {
			return idToken.list(p.config.GroupsClaim) == nil
		}
		return idToken[name] == nil
	}
	return lacks(p.config.SubjectClaim) || slices.ContainsFunc(needed, lacks)
}

// identity puts together what the ID token and userinfo say. The ID token wins.
func (p *Provider) identity(idToken, userinfo rawClaims, needed []string) (*Identity, error) {
	claims := merged(idToken, userinfo)
	if slices.Contains(needed, groupsClaim) {
		if p.groupsOverage(claims) {
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
	subject := claims.text(p.config.SubjectClaim)
	switch {
	case subject == "":
		return nil, &RefusedError{Stage: StageIDToken, Err: fmt.Errorf("it has no %q, which is configured as the subject", p.config.SubjectClaim)}
	case strings.ContainsRune(subject, 0): // which PostgreSQL cannot keep
		return nil, &RefusedError{Stage: StageIDToken, Err: fmt.Errorf("its %q holds a NUL", p.config.SubjectClaim)}
	}
	object, err := json.Marshal(claims)
	return &Identity{Issuer: p.config.Issuer, Subject: subject, Claims: object}, err
}

// merged takes what the ID token says, and from userinfo what it does not say. An e-mail address and its email_verified
// belong together: one source must not verify the other's.
func merged(idToken, userinfo rawClaims) rawClaims {
	all := rawClaims{}
	maps.Copy(all, userinfo)
	email := idToken.text("email")
	if email != "" && userinfo.text("email") != email {
		delete(all, "email_verified")
	}
	for name, value := range idToken {
		if name == "email_verified" && email == "" && all["email"] != nil {
			continue
		}
		all[name] = value
	}
	return all
}

// groupsOverage recognises the two forms in which Entra ID says that it left the groups out. The second, hasgroups, does
// not say which claim it means; it is always groups.
func (p *Provider) groupsOverage(claims rawClaims) bool {
	var names map[string]json.RawMessage
	_ = json.Unmarshal(claims["_claim_names"], &names)
	_, pointer := names[p.config.GroupsClaim[0]]
	return pointer || p.config.GroupsClaim[0] == groupsClaim && string(claims["hasgroups"]) == "true"
}
