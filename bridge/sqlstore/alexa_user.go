package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"time"

	"alexa-oidc-bridge/bridge"
)

// TieAlexaUser ties a link to an Alexa user; see [bridge.Store].
func (s *Store) TieAlexaUser(ctx context.Context, tie bridge.AlexaTie) (bridge.Link, error) {
	return writeResult(ctx, s, func(tx *transaction) (link bridge.Link, err error) {
		if err := tx.useToken(tie.Event, tie.EventExpiresAt); err != nil {
			return bridge.Link{}, err
		}
		err = tx.lockAlexaUsers([]string{string(tie.AlexaUser)}, func() error {
			if link, err = lockTied(tx, &tie); err != nil {
				return err
			}
			now := tie.Now
			if now.IsZero() {
				now = tie.At
			}
			if err := tx.tie(link.ID, tie.AlexaUser, tie.At, now, tie.Origin); err != nil {
				return err
			}
			link, err = scanLink(tx.QueryRow(`SELECT `+linkColumns+` FROM links WHERE id = $1`, link.ID))
			return err
		})
		return link, err
	})
}

// lockTied locks and returns the link of a tie, or returns why it must not be tied.
func lockTied(tx *transaction, tie *bridge.AlexaTie) (bridge.Link, error) {
	link, err := scanLink(tx.QueryRow(`SELECT `+linkColumns+` FROM links
		WHERE id = (SELECT link_id FROM tokens WHERE hash = $1 AND kind = '`+kindAccess+`')`+tx.RowLock, string(tie.Token)))
	switch {
	case errors.Is(err, sql.ErrNoRows), err == nil && link.IsTest():
		err = bridge.ErrNotFound
	case err == nil && link.ClientID != tie.ClientID:
		err = bridge.ErrMismatch
	case err == nil && link.Revoked():
		err = bridge.ErrRevoked
	}
	return link, err
}

// mayTie is the condition that the link $3 becomes tied to the user $1 since $2.
const mayTie = `id = $3 AND revoked_at = 0 AND issuer <> '` + bridge.TestIssuer + `'
	AND (alexa_user = $1 AND tied_at > $2 OR alexa_user <> $1 AND tied_at <= $2)`

// tie ties a link to an Alexa user, whom the transaction has locked, if it may. If the user disabled the skill then or
// later, it revokes the link.
func (tx *transaction) tie(linkID string, user bridge.Hash, at, now time.Time, origin bridge.Origin) error {
	n, err := tx.ExecCount(`UPDATE links SET alexa_user = $1, tied_at = $2 WHERE `+mayTie,
		string(user), seconds(at), linkID)
	if err != nil || n == 0 {
		return err
	}
	by := bridge.Revocation{Origin: origin}
	var recorded int64
	err = tx.QueryRow(`SELECT reason, actor, recorded_at FROM disabled_alexa_users
		WHERE alexa_user = $1 AND disabled_at >= $2`,
		string(user), seconds(at)).Scan(&by.Reason, &by.Actor, &recorded)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err == nil {
		by.At = timeOf(max(seconds(now), recorded))
		_, err = tx.revokeLinks(by, `id = $4`, linkID)
	}
	return err
}

// rememberDisabled remembers that an Alexa user disabled a skill, if a filter says so, and calls a function. Until the
// commit nobody ties a link to the user: who waits for it finds what is remembered.
func (tx *transaction) rememberDisabled(filter bridge.LinkFilter, by bridge.Revocation, do func() error) error {
	if filter.AlexaUser == "" || filter.TiedUntil.IsZero() {
		return do()
	}
	return tx.lockAlexaUsers([]string{string(filter.AlexaUser)}, func() error {
		_, err := tx.Exec(`INSERT INTO disabled_alexa_users (alexa_user, disabled_at, reason, actor, recorded_at)
			VALUES ($1, $2, $3, $4, $5) ON CONFLICT (alexa_user) DO UPDATE SET disabled_at = excluded.disabled_at,
			reason = excluded.reason, actor = excluded.actor, recorded_at = excluded.recorded_at
			WHERE disabled_alexa_users.disabled_at < excluded.disabled_at`,
			string(filter.AlexaUser), seconds(filter.TiedUntil), string(by.Reason), string(by.Actor), seconds(by.At))
		if err != nil {
			return err
		}
		return do()
	})
}

// lockAlexaUsers locks Alexa users, who must be sorted.
func (tx *transaction) lockAlexaUsers(users []string, do func() error) error {
	return tx.lockNames("Alexa users", users, do)
}

// TouchLinks records when links were last used; see [bridge.Store].
func (s *Store) TouchLinks(ctx context.Context, uses []bridge.Use) error {
	// In one order, so that two processes that touch the same links do not deadlock.
	uses = slices.SortedFunc(slices.Values(uses), func(a, b bridge.Use) int { return strings.Compare(a.LinkID, b.LinkID) })
	return s.write(ctx, func(tx *transaction) error {
		users, err := untied(tx, uses)
		if err != nil {
			return err
		}
		return tx.lockAlexaUsers(users, func() error {
			for _, use := range uses {
				if err := touch(tx, use, users); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// untied returns the Alexa users to whom a use ties its link, sorted. Most links are tied already.
func untied(tx *transaction, uses []bridge.Use) (users []string, err error) {
	for _, use := range uses {
		if use.AlexaUser == "" {
			continue
		}
		var links int
		err := tx.QueryRow(`SELECT COUNT(*) FROM links WHERE `+mayTie,
			string(use.AlexaUser), seconds(tiedAt(use)), use.LinkID).Scan(&links)
		if err != nil {
			return nil, err
		}
		if links > 0 {
			users = append(users, string(use.AlexaUser))
		}
	}
	slices.Sort(users)
	return slices.Compact(users), nil
}

// touch records a use. It ties the link only to a user who is locked.
func touch(tx *transaction, use bridge.Use, locked []string) error {
	_, err := tx.Exec(`UPDATE links SET last_used_at = $1 WHERE id = $2 AND last_used_at <= $3`,
		seconds(use.At), use.LinkID, seconds(use.At.Add(-bridge.UseGrain)))
	if _, found := slices.BinarySearch(locked, string(use.AlexaUser)); err != nil || !found {
		return err
	}
	return tx.tie(use.LinkID, use.AlexaUser, tiedAt(use), use.At, bridge.Origin{})
}

// tiedAt returns when the Alexa user of a use first used the link.
func tiedAt(use bridge.Use) time.Time {
	if use.TiedAt.IsZero() {
		return use.At
	}
	return use.TiedAt
}
