package sqlstore

import (
	"context"
	"slices"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/sqlstore/internal/engine"
)

// eraseSize is how many links one statement erases. On SQLite, other writes wait for the transaction: with 100 links
// half of them waited 36 ms or more, with 20 9 ms, with 5 3 ms, because each link changes pages all over the file.
const eraseSize = 5

// Forget erases links; see [bridge.Store].
func (s *Store) Forget(ctx context.Context, filter bridge.LinkFilter, revocation bridge.Revocation) (
	[]bridge.Link, error) {
	return s.inBatches(ctx, filter, forgetSize, func(batch bridge.LinkFilter) ([]bridge.Link, error) {
		return writeResult(ctx, s, func(tx *transaction) ([]bridge.Link, error) {
			if err := tx.revokeSignIns(filter, revocation.At); err != nil {
				return nil, err
			}
			links, err := forgetMatching(tx, batch, revocation)
			if err != nil {
				return nil, err
			}
			return links, tx.forgetSubject(filter)
		})
	})
}

func forgetMatching(tx *transaction, filter bridge.LinkFilter, by bridge.Revocation) ([]bridge.Link, error) {
	condition, args := filterCondition(filter, 1)
	rows, err := tx.Query(`SELECT `+linkColumns+` FROM links WHERE `+condition+`
		ORDER BY created_at, id`+tx.RowLock, args...)
	if err != nil {
		return nil, err
	}
	links, err := scanLinks(rows)
	if err != nil {
		return nil, err
	}
	for chunk := range slices.Chunk(links, eraseSize) {
		if err := forget(tx, chunk, by); err != nil {
			return nil, err
		}
	}
	return links, nil
}

// forget revokes and erases links that the transaction has locked, up to eraseSize.
func forget(tx *transaction, links []bridge.Link, by bridge.Revocation) error {
	var ids []string
	for i := range links {
		link := &links[i]
		ids = append(ids, link.ID)
		if !link.Revoked() {
			link.RevokedAt, link.Reason, link.Actor = timeOf(seconds(by.At)), by.Reason, by.Actor
		}
	}
	args, before := idArgs(ids), len(tx.records)
	if _, err := tx.revokeLinks(by, `id IN `+placeholders(4, eraseSize), args...); err != nil {
		return err
	}
	for _, table := range []string{"tokens", "codes"} {
		if _, err := tx.Exec(`DELETE FROM `+table+` WHERE link_id IN `+placeholders(1, eraseSize), args...); err != nil {
			return err
		}
	}
	for i := range links {
		tx.audit(&links[i], bridge.AuditRecord{
			At: by.At, Event: bridge.AuditForgotten, Reason: by.Reason, Actor: by.Actor, Origin: by.Origin,
		})
	}
	if err := tx.forgetRecords(args, before); err != nil {
		return err
	}
	return bury(tx, args)
}

// bury replaces revoked links without tokens and codes by their tombstones. Only an earlier version of the program
// leaves a refresh token of the provider with a link that it revokes.
func bury(tx *transaction, ids []any) error {
	_, err := tx.Exec(`DELETE FROM upstream_tokens WHERE link_id IN `+placeholders(1, eraseSize), ids...)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO tombstones (link_id, ended_at) SELECT id, revoked_at FROM links WHERE id IN `+
		placeholders(1, eraseSize)+` ON CONFLICT (link_id) DO NOTHING`, ids...)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`DELETE FROM links WHERE id IN `+placeholders(1, eraseSize), ids...)
	return err
}

// idArgs returns up to eraseSize ids as exactly that many arguments, so that a statement has one text for all numbers
// of links. The last id fills up the list.
func idArgs(ids []string) []any {
	args := make([]any, eraseSize)
	for i := range args {
		args[i] = ids[min(i, len(ids)-1)]
	}
	return args
}

// eraseEnded erases up to limit links that were revoked by a time, in transactions of a few, and returns how many
// rows it deleted.
func (s *Store) eraseEnded(ctx context.Context, until time.Time, limit int) (int, error) {
	removed := 0
	for links := 0; links < limit; {
		started := time.Now()
		batch, err := writeResult(ctx, s, func(tx *transaction) (erased, error) {
			return eraseBatch(tx, until, min(eraseSize, limit-links))
		})
		if err != nil {
			return removed, err
		}
		removed += batch.rows
		links += batch.links
		if !batch.more {
			break
		}
		if err := s.yield(ctx, started, restAfterErase); err != nil {
			return removed, err
		}
	}
	return removed, nil
}

// erased is what one transaction of a sweep erased.
type erased struct {
	links, rows int
	more        bool // there may be more to erase
}

// eraseBatch erases the links that were revoked first. It does not wait for links that another sweep has locked. Of
// links that own too much for one transaction it deletes a part of that.
func eraseBatch(tx *transaction, until time.Time, limit int) (erased, error) {
	lock := tx.RowLock
	if lock != "" {
		lock += ` SKIP LOCKED`
	}
	ids, err := engine.Texts(tx.Query(selectEnded+lock, seconds(until), limit))
	if err != nil || len(ids) == 0 {
		return erased{}, err
	}
	args, batch := idArgs(ids), erased{more: len(ids) == limit}
	for _, table := range []string{"tokens", "codes"} {
		n, err := tx.ExecCount(`DELETE FROM `+table+` WHERE hash IN (SELECT hash FROM `+table+` WHERE link_id IN `+
			placeholders(1, eraseSize)+` LIMIT `+placeholder(eraseSize+1)+`)`, append(slices.Clone(args), deleteSize)...)
		if err != nil {
			return erased{}, err
		}
		batch.rows += int(n)
		if n == deleteSize {
			batch.more = true
			return batch, nil
		}
	}
	batch.links = len(ids)
	batch.rows += len(ids)
	return batch, bury(tx, args)
}

// selectEnded selects links that were revoked by a time. Its first condition is that of the index links_by_end.
const selectEnded = `SELECT id FROM links WHERE revoked_at > 0 AND revoked_at <= $1 ORDER BY revoked_at, id LIMIT $2`
