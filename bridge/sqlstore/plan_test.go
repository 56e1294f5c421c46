package sqlstore

import (
	"fmt"
	"strings"
	"testing"

	"alexa-oidc-bridge/bridge"
)

// TestPlans verifies that queries that many rows must not slow down find theirs by an index.
func TestPlans(t *testing.T) {
	eachDatabase(t, func(t *testing.T, open func(testing.TB) *Store) {
		store := fill(t, open(t)).store
		byAccount := func(account bridge.Account) string {
			condition, _ := filterCondition(bridge.LinkFilter{Account: account, Provider: "corp"}, 1)
			return `SELECT id FROM links WHERE ` + condition
		}
		ofAlexaUser, _ := filterCondition(bridge.LinkFilter{AlexaUser: "x", TiedUntil: begin}, 1)
		page := func(filter bridge.LinkFilter) (query string) {
			query, _ = selectMatching("id", filter)
			return query
		}
		cursor := bridge.Link{ID: "lnk_x", CreatedAt: begin}.Cursor()
		audit := func(filter bridge.AuditFilter) (query string) {
			query, _ = selectAudit(filter)
			return query
		}
		userQuery := func(filter bridge.DirectoryFilter) string {
			condition, args := userCondition(filter)
			return selectUsers(condition, len(args))
		}
		for index, query := range map[string]struct {
			sql  string
			args []any
		}{
			"links_by_end":           {selectEnded, []any{1, 1}},
			"links_by_upstream_sub":  {byAccount(bridge.Account{Subject: "x"}), []any{"corp", "x"}},
			"links_by_upstream_sid":  {byAccount(bridge.Account{Session: "x"}), []any{"corp", "x"}},
			"links_by_directory_id":  {byAccount(bridge.Account{Directory: "x"}), []any{"corp", "x"}},
			"links_by_account_email": {byAccount(bridge.Account{Email: "x"}), []any{"corp", "x"}},
			"links_by_alexa_user":    {`SELECT id FROM links WHERE ` + ofAlexaUser, []any{"x", 1}},
			"links_by_creation": {page(bridge.LinkFilter{Provider: "corp", Live: true, UnusedSince: begin, After: cursor,
				Limit: 9}), []any{"corp", 1, 1, "x", 9}},
			"disabled_alexa_users_by_time": {deleteDisabled, []any{1, 9}},
			"links_without_upstream_sub":   {countUnnamed, []any{"corp", "x", 9}},
			"upstream_tokens_by_due":       {selectDueRechecks, []any{"corp", 1, 9}},
			"upstream_tokens_by_end":       {selectDueDead, []any{"corp", 1, 9}},
			"audit_by_link":                {audit(bridge.AuditFilter{LinkID: "x"}), []any{"x", 1}},
			"audit_by_subject":             {audit(bridge.AuditFilter{Subject: "x"}), []any{"x", 1}},
			"audit_by_ref":                 {audit(bridge.AuditFilter{Ref: "x"}), []any{"x", 1}},
			"scim_users_by_creation":       {userQuery(bridge.DirectoryFilter{}), []any{"corp", 10, 0}},
			"scim_users_by_name":           {userQuery(bridge.DirectoryFilter{UserName: "x"}), []any{"corp", "x", 10, 0}},
			"scim_users_by_external_id":    {userQuery(bridge.DirectoryFilter{ExternalID: "x"}), []any{"corp", "x", 10, 0}},
			"pending_consents_by_person":   {selectOldestPending, []any{"a person", "a handle", noLimit, 9}},
		} {
			plan := planOf(t, store, query.sql, query.args...)
			if !strings.Contains(plan, index) || strings.Contains(strings.ToUpper(plan), "TEMP B-TREE") {
				t.Errorf("%s:\n%s", index, plan)
			}
		}
	})
}

// planOf returns how the database executes a query. PostgreSQL would scan such small tables if it might.
func planOf(t *testing.T, store *Store, query string, args ...any) (plan string) {
	t.Helper()
	explain := `EXPLAIN QUERY PLAN `
	must(t, store.write(t.Context(), func(tx *transaction) error {
		if store.db.Options.Driver == PostgreSQL {
			explain = `EXPLAIN `
			if err := tx.ExecOnce(`SET LOCAL enable_seqscan = off`); err != nil {
				return err
			}
		}
		rows, err := tx.Query(explain+query, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		columns, err := rows.Columns()
		if err != nil {
			return err
		}
		for rows.Next() {
			values := make([]any, len(columns))
			for i := range values {
				values[i] = new(any)
			}
			if err := rows.Scan(values...); err != nil {
				return err
			}
			plan += fmt.Sprintln(*values[len(values)-1].(*any))
		}
		return rows.Err()
	}))
	return plan
}
