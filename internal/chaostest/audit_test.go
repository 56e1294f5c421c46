//go:build strict

package chaostest

import (
	"context"
	"encoding/json"
	"slices"
	"time"
)

// checkAudit checks that the audit log has one record of the end of each link that ended, and none of another.
func (e *experiment) checkAudit() {
	ends, err := e.readEnds()
	if err != nil {
		e.violation("audit: %v", err)
		return
	}
	for _, id := range e.model.ended {
		if n := len(ends[id]); id != "" && n != 1 {
			e.violation("audit: %d records of the end of link %s: %v", n, id, ends[id])
		}
		e.counts.add("checked: one audit record of an end")
	}
	for _, l := range e.model.all() {
		l.mu.Lock()
		switch n := len(ends[l.id]); {
		case l.id == "":
		case n > 1, n == 0 && !l.revokedAt.IsZero(), n == 1 && l.live():
			e.linkViolation(l, "audit: %d records of its end: %v", n, ends[l.id])
		default:
			e.counts.add("checked: audit record of an end, or none")
		}
		l.mu.Unlock()
	}
}

// readEnds returns the reasons of the records of the end of each link.
func (e *experiment) readEnds() (map[string][]string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	output, err := command(ctx, "audit", "--json", "--limit", "0", "--config", e.commandConfig).Output()
	if err != nil {
		return nil, err
	}
	var records []struct {
		Event  string `json:"event"`
		Reason string `json:"reason"`
		LinkID string `json:"link_id"`
	}
	if err := json.Unmarshal(output, &records); err != nil {
		return nil, err
	}
	lasting := []string{"linked", "redeemed", "refused", "minted", "rechecked"}
	ends := map[string][]string{}
	for _, record := range records {
		if !slices.Contains(lasting, record.Event) {
			ends[record.LinkID] = append(ends[record.LinkID], record.Reason)
		}
	}
	return ends, nil
}
