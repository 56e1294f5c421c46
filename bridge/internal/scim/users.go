package scim

import (
	"net/http"
	"strconv"
	"strings"

	"alexa-oidc-bridge/bridge"
)

// maxCount is how many resources a list response has at most.
const maxCount = 200

// createUser creates a user (RFC 7644 §3.3). A user who is not active ends links, as one who is deactivated.
func (h *Handler) createUser(q *request) (*response, error) {
	change, err := readUser(q.Request)
	if err != nil {
		return nil, err
	}
	if change.UserName == nil {
		return nil, badRequest(invalidValue, "The attribute userName is missing.")
	}
	user := change.Apply(bridge.DirectoryUser{ID: bridge.NewDirectoryUserID(), Provider: q.provider.ID, Active: true})
	update, err := h.Store.CreateDirectoryUser(q.Context(), user, h.ending(q))
	if err != nil {
		return nil, err
	}
	h.report(q, update)
	created := newResource(q, update.After)
	return &response{status: http.StatusCreated, location: created.Meta.Location, body: created}, nil
}

// getUser returns a user (RFC 7644 §3.4.1).
func (h *Handler) getUser(q *request) (*response, error) {
	id, err := userID(q)
	if err != nil {
		return nil, err
	}
	page, err := h.Store.DirectoryUsers(q.Context(), bridge.DirectoryFilter{Provider: q.provider.ID, ID: id}, 0, 1)
	if err == nil && len(page.Users) == 0 {
		err = bridge.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	return &response{body: newResource(q, page.Users[0])}, nil
}

// listUsers returns users by page, all or those that match a filter (RFC 7644 §3.4.2).
func (h *Handler) listUsers(q *request) (*response, error) {
	query := q.URL.Query()
	start, err := parseNumber(query.Get("startIndex"), 1)
	if err != nil {
		return nil, err
	}
	count, err := parseNumber(query.Get("count"), maxCount)
	if err != nil {
		return nil, err
	}
	start, count = max(start, 1), min(max(count, 0), maxCount)
	filter, matchable, err := parseFilter(query.Get("filter"))
	if err != nil {
		return nil, err
	}
	var page bridge.DirectoryPage
	if filter.Provider = q.provider.ID; matchable {
		if page, err = h.Store.DirectoryUsers(q.Context(), filter, start-1, count); err != nil {
			return nil, err
		}
	}
	resources := []any{}
	for _, user := range page.Users {
		resources = append(resources, newResource(q, user))
	}
	return &response{body: newList(resources, page.Total, start)}, nil
}

// parseNumber parses a parameter of a list.
func parseNumber(text string, missing int) (int, error) {
	if text == "" {
		return missing, nil
	}
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 32)
	if err != nil {
		return 0, badRequest(invalidValue, "The parameters startIndex and count must be numbers.")
	}
	return int(n), nil
}

// replaceUser replaces a user (RFC 7644 §3.5.1). What the request does not have is kept: a directory that leaves active
// out did not deactivate anybody.
func (h *Handler) replaceUser(q *request) (*response, error) {
	change, err := readUser(q.Request)
	if err != nil {
		return nil, err
	}
	return h.updateUser(q, change)
}

// patchUser applies all operations of a request to a user, or none (RFC 7644 §3.5.2).
func (h *Handler) patchUser(q *request) (*response, error) {
	change, err := readPatch(q.Request)
	if err != nil {
		return nil, err
	}
	return h.updateUser(q, change)
}

func (h *Handler) updateUser(q *request, change bridge.DirectoryChange) (*response, error) {
	id, err := userID(q)
	if err != nil {
		return nil, err
	}
	update, err := h.Store.UpdateDirectoryUser(q.Context(), q.provider.ID, id, change, h.ending(q))
	if err != nil {
		return nil, err
	}
	h.report(q, update)
	return &response{body: newResource(q, update.After)}, nil
}

// deleteUser deletes a user (RFC 7644 §3.6).
func (h *Handler) deleteUser(q *request) (*response, error) {
	id, err := userID(q)
	if err != nil {
		return nil, err
	}
	update, err := h.Store.DeleteDirectoryUser(q.Context(), q.provider.ID, id, h.ending(q))
	if err != nil {
		return nil, err
	}
	h.report(q, update)
	return &response{status: http.StatusNoContent}, nil
}

// userID returns the id in the path of a request, if a user may have it.
func userID(q *request) (string, error) {
	id := q.PathValue("id")
	if !bridge.IsStorable(id) {
		return "", bridge.ErrNotFound
	}
	return id, nil
}
