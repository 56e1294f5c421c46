package sqlstore

import (
	"database/sql"
	"strings"

	"alexa-oidc-bridge/bridge"
)

const linkColumns = `links.id, links.client_id, links.grant_type, links.provider, links.issuer, links.subject_claim,
	links.email_claim, links.groups_claim, links.subject, links.claims, links.scope, links.alexa_user, links.created_at,
	links.last_used_at, links.revoked_at, links.reason, links.actor, links.upstream_sub, links.upstream_sid,
	links.directory_id, links.account_email,
	links.checked_at, links.tied_at`

// scanLink scans linkColumns and the columns that follow them.
func scanLink(row interface{ Scan(...any) error }, more ...any) (bridge.Link, error) {
	var link bridge.Link
	var claims string
	var created, used, revoked, checked, tied int64
	err := row.Scan(append([]any{&link.ID, &link.ClientID, &link.Grant, &link.Provider.ID, &link.Issuer,
		&link.SubjectClaim,
		&link.EmailClaim, &link.GroupsClaim, &link.Subject, &claims, &link.Scope, &link.AlexaUser, &created, &used, &revoked,
		&link.Reason, &link.Actor, &link.Account.Subject, &link.Account.Session, &link.Account.Directory, &link.Account.Email,
		&checked, &tied}, more...)...)
	if err != nil {
		return bridge.Link{}, err
	}
	link.CreatedAt, link.LastUsedAt, link.RevokedAt = timeOf(created), timeOf(used), timeOf(revoked)
	link.CheckedAt, link.TiedAt = timeOf(checked), timeOf(tied)
	return link, link.Claims.UnmarshalJSON([]byte(claims))
}

func scanLinks(rows *sql.Rows) ([]bridge.Link, error) {
	defer rows.Close()
	var links []bridge.Link
	for rows.Next() {
		link, err := scanLink(rows)
		if err != nil {
			return nil, err
		}
		links = append(links, link)
	}
	return links, rows.Err()
}

// ofUpstreamSub is the condition that the sub of a link's ID token is $.
const ofUpstreamSub = `(upstream_sub = $ AND upstream_sub <> '' OR
	subject = $ AND subject_claim = 'sub' AND upstream_sub = '')`

// filterCondition returns a filter as a condition on links, with parameters numbered from the first.
func filterCondition(filter bridge.LinkFilter, first int) (condition string, args []any) {
	conditions := []string{"1 = 1"}
	next := func(arg any) string {
		args = append(args, arg)
		return placeholder(first + len(args) - 1)
	}
	equal := func(column, value string) {
		if value != "" {
			conditions = append(conditions, column+" = "+next(value))
		}
	}
	equal("client_id", filter.ClientID)
	equal("subject", filter.Subject)
	equal("email", bridge.EmailKey(filter.Email))
	equal("provider", filter.Provider)
	equal("issuer", filter.Issuer)
	equal("grant_type", string(filter.Grant))
	name := func(column, value string) {
		equal(column, value)
		if value != "" {
			conditions = append(conditions, column+" <> ''") // the condition of its index
		}
	}
	if sub := filter.Account.Subject; sub != "" {
		conditions = append(conditions, strings.ReplaceAll(ofUpstreamSub, "$", next(sub)))
	}
	if sid := filter.Account.Session; sid != "" && filter.Account.Subject != "" {
		conditions = append(conditions, "upstream_sid IN ('', "+next(sid)+")")
	} else {
		name("upstream_sid", sid)
	}
	name("directory_id", filter.Account.Directory)
	name("account_email", filter.Account.Email)
	name("alexa_user", string(filter.AlexaUser))
	if len(filter.IDs) > 0 {
		conditions = append(conditions, "id IN "+placeholders(first+len(args), len(filter.IDs)))
		for _, id := range filter.IDs {
			args = append(args, id)
		}
	}
	if filter.Live {
		conditions = append(conditions, "revoked_at = 0")
	}
	return strings.Join(append(conditions, timeConditions(filter, next)...), " AND "), args
}

// timeConditions returns the conditions of a filter on times. next adds an argument and returns its parameter.
func timeConditions(filter bridge.LinkFilter, next func(arg any) string) (conditions []string) {
	if !filter.CreatedBefore.IsZero() {
		conditions = append(conditions, "created_at < "+next(seconds(filter.CreatedBefore)))
	}
	if !filter.UnusedSince.IsZero() {
		since := next(seconds(filter.UnusedSince))
		conditions = append(conditions, "created_at < "+since, "last_used_at < "+since)
	}
	if !filter.TiedUntil.IsZero() {
		conditions = append(conditions, "alexa_user <> ''", "tied_at <= "+next(seconds(filter.TiedUntil)))
	}
	if createdAt, id, err := bridge.ParseLinkCursor(filter.After); err == nil {
		conditions = append(conditions, "(created_at, id) > ("+next(seconds(createdAt))+", "+next(id)+")")
	}
	return conditions
}
