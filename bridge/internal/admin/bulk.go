package admin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/operator"
)

// maxBulk and bulkTime bound how many links one request revokes, so that it ends before its client gives up.
const (
	maxBulk  = 10_000
	bulkTime = 20 * time.Second
)

// bulk is the body of POST /api/links/revoke.
type bulk struct {
	filter bridge.LinkFilter
	reason bridge.Reason
	dryRun bool
	expect *int // how many links must match; nil: any number
}

// bulkResult is the answer. More is true if links are left: the same request revokes the next ones.
type bulkResult struct {
	DryRun      bool `json:"dry_run"`
	Revoked     *int `json:"revoked,omitempty"`
	WouldRevoke *int `json:"would_revoke,omitempty"`
	More        bool `json:"more"`
}

// revokeLinks serves POST /api/links/revoke. It revokes the live links that match a filter.
func (h *Handler) revokeLinks(q *request) (any, error) {
	b, err := readBulk(q)
	if err != nil {
		return nil, err
	}
	if err := h.checkNames(q, b.filter); err != nil {
		return nil, err
	}
	if err := h.checkSubject(q, b.filter); err != nil {
		return nil, err
	}
	if b.dryRun || b.expect != nil {
		n, more, err := h.count(q, b.filter)
		if err != nil {
			return nil, err
		}
		if b.expect != nil && (more || n != *b.expect) {
			return nil, unexpected(n, more, *b.expect)
		}
		if b.dryRun {
			return bulkResult{DryRun: true, WouldRevoke: &n, More: more}, nil
		}
	}
	n, more, err := h.revokeInBatches(q, b)
	if err != nil {
		return nil, err
	}
	return bulkResult{Revoked: &n, More: more}, nil
}

// unexpected returns the error for a number of links that is not the expected one.
func unexpected(n int, more bool, expected int) error {
	than := ""
	if more {
		than = "more than "
	}
	return reject(http.StatusConflict, unexpectedCount,
		"The filter matches %s%d live links, and %d were expected. Nothing was revoked.", than, n, expected)
}

func readBulk(q *request) (*bulk, error) {
	if err := rejectQuery(q.Request); err != nil {
		return nil, err
	}
	b, named := &bulk{reason: bridge.ReasonOperator}, false
	err := readBody(q.Request, func(name string, value json.RawMessage) (err error) {
		switch name {
		case "filter":
			named, err = b.readFilter(q, value)
		case "reason":
			b.reason, err = readReason(value)
		case "dry_run":
			b.dryRun, err = parseBool(name, string(value))
		case "expect":
			b.expect, err = readExpect(value)
		default:
			err = badRequest("A member is unknown: only filter, reason, dry_run and expect are known.")
		}
		return err
	})
	if err == nil && !named {
		err = badRequest("filter is missing or empty, and would match every link: name at least one of its members.")
	}
	return b, err
}

// readFilter reads the filter, and reports whether it has a criterion.
func (b *bulk) readFilter(q *request, value json.RawMessage) (named bool, err error) {
	err = readObject(value, func(name string, value json.RawMessage) error {
		named = true
		text, err := readText(value)
		if err != nil {
			return err
		}
		return setCriterion(&b.filter, name, text, q.now)
	})
	return named, err
}

func readExpect(value json.RawMessage) (*int, error) {
	var expect *int
	if err := json.Unmarshal(value, &expect); err != nil || expect == nil || *expect < 0 || *expect > maxBulk {
		return nil, badRequest("expect must be a whole number from 0 to %d. For more links, leave it out, and send the "+
			"request until more is false.", maxBulk)
	}
	return expect, nil
}

// checkNames rejects a filter with a provider or a skill that is not configured and has no links, ended ones included.
// It is mistyped, and to answer that nothing matched would let a link live on that its program believes to have ended.
func (h *Handler) checkNames(q *request, filter bridge.LinkFilter) error {
	if id := filter.Provider; id != "" && h.Clients.Provider(id).ID == "" {
		if err := h.checkUsed(q, "provider", bridge.LinkFilter{Provider: id}); err != nil {
			return err
		}
	}
	if id := filter.ClientID; id != "" && h.Clients.Skill(id) == nil {
		return h.checkUsed(q, "skill", bridge.LinkFilter{ClientID: id})
	}
	return nil
}

// checkUsed rejects a filter's member if no link has what it names.
func (h *Handler) checkUsed(q *request, member string, filter bridge.LinkFilter) error {
	filter.Limit = 1
	links, err := h.find(q, filter)
	if err == nil && len(links) == 0 {
		err = badRequest("%s: nothing is configured under this id, and no link has it.", member)
	}
	return err
}

func (h *Handler) checkSubject(q *request, filter bridge.LinkFilter) error {
	ctx, cancel := bridge.WithStoreTimeout(q.Context())
	defer cancel()
	return operator.CheckSubject(ctx, h.Store, filter)
}

// count counts the live links that match a filter, up to maxBulk, and reports whether there are more.
func (h *Handler) count(q *request, filter bridge.LinkFilter) (n int, more bool, err error) {
	filter.Live, filter.Limit = true, maxLimit
	for n <= maxBulk {
		links, err := h.find(q, filter)
		if err != nil {
			return 0, false, err
		}
		n += len(links)
		if len(links) < filter.Limit {
			break
		}
		filter.After = links[len(links)-1].Cursor()
	}
	return min(n, maxBulk), n > maxBulk, nil
}

// revokeInBatches revokes up to maxBulk links, and reports how many, and whether some may be left.
func (h *Handler) revokeInBatches(q *request, b *bulk) (n int, more bool, err error) {
	by := h.revocation(q)
	by.Reason = b.reason
	for n < maxBulk && h.Now().Sub(q.now) < bulkTime {
		b.filter.Limit = maxBulk - n // of which the store revokes some
		revoked, err := h.revokeBatch(q, b.filter, by)
		if err != nil {
			return 0, false, unavailable(err, fmt.Sprintf("%d links were revoked; send the request again.", n))
		}
		if len(revoked) == 0 {
			return n, false, nil
		}
		n += len(revoked)
		b.filter.After = revoked[len(revoked)-1].Cursor()
	}
	return n, true, nil
}

func (h *Handler) revokeBatch(q *request, filter bridge.LinkFilter, by bridge.Revocation) ([]bridge.Link, error) {
	ctx, cancel := bridge.WithStoreTimeout(q.Context())
	defer cancel()
	return h.Store.Revoke(ctx, filter, by)
}
