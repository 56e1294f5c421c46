package admin

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/operator"
)

// Pages of lists.
const (
	defaultLimit = 100
	maxLimit     = 1000
)

// readQuery calls a function for each parameter of the query of a request, of which none may be repeated.
func readQuery(r *http.Request, set func(name, value string) error) error {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return badRequest("The query is not well-formed.")
	}
	for _, name := range sortedNames(query) {
		if len(query[name]) > 1 {
			return badRequest("A parameter is repeated.")
		}
		if err := checkText(query.Get(name)); err != nil {
			return err
		}
		if err := set(name, query.Get(name)); err != nil {
			return err
		}
	}
	return nil
}

// rejectQuery rejects a query: what a POST is told is in its body only.
func rejectQuery(r *http.Request) error {
	if r.URL.RawQuery != "" {
		return badRequest("This endpoint has no parameters in the URL.")
	}
	return nil
}

// checkText rejects what is not a text to compare with. An empty one, as of a variable that is not set, would match
// everything, and PostgreSQL cannot store NUL.
func checkText(text string) error {
	switch {
	case text == "":
		return badRequest("A value is empty: set it, or leave its name out.")
	case !bridge.IsStorable(text):
		return badRequest("A value is longer than %d bytes, or has a control character.", bridge.MaxStorable)
	}
	return nil
}

// setCriterion takes a criterion into a filter of links, by its name in a query or in JSON.
func setCriterion(filter *bridge.LinkFilter, name, value string, now time.Time) (err error) {
	switch name {
	case "skill":
		filter.ClientID = value
	case "subject":
		filter.Subject = value
	case "email":
		filter.Email = value
	case "provider":
		filter.Provider = value
	case "grant":
		filter.Grant = bridge.Grant(value)
		if filter.Grant != bridge.GrantImplicit && filter.Grant != bridge.GrantAuthorizationCode {
			err = badRequest("grant must be implicit or authorization_code.")
		}
	case "created_before":
		filter.CreatedBefore, err = parsePast(name, value, now)
	case "unused_since":
		filter.UnusedSince, err = parsePast(name, value, now)
	default:
		err = badRequest("A name is unknown. Links are selected by skill, subject, email, provider, grant, created_before " +
			"and unused_since, in a list also by live; see /api/openapi.json.")
	}
	return err
}

// parsePast reads a time before which something of a link must be. One that is not past, such as 0h of a number that
// was never set, or the last time that a program knows, would match every link.
func parsePast(name, text string, now time.Time) (time.Time, error) {
	begin, _, err := parseTime(name, text, now)
	if err == nil && !begin.Before(now) {
		err = badRequest("%s must be in the past: no link has a later time, so it would match all.", name)
	}
	return begin, err
}

func parseTime(name, text string, now time.Time) (begin, end time.Time, err error) {
	begin, end, ok := operator.ParseTime(text, now)
	if !ok {
		err = badRequest("%s must be a time such as 2026-11-29T09:30:00Z (0001-01-01T00:00:00Z is none), a day such as "+
			"2026-11-29, or a duration before now such as 24h.", name)
	}
	return begin, end, err
}

func parseLimit(text string) (int, error) {
	limit, err := strconv.Atoi(text)
	if err != nil || limit < 1 || limit > maxLimit {
		return 0, badRequest("limit must be a number from 1 to %d.", maxLimit)
	}
	return limit, nil
}

// parseCursor checks a cursor of links.
func parseCursor(text string) (string, error) {
	if _, _, err := bridge.ParseLinkCursor(text); err != nil {
		return "", errCursor()
	}
	return text, nil
}

func parseBool(name, text string) (bool, error) {
	if text != "true" && text != "false" {
		return false, badRequest("%s must be true or false.", name)
	}
	return text == "true", nil
}

func sortedNames[Value any](values map[string]Value) []string {
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
