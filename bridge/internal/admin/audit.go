package admin

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/operator"
)

// auditPage is a page of GET /api/audit.
type auditPage struct {
	Records []operator.AuditRecord `json:"records"`
	// NextCursor is the cursor of the next page; absent: this is the last.
	NextCursor string `json:"next_cursor,omitempty"`
}

// listAudit serves GET /api/audit: the newest first, so that each page goes on where the one before ended.
func (h *Handler) listAudit(q *request) (any, error) {
	filter := bridge.AuditFilter{Limit: defaultLimit}
	err := readQuery(q.Request, func(name, value string) error { return setAuditCriterion(&filter, name, value, q) })
	if err != nil {
		return nil, err
	}
	limit := filter.Limit
	filter.Limit++ // to learn whether there are more
	records, err := readList(h, q, func(ctx context.Context) ([]bridge.AuditRecord, error) {
		return h.Store.Audit(ctx, filter)
	})
	if err != nil {
		return nil, err
	}
	slices.Reverse(records)
	page := auditPage{}
	if len(records) > limit {
		records = records[:limit]
		page.NextCursor = records[limit-1].ID
	}
	page.Records = operator.AuditRecords(records)
	return page, nil
}

var recordIDPattern = regexp.MustCompile(`^[0-9A-Za-z_-]{1,64}$`)

// setAuditCriterion takes a parameter of a query into a filter of audit records.
func setAuditCriterion(filter *bridge.AuditFilter, name, value string, q *request) (err error) {
	switch name {
	case "ref":
		ref, ok := operator.ParseReference(value)
		if !ok {
			return badRequest("ref must be the eight characters of a reference; none of them is I, O, 0 or 1.")
		}
		filter.Ref = ref
	case "link":
		filter.LinkID = value
	case "subject":
		filter.Subject = value
	case "skill":
		filter.ClientID = value
	case "provider":
		filter.Provider = value
	case "event":
		filter.Event, err = parseEvent(value)
	case "since":
		filter.Since, _, err = parseTime(name, value, q.now)
	case "until":
		_, filter.Until, err = parseTime(name, value, q.now)
	case "limit":
		filter.Limit, err = parseLimit(value)
	case "cursor":
		if filter.Before = value; !recordIDPattern.MatchString(value) {
			err = errCursor()
		}
	default:
		err = badRequest("A name is unknown. Records are selected by ref, link, subject, skill, provider, event, since and " +
			"until; see /api/openapi.json.")
	}
	return err
}

func parseEvent(text string) (bridge.AuditEvent, error) {
	if event := bridge.AuditEvent(text); slices.Contains(bridge.AuditEvents(), event) {
		return event, nil
	}
	var names []string
	for _, event := range bridge.AuditEvents() {
		names = append(names, string(event))
	}
	return "", badRequest("event must be one of %s.", strings.Join(names, ", "))
}
