package sqlstore

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"alexa-oidc-bridge/bridge"
)

// CreateDirectoryUser adds a user of a directory; see [bridge.Store].
func (s *Store) CreateDirectoryUser(ctx context.Context, user bridge.DirectoryUser, ending bridge.Deprovisioning) (
	bridge.DirectoryUpdate, error) {
	return s.writeUser(ctx, ending, func(tx *transaction) (bridge.DirectoryUpdate, error) {
		user.CreatedAt = timeOf(seconds(ending.Revocation.At))
		user.ModifiedAt = user.CreatedAt
		return bridge.DirectoryUpdate{After: user}, insertUser(tx, user)
	})
}

// UpdateDirectoryUser changes a user of a directory; see [bridge.Store].
func (s *Store) UpdateDirectoryUser(ctx context.Context, provider, id string, change bridge.DirectoryChange,
	ending bridge.Deprovisioning) (bridge.DirectoryUpdate, error) {
	return s.writeUser(ctx, ending, func(tx *transaction) (bridge.DirectoryUpdate, error) {
		before, err := lockUser(tx, provider, id, 0)
		if err != nil {
			return bridge.DirectoryUpdate{}, err
		}
		after := change.Apply(before)
		if after != before {
			after.ModifiedAt = timeOf(seconds(ending.Revocation.At))
			err = updateUser(tx, after)
		}
		return bridge.DirectoryUpdate{Before: before, After: after}, err
	})
}

// DeleteDirectoryUser removes a user of a directory; see [bridge.Store].
func (s *Store) DeleteDirectoryUser(ctx context.Context, provider, id string, ending bridge.Deprovisioning) (
	bridge.DirectoryUpdate, error) {
	return s.writeUser(ctx, ending, func(tx *transaction) (bridge.DirectoryUpdate, error) {
		before, err := lockUser(tx, provider, id, -1)
		if err == nil {
			_, err = tx.Exec(`DELETE FROM scim_users WHERE provider = $1 AND id = $2`, provider, id)
		}
		return bridge.DirectoryUpdate{Before: before}, err
	})
}

// writeUser runs a transaction that changes a user, and revokes the links of a user who is inactive afterwards. If
// their names stand for several persons, it runs the transaction again without revoking.
func (s *Store) writeUser(ctx context.Context, ending bridge.Deprovisioning,
	change func(*transaction) (bridge.DirectoryUpdate, error)) (bridge.DirectoryUpdate, error) {
	update, err := writeResult(ctx, s, func(tx *transaction) (bridge.DirectoryUpdate, error) {
		update, err := change(tx)
		if err == nil && update.Deprovisioned() {
			update.Revoked, err = tx.deprovision(ending, update.Before, update.After)
		}
		return update, err
	})
	if errors.Is(err, bridge.ErrAmbiguous) {
		update, err = writeResult(ctx, s, change)
		update.Ambiguous = err == nil
	}
	return update, err
}

// deprovision revokes the links and the sign-ins of one user under the names in several of their states, or returns
// ErrAmbiguous.
func (tx *transaction) deprovision(ending bridge.Deprovisioning, states ...bridge.DirectoryUser) (
	[]bridge.Link, error) {
	var filters []bridge.LinkFilter
	for _, state := range states {
		if filter, ok := ending.Links(state); ok {
			filters = append(filters, filter)
		}
	}
	slices.SortFunc(filters, func(a, b bridge.LinkFilter) int { // the order in which sign-ins are locked
		return cmp.Compare(a.Subject+a.Account.Directory, b.Subject+b.Account.Directory)
	})
	for _, filter := range filters {
		if err := tx.revokeSignIns(filter, ending.Revocation.At); err != nil {
			return nil, err
		}
	}
	var revoked []bridge.Link
	for _, filter := range filters {
		condition, args := filterCondition(filter, 4)
		links, err := tx.revokeLinks(ending.Revocation, condition, args...)
		if err != nil {
			return nil, err
		}
		revoked = append(revoked, links...)
	}
	if severalPersons(revoked) {
		return nil, bridge.ErrAmbiguous
	}
	return revoked, nil
}

