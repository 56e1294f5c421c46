package upstream

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
)

// Names under which an [Identity] has e-mail address, name and groups, whatever the provider calls them.
const (
	claimEmail    = "email"
	claimVerified = "email_verified"
	claimName     = "name"
	claimGroups   = "groups"
)

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

// present reports whether a claim has a value: one that is neither null nor empty.
func (c rawClaims) present(name string) bool {
	value := string(c[name])
	return value != "" && value != "null" && value != `""`
}

// list returns a claim that is a list of strings, or nil.
func (c rawClaims) list(name string) []string { return stringsOf(c[name]) }

// at follows a path through nested objects. It returns nil if there is nothing.
func (c rawClaims) at(path []string) json.RawMessage {
	value := c[path[0]]
	for _, name := range path[1:] {
		var object rawClaims
		_ = json.Unmarshal(value, &object)
		value = object[name]
	}
	if string(value) == "null" {
		return nil
	}
	return value
}

// stringsOf returns the strings of a list, or one string as a list of one. It returns nil for anything else.
func stringsOf(value json.RawMessage) []string {
	var one string
	if json.Unmarshal(value, &one) == nil && one != "" {
		return []string{one}
	}
	var elements []json.RawMessage
	if json.Unmarshal(value, &elements) != nil || elements == nil {
		return nil
	}
	many := []string{}
	for _, element := range elements {
		var text string
		if json.Unmarshal(element, &text) == nil && text != "" {
			many = append(many, text)
		}
	}
	return many
}

// groupsOf returns what [stringsOf] returns, or the keys of an object whose values are objects that are not empty, as
// Zitadel writes roles: {"admin": {"organisation": "domain"}}. A key with another value, such as false, is no group.
func groupsOf(value json.RawMessage) []string {
	var object rawClaims
	if json.Unmarshal(value, &object) != nil || object == nil {
		return stringsOf(value)
	}
	groups := []string{}
	for name, value := range object {
		var granted rawClaims
		if json.Unmarshal(value, &granted) == nil && len(granted) > 0 {
			groups = append(groups, name)
		}
	}
	slices.Sort(groups)
	return groups
}

// pathOf returns where the provider has the claim of a name.
func (p *Provider) pathOf(name string) []string {
	switch name {
	case claimEmail:
		return p.config.EmailClaim
	case claimName:
		return p.config.NameClaim
	case claimGroups:
		return p.config.GroupsClaim
	}
	return []string{name}
}

// identity combines the claims of ID token and userinfo, of which the ID token takes precedence.
func (s *signIn) identity(idToken, userinfo rawClaims, wish Wish) (*Identity, error) {
	claims := rawClaims{}
	maps.Copy(claims, userinfo)
	maps.Copy(claims, idToken)
	if err := s.checkOverage(claims, wish); err != nil {
		return nil, err
	}
	subject, err := s.subject(claims)
	if err != nil {
		return nil, err
	}
	s.setEmail(claims, idToken, userinfo)
	s.set(claims, claimName, firstString, idToken, userinfo)
	s.set(claims, claimGroups, func(value json.RawMessage) any {
		if groups := groupsOf(value); groups != nil {
			return groups
		}
		return nil
	}, idToken, userinfo)
	identity := &Identity{
		Issuer: s.config.Issuer, Subject: subject, Sub: idToken.string("sub"), SID: idToken.string("sid"),
		AuthTime: authTime(idToken), Unread: s.unread,
	}
	var errIDToken, errUserinfo error
	identity.Claims, err = json.Marshal(claims)
	identity.IDToken, errIDToken = json.Marshal(idToken)
	if userinfo != nil {
		identity.Userinfo, errUserinfo = json.Marshal(userinfo)
	}
	return identity, errors.Join(err, errIDToken, errUserinfo)
}

// authTime returns the auth_time of an ID token, or the zero time if it has none that can be read.
func authTime(idToken rawClaims) time.Time {
	var seconds int64
	if json.Unmarshal(idToken["auth_time"], &seconds) != nil || seconds <= 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0)
}

