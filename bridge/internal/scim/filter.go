package scim

import (
	"encoding/json"
	"strings"

	filter "github.com/scim2/filter-parser/v2"

	"alexa-oidc-bridge/bridge"
)

const (
	// maxFilter is how long a filter may be in bytes: two names, and what stands around them.
	maxFilter = 2 << 10
	// maxParentheses is how many a filter may open. The parser takes quadratic time for them.
	maxParentheses = 16
)

// parseFilter parses a filter of users (RFC 7644 §3.4.2.2): id, userName or externalId that equals a text, or several
// of these joined by "and". matchable is false if no user can match. Without a text, all match.
func parseFilter(text string) (parsed bridge.DirectoryFilter, matchable bool, err error) {
	if text == "" {
		return parsed, true, nil
	}
	if len(text) > maxFilter || strings.Count(text, "(") > maxParentheses {
		return parsed, false,
			badRequest(invalidFilter, "The filter is longer than %d bytes, or has more than %d parentheses.",
				maxFilter, maxParentheses)
	}
	expression, err := filter.ParseFilter([]byte(text))
	if err != nil {
		return parsed, false, errUnsupportedFilter() // the parser knows no emails[type eq "work"].value, which is RFC 7644
	}
	matchable, err = addExpression(&parsed, expression)
	return parsed, matchable, err
}

// addExpression narrows a filter by an expression.
func addExpression(parsed *bridge.DirectoryFilter, expression filter.Expression) (matchable bool, err error) {
	switch e := expression.(type) {
	case *filter.AttributeExpression:
		return addComparison(parsed, e)
	case *filter.LogicalExpression:
		if e.Operator != filter.AND {
			break
		}
		left, err := addExpression(parsed, e.Left)
		if err != nil {
			return false, err
		}
		right, err := addExpression(parsed, e.Right)
		return left && right, err
	}
	return false, errUnsupportedFilter()
}

func errUnsupportedFilter() error {
	return badRequest(invalidFilter,
		"Only eq is supported, with userName, externalId or id and a text, and joined by and.")
}

func addComparison(parsed *bridge.DirectoryFilter, e *filter.AttributeExpression) (matchable bool, err error) {
	raw, isText := e.CompareValue.(string)
	field := fieldOf(parsed, e.AttributePath)
	if e.Operator != filter.EQ || !isText || field == nil {
		return false, errUnsupportedFilter()
	}
	var value string
	if err := json.Unmarshal([]byte(`"`+raw+`"`), &value); err != nil { // the parser leaves escapes as they are
		return false, badRequest(invalidFilter, "The filter is malformed.")
	}
	if !bridge.IsStorable(value) || *field != "" && *field != value {
		return false, nil
	}
	*field = value
	return true, nil
}

// fieldOf returns the field of a filter for an attribute, or nil.
func fieldOf(parsed *bridge.DirectoryFilter, path filter.AttributePath) *string {
	if path.SubAttribute != nil || path.URIPrefix != nil && !strings.EqualFold(path.URI(), userSchema) {
		return nil
	}
	switch strings.ToLower(path.AttributeName) {
	case attributeID:
		return &parsed.ID
	case attributeUserName:
		return &parsed.UserName
	case attributeExternalID:
		return &parsed.ExternalID
	}
	return nil
}