// insertUser adds a user, and locks the directory.
func insertUser(tx *transaction, user bridge.DirectoryUser) error {
	n, err := tx.ExecCount(`INSERT INTO scim_directories (provider, users) VALUES ($1, 1)
		ON CONFLICT (provider) DO UPDATE SET users = scim_directories.users + 1 WHERE scim_directories.users < $2`,
		user.Provider, bridge.MaxDirectoryUsers)
	if err == nil && n == 0 {
		err = bridge.ErrDirectoryFull
	}
	if err != nil {
		return err
	}
	n, err = tx.ExecCount(`INSERT INTO scim_users (`+userColumns+`, user_name_key)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (provider, user_name_key) DO NOTHING`,
		user.Provider, user.ID, user.UserName, user.ExternalID, user.Active, seconds(user.CreatedAt),
		seconds(user.ModifiedAt),
		bridge.UserNameKey(user.UserName))
	if err == nil && n == 0 {
		err = bridge.ErrUserExists
	}
	return err
}

// lockUser locks a directory, changes how many users it has, and returns one of them, or ErrNotFound.
func lockUser(tx *transaction, provider, id string, added int) (bridge.DirectoryUser, error) {
	_, err := tx.Exec(`UPDATE scim_directories SET users = users + $1 WHERE provider = $2`, added, provider)
	if err != nil {
		return bridge.DirectoryUser{}, err
	}
	user, err := scanUser(tx.QueryRow(`SELECT `+userColumns+` FROM scim_users WHERE provider = $1 AND id = $2`,
		provider, id))
	return user, orNotFound(err)
}

// updateUser writes a user of a directory that is locked.
func updateUser(tx *transaction, user bridge.DirectoryUser) error {
	var others int
	key := bridge.UserNameKey(user.UserName)
	err := tx.QueryRow(`SELECT COUNT(*) FROM scim_users WHERE provider = $1 AND user_name_key = $2 AND id <> $3`,
		user.Provider, key, user.ID).Scan(&others)
	if err == nil && others > 0 {
		err = bridge.ErrUserExists
	}
	if err != nil {
		return err
	}
	_, err = tx.Exec(`UPDATE scim_users SET user_name = $1, user_name_key = $2, external_id = $3, active = $4,
		modified_at = $5 WHERE provider = $6 AND id = $7`,
		user.UserName, key, user.ExternalID, user.Active, seconds(user.ModifiedAt), user.Provider, user.ID)
	return err
}

// DirectoryUsers lists users of a directory; see [bridge.Store].
func (s *Store) DirectoryUsers(ctx context.Context, filter bridge.DirectoryFilter, offset, limit int) (
	bridge.DirectoryPage, error) {
	condition, args := userCondition(filter)
	count := `SELECT COUNT(*) FROM scim_users WHERE ` + condition
	if len(args) == 1 { // all: there may be very many to count
		count = `SELECT COALESCE(MAX(users), 0) FROM scim_directories WHERE provider = $1`
	}
	var page bridge.DirectoryPage
	if err := s.db.Reader.QueryRowContext(ctx, count, args...).Scan(&page.Total); err != nil {
		return bridge.DirectoryPage{}, err
	}
	rows, err := s.db.Reader.QueryContext(ctx, selectUsers(condition, len(args)), append(args, limit, offset)...)
	if err != nil {
		return bridge.DirectoryPage{}, err
	}
	defer rows.Close()
	for rows.Next() {
		user, err := scanUser(rows)
		if err != nil {
			return bridge.DirectoryPage{}, err
		}
		page.Users = append(page.Users, user)
	}
	return page, rows.Err()
}

// selectUsers returns the query for users for whom a condition with some parameters holds. Two more are the limit and
// the offset.
func selectUsers(condition string, parameters int) string {
	return `SELECT ` + userColumns + ` FROM scim_users WHERE ` + condition + ` ORDER BY created_at, id
		LIMIT ` + placeholder(parameters+1) + ` OFFSET ` + placeholder(parameters+2)
}

func userCondition(filter bridge.DirectoryFilter) (condition string, args []any) {
	conditions, args := []string{"provider = $1"}, []any{filter.Provider}
	equal := func(column, value, more string) {
		if value != "" {
			args = append(args, value)
			conditions = append(conditions, column+" = "+placeholder(len(args))+more)
		}
	}
	equal("id", filter.ID, "")
	equal("user_name_key", bridge.UserNameKey(filter.UserName), "")
	equal("external_id", filter.ExternalID, " AND external_id <> ''") // the condition of its index
	return strings.Join(conditions, " AND "), args
}

const userColumns = `provider, id, user_name, external_id, active, created_at, modified_at`

// scanUser scans userColumns.
func scanUser(row interface{ Scan(...any) error }) (bridge.DirectoryUser, error) {
	var user bridge.DirectoryUser
	var created, modified int64
	err := row.Scan(&user.Provider, &user.ID, &user.UserName, &user.ExternalID, &user.Active, &created, &modified)
	user.CreatedAt, user.ModifiedAt = timeOf(created), timeOf(modified)
	return user, err
}