// MaxSubject is the longest subject in bytes (OIDC Core §2 on sub). An index of PostgreSQL cannot hold very long ones.
const MaxSubject = 255

// maxEmail is the longest e-mail address in bytes (RFC 5321 §4.5.3.1).
const maxEmail = 320

// subject returns the value of the claim that identifies the person, exactly as one of the sources has it.
func (s *signIn) subject(claims rawClaims) (string, error) {
	const hint = "set subject_claim to a claim that the provider sends for everybody"
	name, subject := s.config.SubjectClaim, claims.string(s.config.SubjectClaim)
	switch {
	case subject == "":
		return "", misconfigured(StageIDToken, hint, "subject claim %q is missing or not a string", name)
	case len(subject) > MaxSubject:
		return "", misconfigured(StageIDToken, hint, "subject claim %q has %d bytes, and at most %d are possible", name,
			len(subject), MaxSubject)
	case strings.ContainsFunc(subject, unicode.IsControl): // PostgreSQL cannot store NUL, nor an export any of them
		return "", misconfigured(StageIDToken, hint, "subject claim %q contains a control character", name)
	case strings.ContainsRune(subject, unicode.ReplacementChar): // which several malformed texts are read as
		return "", misconfigured(StageIDToken, hint, "subject claim %q is not well-formed Unicode", name)
	}
	return subject, nil
}

// firstString returns a string or the first string of a list, or nil.
func firstString(value json.RawMessage) any {
	if texts := stringsOf(value); len(texts) > 0 {
		return texts[0]
	}
	return nil
}

// firstAddress is firstString for an e-mail address.
func firstAddress(value json.RawMessage) any {
	if address, ok := firstString(value).(string); ok && len(address) <= maxEmail {
		return address
	}
	return nil
}

// set sets a claim to what the first source says that has it under the configured path in a readable form.
func (s *signIn) set(claims rawClaims, name string, read func(json.RawMessage) any, sources ...rawClaims) {
	path, unreadable := s.pathOf(name), false
	delete(claims, name)
	for _, source := range sources {
		value := source.at(path)
		if value == nil {
			continue
		}
		if readable := read(value); readable != nil {
			claims[name], _ = json.Marshal(readable)
			return
		}
		unreadable = true
	}
	if unreadable {
		s.unread = append(s.unread, fmt.Sprintf("claim %s: not in a form that can be read", LogText(strings.Join(path, "."))))
	}
}

// setEmail sets the e-mail address and whether it is verified. One source must not verify the address of another, nor
// any address that is not the only one of the claim email (OIDC Core §5.1).
func (s *signIn) setEmail(claims rawClaims, sources ...rawClaims) {
	s.set(claims, claimEmail, firstAddress, sources...)
	delete(claims, claimVerified)
	if !slices.Equal(s.config.EmailClaim, []string{claimEmail}) {
		return
	}
	for _, source := range sources {
		address, verified := source.string(claimEmail), source[claimVerified]
		if address != "" && address == claims.string(claimEmail) && verified != nil {
			claims[claimVerified] = verified
			return
		}
	}
}

// checkOverage checks whether Entra ID left out groups that are needed. It says so in two ways: by _claim_names, or by
// hasgroups, which is always about the claim groups.
func (s *signIn) checkOverage(claims rawClaims, wish Wish) error {
	first := s.config.GroupsClaim[0]
	var names rawClaims
	_ = json.Unmarshal(claims["_claim_names"], &names)
	switch {
	case names[first] == nil && (first != claimGroups || string(claims["hasgroups"]) != "true"):
		return nil
	case !slices.Contains(wish.Needed, claimGroups):
		s.unread = append(s.unread, ErrGroupsOverage.Error())
		return nil
	}
	return &Error{Kind: Misconfigured, Stage: StageIDToken, Err: ErrGroupsOverage,
		Hint: "let the provider send only the groups that are assigned to this application, or use roles"}
}
