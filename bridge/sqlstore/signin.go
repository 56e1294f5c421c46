package sqlstore

import (
	"time"

	"alexa-oidc-bridge/bridge"
)

// revokeSignIns revokes the sign-ins of the person whom a filter names, if it has a subject.
func (tx *transaction) revokeSignIns(filter bridge.LinkFilter, at time.Time) error {
	if filter.Subject == "" {
		return nil
	}
	return tx.lockSignIns(filter.Subject, func() error {
		_, err := tx.Exec(`INSERT INTO revoked_sign_ins (subject, provider, revoked_at) VALUES ($1, $2, $3)
			ON CONFLICT (subject, provider) DO UPDATE SET revoked_at = excluded.revoked_at
			WHERE revoked_sign_ins.revoked_at < excluded.revoked_at`, filter.Subject, filter.Provider, seconds(at))
		return err
	})
}

// checkSignIn returns ErrSignInRevoked if the sign-in that a link is made of was revoked. Until the commit, nobody
// revokes a sign-in of the person: a revocation that waits for it finds the link.
func checkSignIn(tx *transaction, made *bridge.NewLink) error {
	person := made.Link.Identity
	return tx.lockSignIns(person.Subject, func() error {
		var revocations int
		err := tx.QueryRow(`SELECT COUNT(*) FROM revoked_sign_ins
			WHERE subject = $1 AND provider IN ('', $2) AND revoked_at >= $3`,
			person.Subject, person.Provider.ID, seconds(made.SignedInAt)).Scan(&revocations)
		if err == nil && revocations > 0 {
			err = bridge.ErrSignInRevoked
		}
		return err
	})
}

// lockSignIns locks the sign-ins of a subject at every provider. No person of lockPerson has this issuer.
func (tx *transaction) lockSignIns(subject string, do func() error) error {
	return tx.lockPerson("", "sign-ins", subject, do)
}
