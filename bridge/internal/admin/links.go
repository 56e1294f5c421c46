package admin

import (
	"context"
	"encoding/json"

	"alexa-oidc-bridge/bridge"
	"alexa-oidc-bridge/bridge/operator"
)

// linkPage is a page of GET /api/links.
type linkPage struct {
	Links []operator.Link `json:"links"`
	// NextCursor is the cursor of the next page; absent: this is the last.
	NextCursor string `json:"next_cursor,omitempty"`
}

// listLinks serves GET /api/links: the oldest first.
func (h *Handler) listLinks(q *request) (any, error) {
	filter := bridge.LinkFilter{Limit: defaultLimit}
	err := readQuery(q.Request, func(name, value string) (err error) {
		switch name {
		case "live":
			filter.Live, err = parseBool(name, value)
		case "limit":
			filter.Limit, err = parseLimit(value)
		case "cursor":
			filter.After, err = parseCursor(value)
		default:
			err = setCriterion(&filter, name, value, q.now)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	limit := filter.Limit
	filter.Limit++ // to learn whether there are more
	links, err := readList(h, q, func(ctx context.Context) ([]bridge.Link, error) { return h.Store.Links(ctx, filter) })
	if err != nil {
		return nil, err
	}
	page := linkPage{}
	if len(links) > limit {
		links = links[:limit]
		page.NextCursor = links[limit-1].Cursor()
	}
	page.Links = operator.Links(links)
	return page, nil
}

// getLink serves GET /api/links/{id}.
func (h *Handler) getLink(q *request) (any, error) {
	id, err := linkID(q)
	if err != nil {
		return nil, err
	}
	return h.linkByID(q, id)
}

// revokeLink serves POST /api/links/{id}/revoke. A link that was revoked before stays as it is.
func (h *Handler) revokeLink(q *request) (any, error) {
	id, by, err := h.readEnd(q)
	if err != nil {
		return nil, err
	}
	ctx, cancel := bridge.WithStoreTimeout(q.Context())
	defer cancel()
	revoked, err := h.Store.Revoke(ctx, bridge.LinkFilter{IDs: []string{id}}, by)
	if err != nil {
		return nil, err
	}
	if len(revoked) > 0 {
		return operator.Links(revoked)[0], nil
	}
	return h.linkByID(q, id)
}

// forgetLink serves POST /api/links/{id}/forget.
func (h *Handler) forgetLink(q *request) (any, error) {
	id, by, err := h.readEnd(q)
	if err != nil {
		return nil, err
	}
	ctx, cancel := bridge.WithStoreTimeout(q.Context())
	defer cancel()
	forgotten, err := h.Store.Forget(ctx, bridge.LinkFilter{IDs: []string{id}}, by)
	if err == nil && len(forgotten) == 0 {
		err = errNoLink()
	}
	return nil, err
}

// linkID returns the id in the path of a request that has no query.
func linkID(q *request) (string, error) {
	if err := rejectQuery(q.Request); err != nil {
		return "", err
	}
	id := q.PathValue("id")
	if !bridge.WellFormedLinkID(id) {
		return "", errNoLink()
	}
	return id, nil
}

// readEnd reads a request to end one link: its id, and in the body the reason, or nothing.
func (h *Handler) readEnd(q *request) (id string, by bridge.Revocation, err error) {
	if id, err = linkID(q); err != nil {
		return "", by, err
	}
	by = h.revocation(q)
	err = readBody(q.Request, func(name string, value json.RawMessage) (err error) {
		if name != "reason" {
			return badRequest("A member is unknown: only reason is known.")
		}
		by.Reason, err = readReason(value)
		return err
	})
	return id, by, err
}

// revocation returns the revocation that a request asks for, unless it has another reason.
func (h *Handler) revocation(q *request) bridge.Revocation {
	return bridge.Revocation{Reason: bridge.ReasonOperator, Actor: q.actor, At: q.now, Origin: h.Origin(q.Request)}
}

func (h *Handler) linkByID(q *request, id string) (any, error) {
	links, err := h.find(q, bridge.LinkFilter{IDs: []string{id}})
	if err == nil && len(links) == 0 {
		err = errNoLink()
	}
	if err != nil {
		return nil, err
	}
	return operator.Links(links)[0], nil
}

func (h *Handler) find(q *request, filter bridge.LinkFilter) ([]bridge.Link, error) {
	ctx, cancel := bridge.WithStoreTimeout(q.Context())
	defer cancel()
	return h.Store.Links(ctx, filter)
}
