package sqlstore

import (
	"slices"
	"time"

	"alexa-oidc-bridge/bridge"
)

// revokeSignIns revokes the sign-ins of the person whom a filter names, under each of the names. A filter with ids
// names links, and not a person.
func (tx *transaction) revokeSignIns(filter bridge.LinkFilter, at time.Time) error {
	if len(filter.IDs) > 0 {
		return nil
	}
	names := namesOf(filter.Subject, filter.Account)
	return tx.lockSignIns(names, func() error {
		for _, name := range names {
			_, err := tx.Exec(`INSERT INTO revoked_sign_ins (subject, provider, revoked_at) VALUES ($1, $2, $3)
				ON CONFLICT (subject, provider) DO UPDATE SET revoked_at = excluded.revoked_at
				WHERE revoked_sign_ins.revoked_at < excluded.revoked_at`, name, filter.Provider, seconds(at))
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// checkSignIn returns ErrSignInRevoked if the sign-in that a link is made of was revoked. Until the commit, nobody
// revokes a sign-in of the person: a revocation that waits for it finds the link.
func checkSignIn(tx *transaction, made *bridge.NewLink) error {
	names := namesOf(made.Link.Subject, made.Link.Account)
	return tx.lockSignIns(names, func() error {
		args := []any{made.Link.Provider.ID, seconds(made.SignedInAt)}
		for _, name := range names {
			args = append(args, name)
		}
		var revocations int
		err := tx.QueryRow(`SELECT COUNT(*) FROM revoked_sign_ins
			WHERE provider IN ('', $1) AND revoked_at >= $2 AND subject IN `+placeholders(3, len(names)), args...).
			Scan(&revocations)
		if err == nil && revocations > 0 {
			err = bridge.ErrSignInRevoked
		}
		return err
	})
}

// namesOf returns the names by which a person's sign-ins are revoked, each once, in the order in which they are locked.
// One person's name of one kind may be another's of another kind: then both have to sign in again, which harms nobody.
func namesOf(subject string, account bridge.Account) []string {
	names := []string{subject, account.Subject, account.Session, account.Directory, account.Email}
	names = slices.DeleteFunc(names, func(name string) bool { return name == "" })
	slices.Sort(names)
	return slices.Compact(names)
}

// lockSignIns locks the sign-ins under several names at every provider.
func (tx *transaction) lockSignIns(names []string, do func() error) error {
	return tx.lockNames("sign-ins", names, do)
}

// lockNames locks names of a kind, which must be sorted, each as a person of whom no link can be: no issuer is such a
// kind.
func (tx *transaction) lockNames(kind string, names []string, do func() error) error {
	if len(names) == 0 {
		return do()
	}
	return tx.lockPerson("", kind, names[0], func() error { return tx.lockNames(kind, names[1:], do) })
}
