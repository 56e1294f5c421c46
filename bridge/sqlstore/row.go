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
	links.checked_at`

// scanLink scans linkColumns and the columns that follow them.
func scanLink(row interface{ Scan(...any) error }, more ...any) (bridge.Link, error) {
	var link bridge.Link
	var claims string
	var created, used, revoked, checked int64
	err := row.Scan(append([]any{&link.ID, &link.ClientID, &link.Grant, &link.Provider.ID, &link.Issuer,
		&link.SubjectClaim,
		&link.EmailClaim, &link.GroupsClaim, &link.Subject, &claims, &link.Scope, &link.AlexaUser, &created, &used, &revoked,
		&link.Reason, &link.Actor, &link.Account.Subject, &link.Account.Session, &link.Account.Directory, &link.Account.Email,
		&checked}, more...)...)
	if err != nil {
		return bridge.Link{}, err
	}
	link.CreatedAt, link.LastUsedAt, link.RevokedAt = timeOf(created), timeOf(used), timeOf(revoked)
	link.CheckedAt = timeOf(checked)
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
	equal := func(column, value string) {
		if value != "" {
			args = append(args, value)
			conditions = append(conditions, column+" = "+placeholder(first+len(args)-1))
		}
	}
	equal("client_id", filter.ClientID)
	equal("subject", filter.Subject)
	equal("email", bridge.EmailKey(filter.Email))
	equal("provider", filter.Provider)
	equal("issuer", filter.Issuer)
	equal("grant_type", string(filter.Grant))
	account := func(column, value string) {
		equal(column, value)
		if value != "" {
			conditions = append(conditions, column+" <> ''") // the condition of its index
		}
	}
	if sub := filter.Account.Subject; sub != "" {
		args = append(args, sub)
		conditions = append(conditions, strings.ReplaceAll(ofUpstreamSub, "$", placeholder(first+len(args)-1)))
	}
	if sid := filter.Account.Session; sid != "" && filter.Account.Subject != "" {
		args = append(args, sid)
		conditions = append(conditions, "upstream_sid IN ('', "+placeholder(first+len(args)-1)+")")
	} else {
		account("upstream_sid", sid)
	}
	account("directory_id", filter.Account.Directory)
	account("account_email", filter.Account.Email)
	if len(filter.IDs) > 0 {
		conditions = append(conditions, "id IN "+placeholders(first+len(args), len(filter.IDs)))
		for _, id := range filter.IDs {
			args = append(args, id)
		}
	}
	if filter.Live {
		conditions = append(conditions, "revoked_at = 0")
	}
	return strings.Join(conditions, " AND "), args
}
